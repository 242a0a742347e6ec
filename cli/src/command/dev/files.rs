//! What a local ensemble keeps in its data directory: an authority, certificates, a folder for
//! each server, and two client profiles: anybody's, and that of an administrator, who may do what lists
//! forbid. Existing files are kept.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use zareba_client::model::{Ensemble, Member, MemberRole, Principal, ServerId};
use zareba_server::{CertificateAuthority, DoorLimits, IdentityFiles, ServerConfig, Timing};

use crate::profile;

/// The administrator's common name. Whoever sets lists on a local ensemble can lock out everybody else: its
/// own start, and the person who tries things out.
const ADMINISTRATOR: &str = "admin";

/// One server of a local ensemble.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) id: ServerId,
    pub(super) client: SocketAddr,
    pub(super) peer: SocketAddr,
}

/// A data directory whose certificates are there.
pub(super) struct Files {
    dir: PathBuf,
}

#[derive(Serialize)]
struct ProfileFile {
    endpoints: Vec<String>,
    ca: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// Where the profiles are.
pub(super) struct Profiles {
    /// Anybody's.
    pub(super) client: PathBuf,
    /// The administrator's.
    pub(super) administrator: PathBuf,
}

impl Files {
    /// Makes what is missing.
    pub(super) fn prepare(dir: &Path, places: &[Place]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot create the data directory {}", dir.display()))?;
        let files = Self {
            dir: dir.to_owned(),
        };
        let authority = files.authority()?;
        for place in places {
            let folder = files.folder(place.id);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
            let identity = files.identity(place.id);
            if identity.certificate.exists() && identity.key.exists() {
                continue;
            }
            let names = [place.client.ip().to_string(), "localhost".to_owned()];
            let credentials = authority.issue_server(place.id, &names)?;
            write(&identity.certificate, &credentials.certificate_pem, false)?;
            write(&identity.key, &credentials.key_pem, true)?;
        }
        let [certificate, key] = files.administrator();
        if !(certificate.exists() && key.exists()) {
            let credentials = authority.issue_client(ADMINISTRATOR)?;
            write(&certificate, &credentials.certificate_pem, false)?;
            write(&key, &credentials.key_pem, true)?;
        }
        Ok(files)
    }

    /// One server's configuration.
    pub(super) fn server_config(&self, place: &Place, places: &[Place]) -> ServerConfig {
        let member = |place: &Place| Member {
            role: MemberRole::VOTER,
            peer_address: place.peer.to_string(),
            client_address: place.client.to_string(),
        };
        ServerConfig {
            id: place.id,
            data_dir: self.folder(place.id).join("data"),
            bootstrap: true,
            client_listen: place.client,
            peer_listen: place.peer,
            ensemble: Ensemble {
                version: 0,
                members: places.iter().map(|it| (it.id, member(it))).collect(),
                outgoing: None,
            },
            identity: self.identity(place.id),
            names: Vec::new(),
            superusers: vec![Principal {
                scheme: "x509".to_owned(),
                id: format!("CN={ADMINISTRATOR}"),
            }],
            audit_log: None,
            timing: Timing::default(),
            limits: DoorLimits::default(),
        }
    }

    /// Writes the profiles that clients use, and says where.
    pub(super) fn write_profiles(&self, endpoints: &[SocketAddr]) -> anyhow::Result<Profiles> {
        let mut file = ProfileFile {
            endpoints: endpoints.iter().map(ToString::to_string).collect(),
            ca: "ca.pem".to_owned(),
            certificate: None,
            key: None,
        };
        let client = self.dir.join(profile::FILE);
        write(&client, &toml::to_string(&file)?, false)?;
        let named = |path: &Path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        let [certificate, key] = self.administrator();
        (file.certificate, file.key) = (named(&certificate), named(&key));
        let administrator = self.dir.join(format!("{ADMINISTRATOR}.toml"));
        write(&administrator, &toml::to_string(&file)?, false)?;
        Ok(Profiles {
            client,
            administrator,
        })
    }

    /// The administrator's certificate and key.
    fn administrator(&self) -> [PathBuf; 2] {
        ["pem", "key"].map(|kind| self.dir.join(format!("{ADMINISTRATOR}.{kind}")))
    }

    fn folder(&self, id: ServerId) -> PathBuf {
        self.dir.join(format!("server-{id}"))
    }

    fn identity(&self, id: ServerId) -> IdentityFiles {
        let folder = self.folder(id);
        IdentityFiles {
            certificate: folder.join("server.pem"),
            key: folder.join("server.key"),
            ca: self.dir.join("ca.pem"),
            client_ca: self.dir.join("ca.pem"),
            ca_key: Some(self.dir.join("ca.key")),
        }
    }

    fn authority(&self) -> anyhow::Result<CertificateAuthority> {
        let (certificate, key) = (self.dir.join("ca.pem"), self.dir.join("ca.key"));
        if certificate.exists() && key.exists() {
            return Ok(CertificateAuthority::load(
                &read(&certificate)?,
                &read(&key)?,
            )?);
        }
        let authority = CertificateAuthority::create()?;
        write(&key, &authority.key_pem(), true)?;
        write(&certificate, authority.certificate_pem(), false)?;
        Ok(authority)
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes beside and renames, so that a crash leaves the old file or the new one. Keys are
/// readable by their owner only.
pub(in crate::command) fn write(path: &Path, text: &str, secret: bool) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let beside = path.with_extension("new");
    let mode = if secret { 0o600 } else { 0o644 };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    options
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
        })
        .and_then(|()| std::fs::rename(&beside, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

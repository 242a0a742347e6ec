//! One server of a measurement's own ensemble: its folder, its process and its journal.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use zareba_client::model::ServerId;
use zareba_server::CertificateAuthority;

use super::journal::{self, Journal};
use super::usage::Usage;
use crate::args::OwnEnsemble;
use crate::clock;

/// Where a server is found, on this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) id: ServerId,
    pub(super) client_port: u16,
    pub(super) peer_port: u16,
}

/// A server that runs or is down. It is killed when dropped.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) place: Place,
    pub(super) journal: Arc<Journal>,
    folder: PathBuf,
    process: Option<Child>,
}

impl Member {
    /// Writes the server's certificate and configuration.
    pub(super) fn prepare(
        home: &Path,
        authority: &CertificateAuthority,
        place: Place,
        places: &[Place],
        settings: &OwnEnsemble,
    ) -> anyhow::Result<Self> {
        let folder = home.join(format!("server-{}", place.id));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let credentials = authority.issue_server(place.id, &["localhost".to_owned()])?;
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        write("server.pem", &credentials.certificate_pem)?;
        write("server.key", &credentials.key_pem)?;
        write("ca.pem", authority.certificate_pem())?;
        write(CONFIG, &configuration(place, places, settings))?;
        Ok(Self {
            place,
            journal: Arc::new(Journal::new()),
            folder,
            process: None,
        })
    }

    /// Starts the process and waits until it listens. Returns when it was started.
    pub(super) async fn start(&mut self) -> anyhow::Result<u64> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let started = clock::unix_us();
        let mut process = Command::new(program)
            .args(["server", "--config"])
            .arg(self.folder.join(CONFIG))
            .env("RUST_LOG", "info")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a server's process")?;
        let errors = process.stderr.take().context("no error output")?;
        tokio::spawn(journal::follow(Arc::clone(&self.journal), errors));
        let output = process.stdout.take().context("no output")?;
        let first = BufReader::new(output).lines().next_line().await?;
        self.process = Some(process);
        if !first.is_some_and(|line| line.starts_with("ready ")) {
            bail!(
                "server {} does not start:\n{}",
                self.place.id,
                self.journal.tail()
            );
        }
        Ok(started)
    }

    /// Kills the process. Returns right before it is gone; `bury` waits for the rest.
    pub(super) fn kill(&mut self) -> anyhow::Result<u64> {
        let process = self.process.as_mut().context("the server is down")?;
        let at = clock::unix_us();
        process.start_kill()?;
        Ok(at)
    }

    /// Waits until a killed process is gone.
    pub(super) async fn bury(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.wait().await?;
        }
        Ok(())
    }

    /// Stops the process where it stands, as if its host had gone: nobody answers for it.
    pub(super) async fn freeze(&mut self) -> anyhow::Result<u64> {
        self.signal("STOP").await?;
        Ok(clock::unix_us())
    }

    /// Asks the process to end and waits until it has.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        self.signal("TERM").await?;
        self.bury().await
    }

    /// Bytes that its data take.
    pub(super) fn data_bytes(&self) -> anyhow::Result<u64> {
        bytes_below(&self.data())
    }

    /// Removes all data of a server that is down.
    pub(super) fn wipe(&self) -> anyhow::Result<()> {
        let data = self.data();
        std::fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))
    }

    /// The number of its process, while it runs.
    pub(super) fn process(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// What its process has used and holds.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.process().context("the server is down")?)
    }

    pub(super) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.place.client_port)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let process = self.process().context("the server is down")?;
        let status = Command::new("kill")
            .args([format!("-{name}"), process.to_string()])
            .status()
            .await
            .context("cannot run `kill`")?;
        if !status.success() {
            bail!("cannot send {name} to process {process}");
        }
        Ok(())
    }
}

/// The configuration's name in a server's folder.
const CONFIG: &str = "server.toml";

/// More than one machine can play.
const CONNECTIONS_MAX: usize = 100_000;

fn configuration(place: Place, places: &[Place], settings: &OwnEnsemble) -> String {
    let mut text = format!(
        "id = {}\ndata_dir = \"data\"\nclient_listen = \"127.0.0.1:{}\"\n\
         peer_listen = \"127.0.0.1:{}\"\ncertificate = \"server.pem\"\nkey = \"server.key\"\n\
         ca = \"ca.pem\"\n",
        place.id, place.client_port, place.peer_port
    );
    for other in places.iter().filter(|other| other.id != place.id) {
        let (id, port) = (other.id, other.peer_port);
        text += &format!("[[peers]]\nid = {id}\naddress = \"127.0.0.1:{port}\"\n");
    }
    text += "[timing]\n";
    if let Some(ms) = settings.heartbeat_ms {
        text += &format!("heartbeat_ms = {ms}\n");
    }
    if let Some(ms) = settings.silence_max_ms {
        text += &format!("silence_max_ms = {ms}\n");
    }
    // All clients of a measurement come from one address, which is all that is known of them.
    text += &format!(
        "[limits]\nconnections_max = {CONNECTIONS_MAX}\n\
         connections_per_address_max = {CONNECTIONS_MAX}\n\
         sessions_per_identity_max = {CONNECTIONS_MAX}\n"
    );
    text
}

fn bytes_below(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            bytes_below(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(bytes)
}

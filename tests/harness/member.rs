//! One server of an ensemble: its folder, configuration and process.

use std::path::{Path, PathBuf};

use zareba_model::ServerId;
use zareba_server::CertificateAuthority;

use crate::Process;

/// Where a server is found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) id: u64,
    pub(crate) client_port: u16,
    pub(crate) peer_port: u16,
}

/// A server that runs or is down.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) place: Place,
    pub(crate) process: Option<Process>,
    pub(crate) is_paused: bool,
    folder: PathBuf,
}

impl Member {
    /// Writes the certificate and configuration of a server.
    pub(crate) fn prepare(
        home: &Path,
        authority: &CertificateAuthority,
        place: Place,
        places: &[Place],
        settings: &str,
    ) -> Self {
        let folder = home.join(format!("server-{}", place.id));
        std::fs::create_dir_all(&folder).unwrap();
        let names = ["localhost".to_owned()];
        let credentials = authority.issue_server(ServerId(place.id), &names).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("server.pem", &credentials.certificate_pem);
        write("server.key", &credentials.key_pem);
        write("ca.pem", authority.certificate_pem());
        write("server.toml", &configuration(place, places, settings));
        Self {
            place,
            process: None,
            is_paused: false,
            folder,
        }
    }

    /// Starts the process; true once it says that it is ready, false if its ports are taken.
    pub(crate) async fn start(&mut self) -> bool {
        assert!(self.process.is_none(), "server {} runs", self.place.id);
        let config = self.folder.join("server.toml");
        let arguments = ["server".as_ref(), "--config".as_ref(), config.as_os_str()];
        let title = format!("server {}", self.place.id);
        let mut process = Process::start(&title, &arguments, &self.log());
        let line = process.line().await;
        let is_ready = line.is_some_and(|line| line.starts_with("ready "));
        if is_ready {
            self.process = Some(process);
            self.is_paused = false;
            return true;
        }
        process.end().await;
        let log = std::fs::read_to_string(self.log()).unwrap();
        let last = log.lines().last().unwrap_or_default();
        assert!(
            last.contains("cannot listen"),
            "server {} does not start: {last}",
            self.place.id
        );
        false
    }

    pub(crate) fn process(&self) -> &Process {
        match &self.process {
            Some(process) => process,
            None => panic!("server {} is down", self.place.id),
        }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.place.client_port)
    }
}

fn configuration(place: Place, places: &[Place], settings: &str) -> String {
    let mut text = format!(
        "id = {}\ndata_dir = \"data\"\nclient_listen = \"127.0.0.1:{}\"\n\
         peer_listen = \"127.0.0.1:{}\"\ncertificate = \"server.pem\"\nkey = \"server.key\"\n\
         ca = \"ca.pem\"\n",
        place.id, place.client_port, place.peer_port
    );
    for other in places.iter().filter(|other| other.id != place.id) {
        text += &format!(
            "[[peers]]\nid = {}\naddress = \"127.0.0.1:{}\"\n",
            other.id, other.peer_port
        );
    }
    text + settings
}

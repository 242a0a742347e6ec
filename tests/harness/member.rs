//! One server of an ensemble: its folder, configuration and process.

use std::path::{Path, PathBuf};

use zareba_model::ServerId;
use zareba_server::CertificateAuthority;

use crate::Process;
use crate::binary::{binary, binary_with_faults};

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
        write("ca.key", &authority.key_pem());
        write("server.toml", &configuration(place, places, settings));
        Self {
            place,
            process: None,
            is_paused: false,
            folder,
        }
    }

    /// A server that has joined by itself, with everything in its folder.
    pub(crate) fn joined(place: Place, folder: PathBuf, process: Process) -> Self {
        Self {
            place,
            process: Some(process),
            is_paused: false,
            folder,
        }
    }

    /// Starts the process; true once it says that it is ready, false if its ports are taken.
    pub(crate) async fn start(&mut self) -> bool {
        self.start_with(None).await
    }

    /// The same, with a disk that fails so.
    pub(crate) async fn start_with(&mut self, fault: Option<&str>) -> bool {
        match self.try_start(fault).await {
            Ok(()) => true,
            Err(last) => {
                let is_taken = last.contains("cannot listen");
                assert!(is_taken, "server {} does not start: {last}", self.place.id);
                false
            }
        }
    }

    /// The same; if it does not start, its last words.
    pub(crate) async fn try_start(&mut self, fault: Option<&str>) -> Result<(), String> {
        assert!(self.process.is_none(), "server {} runs", self.place.id);
        let config = self.folder.join("server.toml");
        let arguments = ["server".as_ref(), "--config".as_ref(), config.as_os_str()];
        let title = format!("server {}", self.place.id);
        let variables: Vec<_> = fault.iter().map(|it| ("ZAREBA_DISK_FAULT", *it)).collect();
        let program = match fault {
            Some(_) => binary_with_faults(),
            None => binary(),
        };
        let mut process =
            Process::start_program(program, &title, &arguments, &variables, &self.log());
        let line = process.line().await;
        if line.is_some_and(|line| line.starts_with("ready ")) {
            self.process = Some(process);
            self.is_paused = false;
            return Ok(());
        }
        process.end().await;
        let log = std::fs::read_to_string(self.log()).unwrap();
        Err(log.lines().last().unwrap_or_default().to_owned())
    }

    /// Adds a line to the top of its configuration.
    pub(crate) fn configure(&self, line: &str) {
        let path = self.folder.join("server.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{line}\n{text}")).unwrap();
    }

    /// Gives it another port for its peers, in its configuration.
    pub(crate) fn move_peers(&mut self, port: u16) {
        let path = self.folder.join("server.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let old = format!("peer_listen = \"127.0.0.1:{}\"", self.place.peer_port);
        assert!(text.contains(&old), "{text}");
        self.place.peer_port = port;
        let new = format!("peer_listen = \"127.0.0.1:{port}\"");
        std::fs::write(&path, text.replace(&old, &new)).unwrap();
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
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
         ca = \"ca.pem\"\nca_key = \"ca.key\"\n",
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

//! Puts a server together: sockets, disk, threads, links, doors, in this order. Must never decide
//! anything a running server decides.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};
use tokio::sync::{oneshot, watch};
use zareba_plugin_host::{PluginCompiler, PluginEngine, PluginHost};
use zareba_replica::Replica;
use zareba_replica::recovery::Recovered;
use zareba_transport::{Credentials, TlsError, client_door_config};
use zareba_zab::Role;

use crate::admission::Admission;
use crate::audit::Audit;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::connection::Doorway;
use crate::disk::{LogOrder, LogThread};
use crate::error::{ServerError, StartError};
use crate::event::{Event, EventSenders, queues};
use crate::image::{ImageOrder, ImageThread};
use crate::listener::quic::QuicDoor;
use crate::loop_runtime::LoopRuntime;
use crate::main_loop::MainLoop;
use crate::metrics::Metrics;
use crate::plugins;
use crate::queue;
use crate::recovery::{self, Opened, Standing, TailWindow};
use crate::running::{Remains, RunningServer, supervise};
use crate::shell::Shell;

/// Starts servers.
#[derive(Debug)]
pub struct Server;

/// The two sockets of a server. Binding them first lets members of one test ensemble learn each
/// other's free ports before any of them starts.
#[derive(Debug)]
pub struct Sockets {
    /// For clients.
    pub client: UdpSocket,
    /// For peers.
    pub peer: UdpSocket,
}

impl Sockets {
    /// Binds the addresses of a configuration.
    pub fn bind(config: &ServerConfig) -> Result<Self, StartError> {
        let bind = |purpose, address| {
            UdpSocket::bind(address).map_err(|error| StartError::listen(purpose, address, error))
        };
        Ok(Self {
            client: bind("clients", config.client_listen)?,
            peer: bind("peers", config.peer_listen)?,
        })
    }
}

impl Server {
    /// Starts a server on the current tokio runtime. It serves once it has a leader.
    pub async fn start(config: ServerConfig) -> Result<RunningServer, StartError> {
        let sockets = Sockets::bind(&config)?;
        let compiler = PluginCompiler::new().map_err(|e| StartError::Plugins(e.to_string()))?;
        Self::start_on(config, sockets, compiler).await
    }

    /// The same on sockets that are bound already, with a compiler for its plugins that other servers of this
    /// process may have too.
    pub async fn start_on(
        config: ServerConfig,
        sockets: Sockets,
        compiler: PluginCompiler,
    ) -> Result<RunningServer, StartError> {
        tracing::info!(id = %config.id, names = ?config.names, "starting");
        let identity = Identity::read(&config)?;
        let opened = recover(&config).await?;
        let standing = opened.standing;
        say_if_new(&config, standing);
        let metrics = Arc::new(Metrics::default());
        let (events, receivers) = queues();
        let client_addr = local_address(&sockets.client, "clients", config.client_listen)?;
        let peer_addr = local_address(&sockets.peer, "peers", config.peer_listen)?;

        let (admission, tls) = identity.of_the_door()?;
        let doorway = Doorway::new(&config, events.clone(), Arc::clone(&metrics), admission);
        let (limits, doorway) = (&config.limits, Arc::new(doorway));
        let door = QuicDoor::new(sockets.client, &identity.credentials, tls, limits, doorway)
            .map_err(|error| StartError::listen("clients", client_addr, error))?;
        let links = LoopRuntime::new()?;
        let peers = links
            .start_peers(
                &config,
                sockets.peer,
                identity.ca_pem,
                identity.credentials,
                events.clone(),
                Arc::clone(&metrics),
            )
            .map_err(|error| StartError::Mesh(error.to_string()))?;

        let assembly = Assembly {
            config: &config,
            events: &events,
            metrics: &metrics,
            standing,
        };
        let audit = assembly.start_audit()?;
        let disk = assembly.start_disk(opened)?;
        let engine = compiler.engine().clone();
        let compiler = assembly.start_compiler(compiler)?;
        let (role, role_out) = watch::channel(Role::Looking);
        let shell = Shell {
            clients: Clients::new(Arc::clone(&metrics)),
            peers,
            log: disk.log,
            image: disk.image,
            compiler,
            role,
            damaged: standing == Standing::Damaged,
            compared: false,
            audit,
            removed: None,
        };
        let loop_end = assembly.start_loop(links, shell, disk.recovered, engine, receivers)?;
        tokio::spawn(door.clone().accept_clients());
        tracing::info!(%client_addr, %peer_addr, "listening");
        let remains = Remains {
            door,
            disk_threads: disk.threads,
            directory: disk.directory,
        };
        Ok(RunningServer {
            id: config.id,
            client_addr,
            peer_addr,
            events,
            role: role_out,
            metrics,
            end: Some(tokio::spawn(supervise(loop_end, remains))),
        })
    }
}

/// The texts of the identity's files.
struct Identity {
    credentials: Credentials,
    ca_pem: String,
    client_ca_pem: String,
    ca_key_pem: Option<String>,
}

impl Identity {
    /// What the clients' door needs: who signs for new servers, and its TLS. Clients are shown the
    /// certificate, and behind it the authority's own, so that a new server that knows only the
    /// authority's fingerprint can check it.
    fn of_the_door(&self) -> Result<(Admission, quinn::ServerConfig), StartError> {
        let invalid = |error: TlsError| StartError::Identity(error.to_string());
        let admission = Admission::new(&self.ca_pem, self.ca_key_pem.as_deref());
        let shown = Credentials {
            certificate_pem: format!("{}\n{}", self.credentials.certificate_pem, self.ca_pem),
            key_pem: self.credentials.key_pem.clone(),
        };
        let tls = client_door_config(&shown, Some(&self.client_ca_pem));
        Ok((admission.map_err(invalid)?, tls.map_err(invalid)?))
    }

    fn read(config: &ServerConfig) -> Result<Self, StartError> {
        let files = &config.identity;
        Ok(Self {
            credentials: Credentials {
                certificate_pem: read_pem("certificate", &files.certificate)?,
                key_pem: read_pem("key", &files.key)?,
            },
            ca_pem: read_pem("ca", &files.ca)?,
            client_ca_pem: read_pem("client_ca", &files.client_ca)?,
            ca_key_pem: match &files.ca_key {
                None => None,
                Some(key) => Some(read_pem("ca_key", key)?),
            },
        })
    }
}

fn read_pem(what: &'static str, path: &Path) -> Result<String, StartError> {
    std::fs::read_to_string(path).map_err(|error| StartError::IdentityFile {
        what,
        path: path.to_owned(),
        error,
    })
}

fn local_address(
    socket: &UdpSocket,
    purpose: &'static str,
    address: std::net::SocketAddr,
) -> Result<std::net::SocketAddr, StartError> {
    socket
        .local_addr()
        .map_err(|error| StartError::listen(purpose, address, error))
}

/// Recovery reads and computes for as long as it takes, so that it has a thread for it.
async fn recover(config: &ServerConfig) -> Result<Opened, StartError> {
    let zab = config.zab();
    let window = TailWindow {
        entries: zab.window_entries,
        bytes: zab.window_bytes,
    };
    let path = config.data_dir.clone();
    let opening = tokio::task::spawn_blocking(move || recovery::open(&path, window));
    let opened = opening.await;
    opened.unwrap_or_else(|panic| {
        Err(StartError::Recovery {
            path: config.data_dir.clone(),
            message: panic.to_string(),
        })
    })
}

/// Tells the operator for whom a server waits that has nothing.
fn say_if_new(config: &ServerConfig, standing: Standing) {
    let others: Vec<_> = config.ensemble.voters().into_iter().collect();
    if standing != Standing::New || others == [config.id] {
        return;
    }
    if config.bootstrap {
        tracing::info!(
            voters = ?others,
            "this server holds no history yet: it does not vote until a leader has refilled it, or, \
             if the ensemble is new, until all its voters are up and hold none either"
        );
    } else {
        tracing::warn!(
            "this server holds no history yet: it does not vote until a leader has refilled it; keep \
             a quorum of the others up (`bootstrap` is false: it begins no new ensemble)"
        );
    }
}

/// What all threads of a server share.
struct Assembly<'a> {
    config: &'a ServerConfig,
    events: &'a EventSenders,
    metrics: &'a Arc<Metrics>,
    standing: Standing,
}

/// The disk's threads, and what is not theirs.
struct DiskParts {
    log: queue::Sender<LogOrder>,
    image: Sender<ImageOrder>,
    threads: Vec<JoinHandle<()>>,
    directory: zareba_storage::Directory,
    recovered: Recovered,
}

impl Assembly<'_> {
    fn start_disk(&self, opened: Opened) -> Result<DiskParts, StartError> {
        let (log, log_orders) = queue::one_lane();
        let (image, image_orders) = crossbeam_channel::unbounded();
        let events = self.events.clone();
        let metrics = Arc::clone(self.metrics);
        let log_thread = LogThread::new(opened.log, log_orders, events, metrics);
        let image_thread = ImageThread::new(
            opened.image,
            image_orders,
            log.clone(),
            self.events.clone(),
            Arc::clone(self.metrics),
            u32::try_from(self.config.zab().window_entries).unwrap_or(u32::MAX),
        );
        let threads = vec![
            self.spawn("zareba-log", || log_thread.run())?,
            self.spawn("zareba-image", || image_thread.run())?,
        ];
        Ok(DiskParts {
            log,
            image,
            threads,
            directory: opened.directory,
            recovered: opened.recovered,
        })
    }

    fn start_audit(&self) -> Result<Option<Audit>, StartError> {
        let Some(path) = &self.config.audit_log else {
            return Ok(None);
        };
        let opened = Audit::open(path, self.config.id);
        let (audit, thread) = opened.map_err(|error| StartError::AuditLog {
            path: path.clone(),
            error,
        })?;
        self.spawn("zareba-audit", || thread.run())?;
        Ok(Some(audit))
    }

    fn start_compiler(
        &self,
        compiler: PluginCompiler,
    ) -> Result<Sender<plugins::CompileOrder>, StartError> {
        let (sender, orders): (_, Receiver<_>) = crossbeam_channel::unbounded();
        let events = self.events.clone();
        self.spawn("zareba-compile", move || {
            plugins::run(&compiler, &orders, &events)
        })?;
        Ok(sender)
    }

    /// The replica is made on the thread that owns it, where its guests live too.
    fn start_loop(
        &self,
        runtime: LoopRuntime,
        shell: Shell,
        recovered: Recovered,
        engine: PluginEngine,
        receivers: queue::Receiver<Event>,
    ) -> Result<oneshot::Receiver<Result<(), ServerError>>, StartError> {
        let mut zab = self.config.zab();
        zab.may_begin = self.config.bootstrap && self.standing == Standing::New;
        // Half of all numbers are left for counting.
        zab.joins_from = rand::random::<u64>() >> 1;
        let mut config = zareba_replica::Config::new(zab);
        config.seed = rand::random();
        config.audits = self.config.audit_log.is_some();
        let metrics = Arc::clone(self.metrics);
        let (end, end_out) = oneshot::channel();
        self.spawn("zareba-loop", move || {
            let clock = Clock::new();
            let mut outputs = Vec::new();
            let host = PluginHost::new(engine);
            let replica = Replica::new(config, recovered, host, clock.now(), &mut outputs);
            let peers = shell.peers.clone();
            let main_loop = MainLoop::new(replica, shell, receivers, clock, metrics, outputs);
            runtime.run(main_loop.run(), peers, end);
        })?;
        Ok(end_out)
    }

    fn spawn(
        &self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>, StartError> {
        let alarm = PanicAlarm(self.events.clone());
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _alarm = alarm;
                work();
            })
            .map_err(|error| StartError::Thread { name, error })
    }
}

/// Stops the server when a thread of it panics in a process that does not abort then.
struct PanicAlarm(EventSenders);

impl Drop for PanicAlarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.tell(Event::Fatal(ServerError::Crashed));
        }
    }
}

//! The running member: everything that touches the world, around the pure replica.
//!
//! ```text
//!   clients ══ listener ── connection ──┐                    ┌── disk ── log
//!   peers ════ peers ───────────────────┼─> main_loop ─ shell┼── image
//!   compiler ─ plugins ─────────────────┘   (the replica)    └── clients, peers, plugins
//! ```
//!
//! One thread owns the replica and takes events in batches; the log, the image and the compiler
//! have a thread each; clients and links are tasks of the tokio runtime. Must never decide what
//! the replica decides.

mod start;
pub use start::{Server, Sockets};

mod running;
pub use running::RunningServer;

mod config;
pub use config::{ConfigError, DoorLimits, IdentityFiles, ServerConfig, Timing};

pub use zareba_transport::{CertificateAuthority, Credentials, generate_key, request_certificate};

mod error;
pub use error::{ServerError, StartError};

mod metrics;
pub use metrics::{Counter, Metrics};

mod panic;
pub use panic::abort_on_panic;

mod event;
mod loop_runtime;
mod main_loop;
mod queue;
mod shell;

mod admission;
mod audit;
mod clients;
mod connection;
mod listener;
pub use listener::identity::prove;

mod disk;
mod image;
mod log_disk;
mod stopped_data;
pub use stopped_data::{EntryLine, Finding, LogLine, StoppedData, StoppedDataError};
pub use zareba_log::inspection::{EpochsFound, SegmentFound};

mod progress;
mod recovery;

mod peers;
mod plugins;

mod clock;
mod process;

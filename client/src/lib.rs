//! The Rust client of Zareba, over QUIC.
//!
//! ```no_run
//! # async fn example() -> Result<(), zareba_client::Error> {
//! use zareba_client::{Client, CreateMode, Profile};
//!
//! let profile = Profile::load("client.toml")?; // `zareba dev` writes one
//! let client = Client::builder().profile(profile).connect().await?;
//!
//! client.create("/config", "v1", CreateMode::Persistent).await?;
//! let (data, stat, watch) = client.get_and_watch("/config").await?;
//! client.set("/config", "v2", Some(stat.version)).await?;
//! println!("{data:?} was replaced: {:?}", watch.await?.kind);
//!
//! let guard = client.lock("/locks", "db")?.acquire().await?;
//! println!("the lock is ours; its fencing token is {}", guard.token());
//! guard.release().await?;
//!
//! client.close().await
//! # }
//! ```
//!
//! A [`Client`] is one session. When its server goes, it moves to another one by itself: requests
//! that wait for an answer are sent again and executed once, watches stay in force, locks and
//! ephemeral nodes stay held. Only a session that no server has heard of for its whole timeout
//! is over ([`Error::SessionExpired`]). The client knows that without a server, and before the servers give
//! to others what the session held, if clocks run alike: it counts from the sending of the newest message
//! that the servers' leader has surely heard of.
//!
//! The servers tell their clients where the members of the ensemble are, now and whenever that changes:
//! a profile needs to name only one that can be reached at first.
//!
//! A server is left as soon as its host says that nobody listens there, after a tenth of the
//! session timeout (half a second at least) without any sign of life although it was asked for
//! one, and after two thirds of the timeout if it is alive but does not bring the leader's word, whatever else it
//! answers or tells.
//!
//! Sessions of one runtime share a few UDP sockets to each server, by themselves: a process may hold
//! thousands of them. What one session does or suffers does not touch the others.
//!
//! Plugins are deployed and called like this:
//!
//! ```no_run
//! # async fn example(client: zareba_client::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use std::collections::BTreeMap;
//! use zareba_client::Limits;
//!
//! let component = std::fs::read("counter.wasm")?;
//! let revision = client.push_plugin("counter", component, |_done, _of| {}).await?;
//! client.activate_plugin("counter", revision).await?;
//! client.mount_plugin("counter", "/counters", BTreeMap::new(), Limits::default()).await?;
//!
//! let answer = client.call("/counters", "add", r#"{"name": "visits", "by": 1}"#).await?;
//! println!("{}", String::from_utf8_lossy(&answer));
//! # Ok(())
//! # }
//! ```
//!
//! Beside that:
//!
//! - [`Client::watch`] and [`Client::watch_recursive`] are streams of events that miss nothing and tell nothing
//!   twice, wherever the session goes; [`Client::get_and_watch`] and its like leave a watch for one event;
//! - [`ClientBuilder::local`] and [`ClientBuilder::read_only`] are sessions that cost no quorum,
//!   [`Client::session_kind`] says which one it is;
//! - [`Client::authenticate`] and [`Profile::with_certificate`] say who the client is, [`Client::set_acl`] who may
//!   do what, [`Client::set_quota`] how much;
//! - [`Client::multi`] and [`Client::multi_read`] change and read together, [`Client::delete_all`],
//!   [`Client::count`] and [`Client::ephemerals`] are about many nodes at once, [`Client::sessions`] and
//!   [`Client::ensemble`] about who is there;
//! - [`Client::create_node`] takes options by name, [`Client::chroot`] shows a part of the tree as the
//!   whole, [`Client::linearizable`] reads what was acknowledged to anybody;
//! - [`RetryPolicy`] says what happens on a lost connection, and how that is changed;
//! - [`recipes`] are lock, election, barrier, queue and counter on nothing but znodes;
//! - [`blocking`] is all of this for programs without asynchronous tasks;
//! - [`Error`] says of each failure what to do about it.
//!
//! Futures may be dropped at any time; what each leaves behind then is said at its method.
//!
//! This room must never know how a server does what it is asked.

mod clock;
mod limits;

mod config;
pub use config::{ClientBuilder, ClientCertificate, Profile, SERVER_NAME, Secret};

mod client;
pub use client::Client;

mod tree;
pub use tree::{ChildrenList, PathsList};

mod create;
pub use create::CreateNode;

mod call;

mod chroot;

mod path;
pub use path::IntoPath;

mod multi;
pub use multi::Multi;

mod multi_read;
pub use multi_read::{Answers, MultiRead, Question};

mod quota;

mod identity;

mod sessions;
pub use sessions::{SessionInfo, SessionsList};

mod plugin;
mod plugin_view;

mod ensemble;
pub use ensemble::ENSEMBLE_PATH;

mod join;
pub use join::Invitation;
mod pinned;

pub mod recipes;

pub mod blocking;

mod lock;
pub use lock::{Lock, LockGuard};

mod retry;
pub use retry::RetryPolicy;

mod session;
pub use session::Status;

mod pending;

mod liveness;
mod progress;

mod watch;
pub use watch::Watch;

mod stream;
pub use stream::WatchStream;

mod add_watch;
pub use add_watch::AddWatch;

mod driver;

mod connection;

mod refusal;

mod socket;

mod error;
pub use error::Error;

/// What a server that has joined is given.
pub use zareba_wire::Joined;

/// What a session is good for.
pub use zareba_wire::SessionKind;

/// The nouns that requests and answers are made of.
pub use zareba_model as model;
pub use zareba_model::{
    Acl, AclEntry, Change, ChildrenPage, CreateMode, Ensemble, ErrorCode, Event, EventKind, Fault,
    Lifetime, Limits, Member, MemberRole, Outcome, PathError, PathsPage, Permissions, Principal,
    Quota, ServerId, ServerStatus, SessionId, Sha256, Stat, Usage, WatchKind, ZnodePath, Zxid,
};

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
//! is over ([`Error::SessionExpired`]).
//!
//! This room must never know how a server does what it is asked.

mod clock;
mod limits;

mod config;
pub use config::{ClientBuilder, Profile, SERVER_NAME};

mod client;
pub use client::{ChildrenList, Client};

mod path;
pub use path::IntoPath;

mod multi;
pub use multi::Multi;

mod plugin;

mod lock;
pub use lock::{Lock, LockGuard};

mod retry;

mod session;
pub use session::Status;

mod pending;

mod watch;
pub use watch::Watch;

mod driver;

mod connection;

mod refusal;

mod error;
pub use error::Error;

/// The nouns that requests and answers are made of.
pub use zareba_model as model;
pub use zareba_model::{
    Acl, AclEntry, Change, ChildrenPage, CreateMode, ErrorCode, Event, EventKind, Fault, Limits,
    Outcome, PathError, Permissions, Principal, ServerId, ServerStatus, SessionId, Sha256, Stat,
    WatchKind, ZnodePath, Zxid,
};

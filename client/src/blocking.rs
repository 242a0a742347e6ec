//! The client for programs without asynchronous tasks: every call returns when it is done. Knows
//! nothing of what is asked; [`Client`] asks for it.
//!
//! ```no_run
//! # fn example() -> Result<(), zareba_client::Error> {
//! use std::time::Duration;
//! use zareba_client::{CreateMode, Profile, blocking};
//!
//! let profile = Profile::load("client.toml")?; // `zareba dev` writes one
//! let client = blocking::Client::connect(zareba_client::Client::builder().profile(profile))?;
//!
//! client.create("/config", "v1", CreateMode::Persistent)?;
//! let (data, stat, mut watch) = client.get_and_watch("/config")?;
//! match watch.next_within(Duration::from_secs(5))? {
//!     Some(event) => println!("{data:?} was replaced in {}", event.zxid),
//!     None => println!("version {} still", stat.version),
//! }
//! client.close()
//! # }
//! ```
//!
//! The connections live on a thread of the client's own. What a call waits for is driven by the thread
//! that calls, which sleeps meanwhile.
//!
//! A call inside an asynchronous task is refused with [`Error::InsideAsync`](crate::Error::InsideAsync), for it would hold up that
//! task's thread; inside `tokio::task::spawn_blocking` it is welcome.
//!
//! [`Client`]: crate::Client

mod client;
mod lock;
mod park;
mod runtime;
mod watch;

pub use client::Client;
pub use lock::{Lock, LockGuard};
pub use watch::{Watch, WatchStream};

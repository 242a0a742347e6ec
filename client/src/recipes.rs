//! Recipes on the client's side, written on nothing but znodes: for ensembles without plugins, and
//! for who wants to see how it is done. Knows no message and no server.
//!
//! | recipe | what it is | source |
//! |---|---|---|
//! | [`Lock`] | one holder at a time, in order, with a fencing token | the ZooKeeper paper, 2.4, "Simple Locks without Herd Effect" |
//! | [`ReadWriteLock`] | many readers or one writer, in order, fenced | the same, "Read/Write Locks" |
//! | [`Election`] | one leader, who learns at once that it is none any more | the same, with the leader's words in its node |
//! | [`DoubleBarrier`] | all begin together and end together, again and again | the same, "Double Barrier" |
//! | [`Queue`] | first in, first out; each element to one taker | ZooKeeper's recipes, "Queues" |
//! | [`Counter`] | a number that many add to | the paper, 2.3: conditional set |
//!
//! The paper is Hunt, Konar, Junqueira and Reed, "ZooKeeper: Wait-free coordination for Internet-scale
//! systems", USENIX ATC 2010.
//!
//! The [plugins](crate::Client::lock) do the same in one round trip each, decided once by the leader.
//! What these recipes cost is said at each; a waiting one costs a watch.
//!
//! What all of them have in common:
//!
//! - **No lost answers.** In other libraries a recipe marks its nodes with a random name, to find them
//!   again when the answer of a create got lost. Here a request is executed once and its answer comes,
//!   however often connections break, so that none of it is needed.
//! - **Nothing is left behind.** Any future of a recipe may be dropped at any time: a node that stood
//!   for it is deleted in the background, even if its creation was still under way. A client that dies
//!   leaves ephemeral nodes, which go when its session expires.
//! - **A refused request is repeated.** What a leader that lost its office refuses had no effect; it is
//!   asked again for as long as the session lives.
//! - **A session's end is noticed without a server.** [`Status::Expired`](crate::Status::Expired) comes
//!   by the client's own clock when no server was heard of for the session's timeout. A holder that was
//!   paused, or whose host was, learns it when it runs again, and others may have got hold of the thing
//!   meanwhile: only the fencing token, checked by what is protected, keeps an old holder out.
//! - Paths are those of the handle that the recipe was made with; see [`Client::chroot`](crate::Client::chroot).
//!   Missing parents are created.

mod barrier;
mod counter;
mod election;
mod lock;
mod place;
mod queue;
mod read_write;

pub use barrier::{BarrierPass, DoubleBarrier};
pub use counter::Counter;
pub use election::{Election, Leadership};
pub use lock::{Lock, LockGuard};
pub use queue::Queue;
pub use read_write::ReadWriteLock;

use crate::{Client, limits};

/// The handle that a recipe asks through.
fn steady(client: &Client) -> Client {
    client.resending(limits::PATIENCE_MAX)
}

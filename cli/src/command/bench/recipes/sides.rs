//! One face for the two ways to the same thing: a standard recipe of the servers, called as any user of
//! the client library calls it, and the client library's own recipe on nothing but znodes. Measures
//! nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zareba_client::recipes::{BarrierPass, Counter, DoubleBarrier, Lock, LockGuard, Queue};
use zareba_client::{Client, Error};

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// A plugin, on the leader.
    Plugin,
    /// The client library, with znodes and watches.
    ClientSide,
}

/// The plugins that take part.
pub(super) const PLUGINS: [&str; 4] = ["lock", "counter", "queue", "double-barrier"];

/// Nodes of the client's side lie below this one.
const ROOT: &str = "/recipes";

/// A lock.
pub(super) enum AnyLock {
    Plugin(zareba_client::Lock),
    ClientSide(Lock),
}

/// A lock that is held.
pub(super) enum AnyGuard {
    Plugin(zareba_client::LockGuard),
    ClientSide(LockGuard),
}

/// A number.
pub(super) enum AnyCounter {
    Plugin(Mounted),
    ClientSide(Counter),
}

/// Work to be handed out.
pub(super) enum AnyQueue {
    Plugin(Mounted),
    ClientSide(Queue),
}

/// A double barrier.
pub(super) enum AnyBarrier {
    Plugin(Mounted, usize),
    ClientSide(DoubleBarrier),
}

/// The right to leave one.
pub(super) enum AnyPass<'a> {
    Plugin(&'a Mounted),
    ClientSide(BarrierPass),
}

/// A thing of some name at a plugin.
pub(super) struct Mounted {
    client: Client,
    mount: &'static str,
    name: String,
}

impl Mounted {
    fn new(client: &Client, mount: &'static str, name: &str) -> Self {
        Self {
            client: client.clone(),
            mount,
            name: name.to_owned(),
        }
    }

    async fn call(&self, op: &str, input: &impl Serialize) -> Result<Value, Error> {
        self.client.call_json(self.mount, op, input).await
    }
}

fn path(name: &str) -> String {
    format!("{ROOT}/{name}")
}

impl AnyLock {
    pub(super) fn new(side: Side, client: &Client, name: &str) -> Result<Self, Error> {
        Ok(match side {
            Side::Plugin => Self::Plugin(client.lock("/locks", name)?),
            Side::ClientSide => Self::ClientSide(Lock::new(client, path(name))?),
        })
    }

    pub(super) async fn acquire(&self) -> Result<AnyGuard, Error> {
        Ok(match self {
            Self::Plugin(lock) => AnyGuard::Plugin(lock.acquire().await?),
            Self::ClientSide(lock) => AnyGuard::ClientSide(lock.acquire().await?),
        })
    }
}

impl AnyGuard {
    pub(super) fn token(&self) -> u64 {
        match self {
            Self::Plugin(guard) => guard.token(),
            Self::ClientSide(guard) => guard.token(),
        }
    }

    pub(super) async fn release(self) -> Result<(), Error> {
        match self {
            Self::Plugin(guard) => guard.release().await,
            Self::ClientSide(guard) => guard.release().await,
        }
    }
}

/// What the counter plugin answers.
#[derive(Deserialize)]
struct Sum {
    value: i64,
}

impl AnyCounter {
    pub(super) fn new(side: Side, client: &Client, name: &str) -> Result<Self, Error> {
        Ok(match side {
            Side::Plugin => Self::Plugin(Mounted::new(client, "/counters", name)),
            Side::ClientSide => Self::ClientSide(Counter::new(client, path(name))?),
        })
    }

    /// Adds 1.
    pub(super) async fn add(&self) -> Result<i64, Error> {
        match self {
            Self::ClientSide(counter) => counter.add(1).await,
            Self::Plugin(Mounted {
                client,
                mount,
                name,
            }) => {
                let sum: Sum = client
                    .call_json(*mount, "add", &json!({ "name": name }))
                    .await?;
                Ok(sum.value)
            }
        }
    }

    /// As the session's server has it, which may be a little behind others'.
    pub(super) async fn get(&self) -> Result<i64, Error> {
        match self {
            Self::ClientSide(counter) => counter.get().await,
            Self::Plugin(Mounted {
                client,
                mount,
                name,
            }) => {
                let sum: Sum = client
                    .call_json(*mount, "get", &json!({ "name": name }))
                    .await?;
                Ok(sum.value)
            }
        }
    }
}

/// What the queue plugin answers to a take.
#[derive(Deserialize)]
struct Item {
    id: String,
    data: String,
}

impl AnyQueue {
    pub(super) fn new(side: Side, client: &Client, name: &str) -> Result<Self, Error> {
        Ok(match side {
            Side::Plugin => Self::Plugin(Mounted::new(client, "/queues", name)),
            Side::ClientSide => Self::ClientSide(Queue::new(client, path(name))?),
        })
    }

    pub(super) async fn put(&self, data: &str) -> Result<(), Error> {
        match self {
            Self::ClientSide(queue) => queue.put(data.to_owned()).await,
            Self::Plugin(queue) => {
                let input = json!({ "queue": queue.name, "data": data });
                queue.call("put", &input).await.map(drop)
            }
        }
    }

    /// Takes an item for good: from the plugin, which keeps what is taken until it is said to be done,
    /// that is two calls.
    pub(super) async fn take(&self) -> Result<String, Error> {
        match self {
            Self::ClientSide(queue) => {
                let data = queue.take().await?;
                Ok(String::from_utf8_lossy(&data).into_owned())
            }
            Self::Plugin(queue) => {
                let name = &queue.name;
                let take = json!({ "queue": name });
                let item: Item = queue.client.call_json(queue.mount, "take", &take).await?;
                let ack = json!({ "queue": name, "id": item.id });
                queue.call("ack", &ack).await?;
                Ok(item.data)
            }
        }
    }
}

impl AnyBarrier {
    pub(super) fn new(
        side: Side,
        client: &Client,
        name: &str,
        members: usize,
    ) -> Result<Self, Error> {
        Ok(match side {
            Side::Plugin => Self::Plugin(Mounted::new(client, "/double-barriers", name), members),
            Side::ClientSide => Self::ClientSide(DoubleBarrier::new(client, path(name), members)?),
        })
    }

    pub(super) async fn enter(&self) -> Result<AnyPass<'_>, Error> {
        match self {
            Self::ClientSide(barrier) => Ok(AnyPass::ClientSide(barrier.enter().await?)),
            Self::Plugin(barrier, members) => {
                let input = json!({ "name": barrier.name, "count": members });
                barrier.call("enter", &input).await?;
                Ok(AnyPass::Plugin(barrier))
            }
        }
    }
}

impl AnyPass<'_> {
    pub(super) async fn leave(self) -> Result<(), Error> {
        match self {
            Self::ClientSide(pass) => pass.leave().await,
            Self::Plugin(barrier) => {
                let input = json!({ "name": barrier.name });
                barrier.call("leave", &input).await.map(drop)
            }
        }
    }
}

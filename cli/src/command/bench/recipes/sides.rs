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
pub(super) struct AnyQueue {
    way: QueueWay,
    /// Items in a call.
    batch: usize,
}

enum QueueWay {
    Plugin {
        queue: Mounted,
        /// What is done, and not said to be.
        done: Vec<String>,
    },
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

/// What it answers to one of several.
#[derive(Deserialize)]
struct Items {
    items: Vec<Item>,
}

impl AnyQueue {
    pub(super) fn new(
        side: Side,
        client: &Client,
        name: &str,
        batch: usize,
    ) -> Result<Self, Error> {
        let way = match side {
            Side::Plugin => QueueWay::Plugin {
                queue: Mounted::new(client, "/queues", name),
                done: Vec::new(),
            },
            Side::ClientSide => QueueWay::ClientSide(Queue::new(client, path(name))?),
        };
        Ok(Self { way, batch })
    }

    /// Puts items: into the plugin in one call, with znodes in as many writes, sent at once.
    pub(super) async fn put(&self, items: Vec<String>) -> Result<(), Error> {
        match &self.way {
            QueueWay::ClientSide(queue) => {
                let puts = items.into_iter().map(|item| queue.put(item));
                futures::future::try_join_all(puts).await.map(drop)
            }
            QueueWay::Plugin { queue, .. } => match items.as_slice() {
                [data] => {
                    let input = json!({ "queue": queue.name, "data": data });
                    queue.call("put", &input).await.map(drop)
                }
                _ => {
                    let items: Vec<Value> =
                        items.iter().map(|data| json!({ "data": data })).collect();
                    let input = json!({ "queue": queue.name, "items": items });
                    queue.call("put_all", &input).await.map(drop)
                }
            },
        }
    }

    /// Takes items for good: one from znodes; one from the plugin, which keeps what is taken until it is said to be
    /// done, that is two calls; or several, and says in the same call that the last ones are done.
    pub(super) async fn take(&mut self) -> Result<Vec<String>, Error> {
        match &mut self.way {
            QueueWay::ClientSide(queue) => {
                let data = queue.take().await?;
                Ok(vec![String::from_utf8_lossy(&data).into_owned()])
            }
            QueueWay::Plugin { queue, done } if self.batch > 1 => {
                let acks = std::mem::take(done);
                let take = json!({ "queue": queue.name, "most": self.batch, "acks": acks });
                let taken: Items = queue
                    .client
                    .call_json(queue.mount, "take_all", &take)
                    .await?;
                let taken = taken.items.into_iter().map(|item| (item.id, item.data));
                let (ids, data) = taken.unzip();
                *done = ids;
                Ok(data)
            }
            QueueWay::Plugin { queue, .. } => {
                let take = json!({ "queue": queue.name });
                let item: Item = queue.client.call_json(queue.mount, "take", &take).await?;
                let ack = json!({ "queue": queue.name, "id": item.id });
                queue.call("ack", &ack).await?;
                Ok(vec![item.data])
            }
        }
    }

    /// Says that the last ones are done.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        if let QueueWay::Plugin { queue, done } = &mut self.way
            && !done.is_empty()
        {
            let ids = std::mem::take(done);
            let input = json!({ "queue": queue.name, "ids": ids });
            queue.call("ack_all", &input).await?;
        }
        Ok(())
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

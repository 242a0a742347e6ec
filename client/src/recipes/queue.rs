//! A queue of persistent sequential nodes. Knows nothing of its elements.

use bytes::Bytes;
use zareba_model::{ChildrenPage, CreateMode, ErrorCode, ZnodePath};

use super::place::fired;
use super::steady;
use crate::{Client, Error, IntoPath};

/// What elements' nodes begin with.
const PREFIX: &str = "item-";

/// Elements looked at at once: others may take the first ones meanwhile.
const PAGE: u32 = 16;

/// A queue at a path: first in, first out, each element to one taker. ZooKeeper's recipes, "Queues".
///
/// **Promises.** An element that [`put`](Self::put) has acknowledged is there until it is taken; it is
/// given to one taker, once: deleting is what decides, and a delete is executed once and answered once,
/// so that nobody doubts whether an element was his. A [`take`](Self::take) that is dropped takes
/// nothing: an element that it had deleted already is put back where it was.
///
/// **Does not promise** that an element is worked on: it is gone from the queue when it is taken, also if
/// its taker dies. Who needs that keeps a list of what is under way. Order is that of putting, for the
/// first 10,000,000,000 elements of a queue's node, after which the names' order is not that of their
/// numbers.
///
/// **Costs.** A put: one round trip. A take: a list of 16 names at most, a get, a delete, so three
/// round trips; more when others take the same first elements. All who wait at an empty queue are woken
/// by each put, and one of them gets it. A queue is no database: all elements are in every server's
/// memory.
///
/// ```no_run
/// # async fn example(client: zareba_client::Client) -> Result<(), zareba_client::Error> {
/// use zareba_client::recipes::Queue;
///
/// let queue = Queue::new(&client, "/queues/mail")?;
/// queue.put("to: reader").await?;
/// let letter = queue.take().await?; // waits if there is none
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    path: ZnodePath,
}

/// An element that was deleted and not yet handed over.
struct Taken {
    client: Client,
    path: ZnodePath,
    data: Option<Bytes>,
}

impl Queue {
    /// A queue at a path. Its node and those above it are created when something is first put.
    pub fn new(client: &Client, path: impl IntoPath) -> Result<Self, Error> {
        Ok(Self {
            client: steady(client),
            path: path.into_path()?,
        })
    }

    /// Puts an element at the end; 1 MiB at most. A dropped future may or may not have put it.
    pub async fn put(&self, element: impl Into<Bytes>) -> Result<(), Error> {
        let path = self.path.join(PREFIX)?;
        let create = self.client.create_node(path).data(element);
        create.sequential().parents().await.map(drop)
    }

    /// Takes the first element, once there is one.
    pub async fn take(&self) -> Result<Bytes, Error> {
        loop {
            if let Some(element) = self.try_take().await? {
                return Ok(element);
            }
            match self.client.children_and_watch(&self.path).await {
                Ok((names, watch)) if names.is_empty() => fired(watch).await?,
                Err(error) if error.is(ErrorCode::NoNode) => {
                    let (there, watch) = self.client.exists_and_watch(&self.path).await?;
                    if there.is_none() {
                        fired(watch).await?;
                    }
                }
                other => drop(other?),
            }
        }
    }

    /// Takes the first element; nothing if there is none.
    pub async fn try_take(&self) -> Result<Option<Bytes>, Error> {
        loop {
            let names = self.first().await?;
            if names.is_empty() {
                return Ok(None);
            }
            for name in names {
                if let Some(element) = self.take_one(self.path.join(&name)?).await? {
                    return Ok(Some(element));
                }
            }
        }
    }

    /// How many elements there are. One read.
    pub async fn len(&self) -> Result<u64, Error> {
        let stat = self.client.exists(&self.path).await?;
        Ok(stat.map_or(0, |stat| stat.num_children))
    }

    /// True if there is no element. One read.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len().await? == 0)
    }

    /// The names of the first elements.
    async fn first(&self) -> Result<Vec<String>, Error> {
        let page = ChildrenPage {
            prefix: PREFIX.to_owned(),
            limit: PAGE,
            ..ChildrenPage::default()
        };
        match self.client.children_page(&self.path, page).await {
            Ok(list) => Ok(list.names),
            Err(error) if error.is(ErrorCode::NoNode) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Takes an element unless somebody else does.
    async fn take_one(&self, path: ZnodePath) -> Result<Option<Bytes>, Error> {
        let (data, stat) = match self.client.get(&path).await {
            Err(error) if error.is(ErrorCode::NoNode) => return Ok(None),
            got => got?,
        };
        let client = self.client.clone();
        // A task of its own sees the delete through: what it took for nobody goes back.
        let task = self.client.runtime().spawn(async move {
            match client.delete(&path, Some(stat.version)).await {
                Ok(()) => Ok(Some(Taken {
                    client,
                    path,
                    data: Some(data),
                })),
                Err(error) if overtaken(&error) => Ok(None),
                Err(error) => Err(error),
            }
        });
        let taken = task.await.unwrap_or(Err(Error::Closed))?;
        Ok(taken.and_then(|mut taken| taken.data.take()))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(data) = self.data.take() {
            let (client, path) = (self.client.clone(), self.path.clone());
            // Under its own name, it is the first again.
            let _detached = self
                .client
                .runtime()
                .spawn(async move { client.create(path, data, CreateMode::Persistent).await });
        }
    }
}

/// True if somebody else took the element, or changed it.
fn overtaken(error: &Error) -> bool {
    error.is(ErrorCode::NoNode) || error.is(ErrorCode::BadVersion)
}

//! A lock for many readers or one writer. Knows nothing of what it protects.

use zareba_model::ZnodePath;

use super::lock::{Lock, LockGuard};
use crate::{Client, Error, IntoPath};

/// What writers' nodes begin with.
const WRITE: &str = "write-";

/// What readers' nodes begin with.
const READ: &str = "read-";

/// A lock at a path that many readers or one writer may hold. The ZooKeeper paper, section 2.4,
/// "Read/Write Locks".
///
/// **Promises** what [`Lock`] does, and that readers share it: a reader waits for the writers who asked
/// before it, a writer for everybody who did. Neither starves, since both stand in one line. A writer's
/// [token](LockGuard::token) is greater than those of all holders before it.
///
/// **Costs** what [`Lock`] does. Readers behind one writer are all woken when it goes, as they must be.
///
/// ```no_run
/// # async fn example(client: zareba_client::Client) -> Result<(), zareba_client::Error> {
/// use zareba_client::recipes::ReadWriteLock;
///
/// let lock = ReadWriteLock::new(&client, "/locks/catalogue")?;
/// let reading = lock.read().acquire().await?;
/// reading.release().await?;
/// let writing = lock.write().acquire().await?;
/// writing.release().await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ReadWriteLock {
    client: Client,
    path: ZnodePath,
}

impl ReadWriteLock {
    /// A lock at a path, which must be no other recipe's.
    pub fn new(client: &Client, path: impl IntoPath) -> Result<Self, Error> {
        Ok(Self {
            client: client.clone(),
            path: path.into_path()?,
        })
    }

    /// The readers' side, to be acquired.
    pub fn read(&self) -> Lock {
        let is_writer = |name: &str| name.starts_with(WRITE);
        Lock::of(&self.client, self.path.clone(), READ, is_writer)
    }

    /// The writers' side, to be acquired.
    pub fn write(&self) -> Lock {
        Lock::of(&self.client, self.path.clone(), WRITE, |_| true)
    }

    /// Takes it for reading; see [`Lock::acquire`].
    pub async fn acquire_read(&self) -> Result<LockGuard, Error> {
        self.read().acquire().await
    }

    /// Takes it for writing; see [`Lock::acquire`].
    pub async fn acquire_write(&self) -> Result<LockGuard, Error> {
        self.write().acquire().await
    }
}

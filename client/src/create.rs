//! Creating a node with options, each named. Knows no connection.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use zareba_model::{Acl, CreateMode, ErrorCode, PathError, Stat, ZnodePath};

use crate::{Client, Error, IntoPath};

/// A node that is to be: persistent, empty and open to everybody unless told otherwise. Await it.
///
/// Cancellation: a future that is dropped after its first poll may or may not have created the node
/// (and its parents). An ephemeral node then lives as long as the session.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct CreateNode {
    client: Client,
    path: Result<ZnodePath, PathError>,
    data: Bytes,
    acl: Acl,
    is_ephemeral: bool,
    is_sequential: bool,
    is_container: bool,
    ttl: Option<Duration>,
    with_parents: bool,
}

impl Client {
    /// Begins to create a node with options:
    ///
    /// ```no_run
    /// # async fn example(client: zareba_client::Client) -> Result<(), zareba_client::Error> {
    /// let (path, stat) = client
    ///     .create_node("/workers/w-")
    ///     .data("host-7:4000")
    ///     .ephemeral()
    ///     .sequential()
    ///     .parents()
    ///     .await?;
    /// println!("{path} came to be in transaction {}", stat.czxid); // /workers/w-0000000000
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Errors: as those of [`create`](Self::create); [`Error::Configuration`] for options that exclude each
    /// other.
    pub fn create_node(&self, path: impl IntoPath) -> CreateNode {
        CreateNode {
            client: self.clone(),
            path: path.into_path(),
            data: Bytes::new(),
            acl: Acl::open(),
            is_ephemeral: false,
            is_sequential: false,
            is_container: false,
            ttl: None,
            with_parents: false,
        }
    }
}

impl CreateNode {
    /// Its data; 1 MiB at most.
    pub fn data(mut self, data: impl Into<Bytes>) -> Self {
        self.data = data.into();
        self
    }

    /// Whether it is deleted when the session ends; it has no children then.
    pub fn ephemeral(mut self) -> Self {
        self.is_ephemeral = true;
        self
    }

    /// Whether the parent's next number is glued to its name: ten digits, or more when they do not
    /// suffice.
    pub fn sequential(mut self) -> Self {
        self.is_sequential = true;
        self
    }

    /// Whether it is deleted by itself once it has had children and has had none for a while: ten to twenty
    /// seconds. It is neither sequential, nor ephemeral, nor with a time to live.
    pub fn container(mut self) -> Self {
        self.is_container = true;
        self
    }

    /// Whether it is deleted by itself once nobody has set its data for so long, 100 ms at least, while it
    /// has no children. It is neither ephemeral nor a container.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Who may do what with it.
    pub fn acl(mut self, acl: Acl) -> Self {
        self.acl = acl;
        self
    }

    /// Whether missing parents are created too, persistent, empty and with the same access control
    /// list. Costs nothing if the parent is there, and one more round trip if not, however many are
    /// missing. Parents stay if the node itself is refused for another reason.
    pub fn parents(mut self) -> Self {
        self.with_parents = true;
        self
    }

    fn mode(&self) -> Result<CreateMode, Error> {
        let ttl = self.ttl.map(|ttl| ttl.as_millis().try_into());
        let ttl = ttl.map(|ms| ms.unwrap_or(u64::MAX));
        match (
            self.is_ephemeral,
            self.is_container,
            ttl,
            self.is_sequential,
        ) {
            (false, false, None, false) => Ok(CreateMode::Persistent),
            (false, false, None, true) => Ok(CreateMode::PersistentSequential),
            (true, false, None, false) => Ok(CreateMode::Ephemeral),
            (true, false, None, true) => Ok(CreateMode::EphemeralSequential),
            (false, true, None, false) => Ok(CreateMode::Container),
            (false, false, Some(ms), false) => Ok(CreateMode::Ttl(ms)),
            (false, false, Some(ms), true) => Ok(CreateMode::TtlSequential(ms)),
            (false, true, None, true) => Err(excluded(
                "a container has a name of its own, not a sequential one",
            )),
            _ => Err(excluded(
                "a node is ephemeral, or a container, or has a time to live; choose one",
            )),
        }
    }

    async fn create(self) -> Result<(ZnodePath, Stat), Error> {
        let mode = self.mode()?;
        // The handle's own root may be missing too: from here on paths are those of the whole tree.
        let path = self.client.absolute(self.path.clone()?)?;
        let created = self.attempt(&path, mode).await;
        let is_orphan = |error: &Error| error.is(ErrorCode::NoNode);
        if !self.with_parents || !created.as_ref().is_err_and(is_orphan) {
            return self.seen(created?);
        }
        let mut missing: Vec<_> = ancestors(&path).collect();
        missing.reverse();
        let client = self.client.whole();
        let parents = missing.into_iter().map(|parent| {
            client.create_with(
                parent,
                Bytes::new(),
                CreateMode::Persistent,
                self.acl.clone(),
            )
        });
        // All at once: requests of a session are executed in the order in which they are made.
        let parents = futures::future::join_all(parents);
        match futures::future::join(parents, self.attempt(&path, mode)).await {
            (_, Ok(created)) => self.seen(created),
            (parents, Err(error)) if is_orphan(&error) => {
                // The reason is the first parent that could not be made.
                let refused = parents.into_iter().filter_map(Result::err);
                let mut reasons = refused.filter(|error| !error.is(ErrorCode::NodeExists));
                Err(reasons.next().unwrap_or(error))
            }
            (_, Err(error)) => Err(error),
        }
    }

    async fn attempt(
        &self,
        path: &ZnodePath,
        mode: CreateMode,
    ) -> Result<(ZnodePath, Stat), Error> {
        let whole = self.client.whole();
        whole
            .create_with(path, self.data.clone(), mode, self.acl.clone())
            .await
    }

    /// What was created, as the caller's handle sees it.
    fn seen(&self, (path, stat): (ZnodePath, Stat)) -> Result<(ZnodePath, Stat), Error> {
        Ok((self.client.relative(path)?, stat))
    }
}

impl IntoFuture for CreateNode {
    type Output = Result<(ZnodePath, Stat), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.create())
    }
}

fn excluded(advice: &str) -> Error {
    Error::Configuration(advice.to_owned())
}

/// The parents of a path, the nearest first, without the root, which is always there.
fn ancestors(path: &ZnodePath) -> impl Iterator<Item = ZnodePath> {
    std::iter::successors(path.parent(), ZnodePath::parent).take_while(|it| !it.is_root())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_are_all_but_the_root() {
        let of = |text: &str| -> Vec<_> {
            let path = ZnodePath::parse(text).unwrap();
            ancestors(&path).map(|it| it.to_string()).collect()
        };
        assert_eq!(of("/a/b/c"), ["/a/b", "/a"]);
        assert!(of("/a").is_empty());
    }
}

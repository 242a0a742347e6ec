//! Asking for a watch that stays, with options by name. Knows no connection.

use std::future::IntoFuture;
use std::pin::Pin;

use zareba_model::{Op, PathError, WatchOp, ZnodePath, Zxid};

use crate::{Client, Error, IntoPath, WatchStream};

/// A watch that is to be. Await it.
///
/// Cancellation: a dropped future leaves no watch.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct AddWatch {
    client: Client,
    path: Result<ZnodePath, PathError>,
    recursive: bool,
    since: Option<Zxid>,
}

impl Client {
    /// Watches a node for as long as the stream lives: that it comes, that its data or its list of children
    /// changes, that it goes, and comes again. It need not be there.
    ///
    /// ```no_run
    /// # async fn example(client: zareba_client::Client) -> Result<(), zareba_client::Error> {
    /// let mut events = client.watch("/config").await?;
    /// let (mut data, _) = client.get("/config").await?; // behind the watch: nothing falls in between
    /// while let Some(event) = events.next().await {
    ///     println!("{:?}", event?.kind); // Changed, or Resync: read again in either case
    ///     data = client.get("/config").await?.0;
    /// }
    /// # drop(data);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// An event is told if the session may read the node, or, of one that is gone, could when it went;
    /// watching itself needs no permission. However many streams watch the same node in the same way, the
    /// server holds one watch for the session, of which it may have 100,000.
    ///
    /// Refused with `THROTTLED` if there are too many.
    pub fn watch(&self, path: impl IntoPath) -> AddWatch {
        self.add_watch(path, false)
    }

    /// Watches a node and everything below it: each coming, each change of data and each end. Changes of
    /// lists of children are not told, since the children's comings and ends are.
    ///
    /// Refused as [`watch`](Self::watch).
    pub fn watch_recursive(&self, path: impl IntoPath) -> AddWatch {
        self.add_watch(path, true)
    }

    fn add_watch(&self, path: impl IntoPath, recursive: bool) -> AddWatch {
        AddWatch {
            client: self.clone(),
            path: path.into_path(),
            recursive,
            since: None,
        }
    }
}

impl AddWatch {
    /// Begins in the past: what happened behind that transaction, such as the `mzxid` of a
    /// [`Stat`](crate::Stat) or a [`last_zxid`](Client::last_zxid) of an earlier run, comes first. If the
    /// server does not remember that far back, or it is more than 10,000 events, one
    /// [`Resync`](crate::EventKind::Resync) comes in their place.
    pub fn since(mut self, zxid: Zxid) -> Self {
        self.since = Some(zxid);
        self
    }

    async fn add(self) -> Result<WatchStream, Error> {
        let path = self.client.absolute(self.path?)?;
        let op = Op::Watch(WatchOp::Add {
            path,
            recursive: self.recursive,
            since: self.since,
        });
        let stream = self.client.request(op).await?.stream;
        let stream = stream.map(|stream| stream.seen_from(self.client.seen_from()));
        stream.ok_or_else(|| Error::Protocol("no watch was left by a request for one".to_owned()))
    }
}

impl IntoFuture for AddWatch {
    type Output = Result<WatchStream, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.add())
    }
}

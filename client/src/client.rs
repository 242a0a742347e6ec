//! The handle: one method for each thing that can be asked. Knows no connection; what is asked
//! waits in the session until a server answers it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle as Runtime;
use tokio::sync::watch;
use zareba_model::{
    Acl, Change, ChildrenPage, CreateMode, Op, Outcome, Read, SessionId, Stat, Write, ZnodePath,
    Zxid,
};

use crate::config::{ClientBuilder, Config};
use crate::connection::Dialer;
use crate::driver::Driver;
use crate::lock::Turns;
use crate::pending::Reply;
use crate::retry::Retry;
use crate::session::{Receipt, Session, Status};
use crate::{Error, IntoPath, Multi, Watch, limits};

/// A session with an ensemble. Clones share it, and all that they ask is in flight together, in
/// the order in which the futures were first polled.
///
/// A future that is dropped does not take its request back: the answer is thrown away. When the
/// last clone is dropped without [`close`](Self::close), the session is closed in the background
/// if a server is at hand; otherwise it ends by its timeout.
#[derive(Clone, Debug)]
pub struct Client {
    handle: Arc<Handle>,
    linearizable: bool,
}

#[derive(Debug)]
struct Handle {
    session: Arc<Session>,
    request_timeout: Option<Duration>,
    runtime: Runtime,
    turns: Turns,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.session.abandon();
    }
}

/// Some of a node's children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildrenList {
    /// Their names, in order.
    pub names: Vec<String>,
    /// The parent's stat.
    pub stat: Stat,
    /// True if there are more behind the last one.
    pub more: bool,
}

impl Client {
    /// Begins a client; give it a profile and connect it.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    pub(crate) async fn open(config: Config) -> Result<Self, Error> {
        let dialer = Dialer::new(&config.profile)?;
        let session = Arc::new(Session::new(config.session_timeout));
        let client = Self {
            handle: Arc::new(Handle {
                session: Arc::clone(&session),
                request_timeout: config.request_timeout,
                runtime: Runtime::current(),
                turns: Turns::default(),
            }),
            linearizable: config.linearizable_reads,
        };
        let mut status = session.status();
        tokio::spawn(Driver::new(Arc::clone(&session), config, dialer).run());
        let entered = status
            .wait_for(|status| *status != Status::Connecting)
            .await;
        match entered.as_deref() {
            Ok(Status::Attached(_) | Status::Lost) => Ok(client),
            _ => Err(session.ended()),
        }
    }

    /// The same session, whose reads through this handle are linearizable: each sees at least all
    /// that had been acknowledged to anybody when it was asked. A quorum confirms each batch of them
    /// first, which takes a round trip between the servers; other reads take none.
    #[must_use]
    pub fn linearizable(&self) -> Self {
        Self {
            linearizable: true,
            ..self.clone()
        }
    }

    // The tree.

    /// Makes a node and returns its path, which differs from the one asked for if the mode is
    /// sequential.
    pub async fn create(
        &self,
        path: impl IntoPath,
        data: impl Into<Bytes>,
        mode: CreateMode,
    ) -> Result<ZnodePath, Error> {
        let created = self.create_with(path, data, mode, Acl::open()).await;
        created.map(|(path, _)| path)
    }

    /// Makes a node with an access control list and returns its path and stat.
    pub async fn create_with(
        &self,
        path: impl IntoPath,
        data: impl Into<Bytes>,
        mode: CreateMode,
        acl: Acl,
    ) -> Result<(ZnodePath, Stat), Error> {
        let path = path.into_path()?;
        let data = data.into();
        match self
            .change(Change::Create {
                path,
                data,
                mode,
                acl,
            })
            .await?
        {
            Outcome::Created { path, stat } => Ok((path, stat)),
            other => Err(unexpected("a create", &other)),
        }
    }

    /// A node's data and stat.
    pub async fn get(&self, path: impl IntoPath) -> Result<(Bytes, Stat), Error> {
        let path = path.into_path()?;
        let reply = self.read(Read::Get { path, watch: false }).await?;
        got(reply.outcome)
    }

    /// The same, and a watch that tells when the data changes or the node goes.
    pub async fn get_and_watch(&self, path: impl IntoPath) -> Result<(Bytes, Stat, Watch), Error> {
        let path = path.into_path()?;
        let reply = self.read(Read::Get { path, watch: true }).await?;
        let (data, stat) = got(reply.outcome)?;
        Ok((data, stat, left(reply.watch)?))
    }

    /// A node's stat, or nothing if there is no such node.
    pub async fn exists(&self, path: impl IntoPath) -> Result<Option<Stat>, Error> {
        let path = path.into_path()?;
        let reply = self.read(Read::Exists { path, watch: false }).await?;
        existence(reply.outcome)
    }

    /// The same, and a watch that tells when the node comes, changes or goes.
    pub async fn exists_and_watch(
        &self,
        path: impl IntoPath,
    ) -> Result<(Option<Stat>, Watch), Error> {
        let path = path.into_path()?;
        let reply = self.read(Read::Exists { path, watch: true }).await?;
        let stat = existence(reply.outcome)?;
        Ok((stat, left(reply.watch)?))
    }

    /// The names of all children, in order. Long lists come in pages: what is created or deleted
    /// meanwhile may or may not be among them.
    pub async fn children(&self, path: impl IntoPath) -> Result<Vec<String>, Error> {
        let path = path.into_path()?;
        let first = self.children_page(&path, ChildrenPage::default()).await?;
        self.remaining_children(path, first).await
    }

    /// One page of children.
    pub async fn children_page(
        &self,
        path: impl IntoPath,
        page: ChildrenPage,
    ) -> Result<ChildrenList, Error> {
        let path = path.into_path()?;
        let reply = self
            .read(Read::Children {
                path,
                page,
                watch: false,
            })
            .await?;
        children(reply.outcome)
    }

    /// The names of all children, and a watch that tells when the list changes or the node goes.
    pub async fn children_and_watch(
        &self,
        path: impl IntoPath,
    ) -> Result<(Vec<String>, Watch), Error> {
        let path = path.into_path()?;
        let page = ChildrenPage::default();
        let reply = self
            .read(Read::Children {
                path: path.clone(),
                page,
                watch: true,
            })
            .await?;
        // Later pages need no watch: the first page's tells of every change behind it.
        let names = self
            .remaining_children(path, children(reply.outcome)?)
            .await?;
        Ok((names, left(reply.watch)?))
    }

    async fn remaining_children(
        &self,
        path: ZnodePath,
        first: ChildrenList,
    ) -> Result<Vec<String>, Error> {
        let ChildrenList {
            mut names,
            mut more,
            ..
        } = first;
        while more && let Some(last) = names.last() {
            let page = ChildrenPage {
                after: Some(last.clone()),
                ..ChildrenPage::default()
            };
            let next = self.children_page(&path, page).await?;
            more = next.more && !next.names.is_empty();
            names.extend(next.names);
        }
        Ok(names)
    }

    /// Replaces a node's data, if it has the version named.
    pub async fn set(
        &self,
        path: impl IntoPath,
        data: impl Into<Bytes>,
        version: Option<u64>,
    ) -> Result<Stat, Error> {
        let path = path.into_path()?;
        let data = data.into();
        match self
            .change(Change::Set {
                path,
                data,
                version,
            })
            .await?
        {
            Outcome::Set(stat) => Ok(stat),
            other => Err(unexpected("a set", &other)),
        }
    }

    /// Ends a node, if it has the version named.
    pub async fn delete(&self, path: impl IntoPath, version: Option<u64>) -> Result<(), Error> {
        let path = path.into_path()?;
        match self.change(Change::Delete { path, version }).await? {
            Outcome::Deleted => Ok(()),
            other => Err(unexpected("a delete", &other)),
        }
    }

    /// Demands, in the order of writes, that a node is there and has the version named.
    pub async fn check(&self, path: impl IntoPath, version: Option<u64>) -> Result<(), Error> {
        let path = path.into_path()?;
        match self.change(Change::Check { path, version }).await? {
            Outcome::Checked => Ok(()),
            other => Err(unexpected("a check", &other)),
        }
    }

    /// Makes several changes, all or none, and returns one outcome for each.
    pub async fn multi(&self, changes: impl Into<Multi>) -> Result<Vec<Outcome>, Error> {
        let changes = changes.into().into_changes()?;
        match self
            .request(Op::Write(Write::Multi(changes)))
            .await?
            .outcome
        {
            Outcome::Multi(outcomes) => Ok(outcomes),
            other => Err(unexpected("a multi", &other)),
        }
    }

    /// Returns once the server has caught up with all that was committed before: reads that
    /// follow see it.
    pub async fn sync(&self) -> Result<(), Error> {
        match self.request(Op::Sync).await?.outcome {
            Outcome::Synced => Ok(()),
            other => Err(unexpected("a sync", &other)),
        }
    }

    // Plugins.

    /// Calls an operation of the plugin mounted at a path. A call that waits for something, such
    /// as a lock, is answered when it has happened; other requests go on meanwhile.
    ///
    /// A call refused with [`ErrorCode::PluginNotReady`](zareba_model::ErrorCode::PluginNotReady)
    /// had no effect: it is sent again for up to the request timeout, or ten seconds without one,
    /// since a new leader may still be compiling. It then comes behind requests made meanwhile.
    pub async fn call(
        &self,
        mount: impl IntoPath,
        op: impl Into<String>,
        input: impl Into<Bytes>,
    ) -> Result<Bytes, Error> {
        let mount = mount.into_path()?;
        let (op, input) = (op.into(), input.into());
        let call = Op::Call { mount, op, input };
        let asked = async {
            let mut retry = self.retry();
            loop {
                let result = self.ask(call.clone()).await;
                if !retry.is_due(&result).await {
                    return result;
                }
            }
        };
        called(self.within_request_timeout(asked).await?.outcome)
    }

    /// The same with JSON in and out, as the standard recipes have it.
    pub async fn call_json<I: Serialize + ?Sized, O: DeserializeOwned>(
        &self,
        mount: impl IntoPath,
        op: impl Into<String>,
        input: &I,
    ) -> Result<O, Error> {
        let output = self.call(mount, op, to_json(input)?).await?;
        from_json(&output)
    }

    // The session.

    /// The session's name. It stays the same on every server.
    pub fn session_id(&self) -> SessionId {
        self.handle.session.id()
    }

    /// How the session stands, now and later.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.handle.session.status()
    }

    /// The newest state of the tree that this client has seen. No server that is behind it will
    /// be asked.
    pub fn last_zxid(&self) -> Zxid {
        self.handle.session.last_zxid()
    }

    /// Closes the session, for all clones: its ephemeral nodes and locks are gone when this
    /// returns. What was asked before is answered before; what is asked later is refused.
    pub async fn close(&self) -> Result<(), Error> {
        let session = &self.handle.session;
        let mut status = session.status();
        if let Ok(receipt) = session.submit_close() {
            match self.answer(receipt).await {
                Ok(_) | Err(Error::Closed | Error::SessionExpired) => {}
                Err(error) => return Err(error),
            }
        }
        let over = |status: &Status| matches!(status, Status::Closed | Status::Expired);
        let _session_gone = status.wait_for(over).await;
        Ok(())
    }

    // Inside.

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.handle.session
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.handle.runtime
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.handle.turns
    }

    /// Asks, within the request timeout if there is one.
    pub(crate) async fn request(&self, op: Op) -> Result<Reply, Error> {
        self.within_request_timeout(self.ask(op)).await
    }

    /// Attempts at a call while the plugin is being compiled.
    pub(crate) fn retry(&self) -> Retry {
        let patience = self.handle.request_timeout;
        Retry::within(patience.unwrap_or(limits::CALL_PATIENCE))
    }

    async fn ask(&self, op: Op) -> Result<Reply, Error> {
        self.answer(self.handle.session.submit(op).await?).await
    }

    async fn within_request_timeout(
        &self,
        asked: impl Future<Output = Result<Reply, Error>>,
    ) -> Result<Reply, Error> {
        match self.handle.request_timeout {
            None => asked.await,
            Some(limit) => match tokio::time::timeout(limit, asked).await {
                Ok(reply) => reply,
                Err(_) => Err(Error::Timeout),
            },
        }
    }

    pub(crate) async fn answer(&self, receipt: Receipt) -> Result<Reply, Error> {
        match receipt.await {
            Ok(reply) => reply,
            Err(_) => Err(self.handle.session.ended()),
        }
    }

    async fn read(&self, read: Read) -> Result<Reply, Error> {
        self.request(match self.linearizable {
            true => Op::LinearizableRead(read),
            false => Op::Read(read),
        })
        .await
    }

    async fn change(&self, change: Change) -> Result<Outcome, Error> {
        let reply = self.request(Op::Write(Write::Change(change))).await?;
        Ok(reply.outcome)
    }
}

pub(crate) fn called(outcome: Outcome) -> Result<Bytes, Error> {
    match outcome {
        Outcome::Called(output) => Ok(output),
        other => Err(unexpected("a call", &other)),
    }
}

pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, Error> {
    let json = serde_json::to_vec(value).map_err(|error| not_json("the input", &error))?;
    Ok(json.into())
}

pub(crate) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(json).map_err(|error| not_json("the output", &error))
}

pub(crate) fn unexpected(question: &str, outcome: &Outcome) -> Error {
    Error::Protocol(format!("{question} was answered with {outcome:?}"))
}

fn not_json(what: &str, error: &serde_json::Error) -> Error {
    Error::Json {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}

fn got(outcome: Outcome) -> Result<(Bytes, Stat), Error> {
    match outcome {
        Outcome::Got { data, stat } => Ok((data, stat)),
        other => Err(unexpected("a get", &other)),
    }
}

fn existence(outcome: Outcome) -> Result<Option<Stat>, Error> {
    match outcome {
        Outcome::Existence(stat) => Ok(stat),
        other => Err(unexpected("an exists", &other)),
    }
}

fn children(outcome: Outcome) -> Result<ChildrenList, Error> {
    match outcome {
        Outcome::Children { names, stat, more } => Ok(ChildrenList { names, stat, more }),
        other => Err(unexpected("a list of children", &other)),
    }
}

fn left(watch: Option<Watch>) -> Result<Watch, Error> {
    watch.ok_or_else(|| Error::Protocol("no watch was left by a request for one".to_owned()))
}

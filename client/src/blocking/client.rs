//! The handle for threads: the methods of [`crate::Client`], each of which returns when it is done.
//! Knows no connection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zareba_model::{
    Acl, ChildrenPage, CreateMode, Ensemble, EnsembleChange, Limits, Outcome, PathsPage, Principal,
    Quota, SessionId, Sha256, Stat, Usage, ZnodePath, Zxid,
};

use super::lock::Lock;
use super::runtime::Home;
use super::watch::{Watch, WatchStream};
use crate::{
    AddWatch, Answers, ChildrenList, ClientBuilder, CreateNode, Error, IntoPath, Invitation, Multi,
    MultiRead, PathsList, SessionInfo, SessionKind, SessionsList, Status,
};

/// A session with an ensemble, for threads. Clones share it, and threads that ask at the same time are
/// in flight together.
///
/// Each method is that of [`crate::Client`] with the same name: what is said there of results, errors and
/// costs holds here. All of them return [`Error::InsideAsync`] inside an asynchronous task.
#[derive(Clone, Debug)]
pub struct Client {
    home: Arc<Home>,
    inner: crate::Client,
}

impl Client {
    /// Opens a session as the builder says, on a thread of its own, and returns once a server holds it.
    pub fn connect(builder: ClientBuilder) -> Result<Self, Error> {
        let (home, inner) = Home::open(builder.build()?)?;
        Ok(Self { home, inner })
    }

    /// Waits for anything else: recipes, several requests at once, a time limit.
    ///
    /// ```no_run
    /// # fn example(client: zareba_client::blocking::Client) -> Result<(), zareba_client::Error> {
    /// use zareba_client::recipes;
    ///
    /// let lock = recipes::Lock::new(client.asynchronous(), "/locks/db")?;
    /// let guard = client.wait(lock.acquire())??;
    /// println!("to be checked by the database: {}", guard.token());
    /// client.wait(guard.release())?
    /// # }
    /// ```
    ///
    /// Errors: [`Error::InsideAsync`] inside an asynchronous task, and nothing else.
    pub fn wait<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        self.home.block_on(future)
    }

    /// The same session for asynchronous code, such as recipes.
    pub fn asynchronous(&self) -> &crate::Client {
        &self.inner
    }

    fn left(&self, watch: crate::Watch) -> Watch {
        Watch::new(&self.home, watch)
    }

    fn with(&self, inner: crate::Client) -> Self {
        Self {
            home: Arc::clone(&self.home),
            inner,
        }
    }

    // Handles that ask otherwise.

    /// See [`crate::Client::linearizable`].
    #[must_use]
    pub fn linearizable(&self) -> Self {
        self.with(self.inner.linearizable())
    }

    /// See [`crate::Client::resending`].
    #[must_use]
    pub fn resending(&self, within: Duration) -> Self {
        self.with(self.inner.resending(within))
    }

    /// See [`crate::Client::chroot`].
    pub fn chroot(&self, prefix: impl IntoPath) -> Result<Self, Error> {
        Ok(self.with(self.inner.chroot(prefix)?))
    }

    /// See [`crate::Client::root`].
    pub fn root(&self) -> ZnodePath {
        self.inner.root()
    }

    // The tree.

    /// See [`crate::Client::create`].
    pub fn create(
        &self,
        path: impl IntoPath,
        data: impl Into<Bytes>,
        mode: CreateMode,
    ) -> Result<ZnodePath, Error> {
        self.wait(self.inner.create(path, data, mode))?
    }

    /// See [`crate::Client::create_with`].
    pub fn create_with(
        &self,
        path: impl IntoPath,
        data: impl Into<Bytes>,
        mode: CreateMode,
        acl: Acl,
    ) -> Result<(ZnodePath, Stat), Error> {
        self.wait(self.inner.create_with(path, data, mode, acl))?
    }

    /// Creates a node with options, as `client.create_node("/a", |node| node.data("x").ephemeral())`; see
    /// [`crate::Client::create_node`].
    pub fn create_node(
        &self,
        path: impl IntoPath,
        options: impl FnOnce(CreateNode) -> CreateNode,
    ) -> Result<(ZnodePath, Stat), Error> {
        self.wait(options(self.inner.create_node(path)).into_future())?
    }

    /// See [`crate::Client::get`].
    pub fn get(&self, path: impl IntoPath) -> Result<(Bytes, Stat), Error> {
        self.wait(self.inner.get(path))?
    }

    /// See [`crate::Client::get_and_watch`].
    pub fn get_and_watch(&self, path: impl IntoPath) -> Result<(Bytes, Stat, Watch), Error> {
        let (data, stat, watch) = self.wait(self.inner.get_and_watch(path))??;
        Ok((data, stat, self.left(watch)))
    }

    /// See [`crate::Client::exists`].
    pub fn exists(&self, path: impl IntoPath) -> Result<Option<Stat>, Error> {
        self.wait(self.inner.exists(path))?
    }

    /// See [`crate::Client::exists_and_watch`].
    pub fn exists_and_watch(&self, path: impl IntoPath) -> Result<(Option<Stat>, Watch), Error> {
        let (stat, watch) = self.wait(self.inner.exists_and_watch(path))??;
        Ok((stat, self.left(watch)))
    }

    /// See [`crate::Client::children`].
    pub fn children(&self, path: impl IntoPath) -> Result<Vec<String>, Error> {
        self.wait(self.inner.children(path))?
    }

    /// See [`crate::Client::children_page`].
    pub fn children_page(
        &self,
        path: impl IntoPath,
        page: ChildrenPage,
    ) -> Result<ChildrenList, Error> {
        self.wait(self.inner.children_page(path, page))?
    }

    /// See [`crate::Client::children_and_watch`].
    pub fn children_and_watch(&self, path: impl IntoPath) -> Result<(Vec<String>, Watch), Error> {
        let (names, watch) = self.wait(self.inner.children_and_watch(path))??;
        Ok((names, self.left(watch)))
    }

    /// See [`crate::Client::set`].
    pub fn set(
        &self,
        path: impl IntoPath,
        data: impl Into<Bytes>,
        version: Option<u64>,
    ) -> Result<Stat, Error> {
        self.wait(self.inner.set(path, data, version))?
    }

    /// See [`crate::Client::delete`].
    pub fn delete(&self, path: impl IntoPath, version: Option<u64>) -> Result<(), Error> {
        self.wait(self.inner.delete(path, version))?
    }

    /// See [`crate::Client::check`].
    pub fn check(&self, path: impl IntoPath, version: Option<u64>) -> Result<(), Error> {
        self.wait(self.inner.check(path, version))?
    }

    /// See [`crate::Client::multi`].
    pub fn multi(&self, changes: impl Into<Multi>) -> Result<Vec<Outcome>, Error> {
        self.wait(self.inner.multi(changes))?
    }

    /// See [`crate::Client::sync`].
    pub fn sync(&self) -> Result<(), Error> {
        self.wait(self.inner.sync())?
    }

    /// See [`crate::Client::delete_all`].
    pub fn delete_all(&self, path: impl IntoPath) -> Result<u64, Error> {
        self.wait(self.inner.delete_all(path))?
    }

    /// See [`crate::Client::count`].
    pub fn count(&self, path: impl IntoPath) -> Result<u64, Error> {
        self.wait(self.inner.count(path))?
    }

    /// See [`crate::Client::ephemerals`].
    pub fn ephemerals(
        &self,
        session: Option<SessionId>,
        under: impl IntoPath,
    ) -> Result<Vec<ZnodePath>, Error> {
        self.wait(self.inner.ephemerals(session, under))?
    }

    /// See [`crate::Client::ephemerals_page`].
    pub fn ephemerals_page(
        &self,
        session: Option<SessionId>,
        under: impl IntoPath,
        page: PathsPage,
    ) -> Result<PathsList, Error> {
        self.wait(self.inner.ephemerals_page(session, under, page))?
    }

    /// Reads several things from one point in time:
    ///
    /// ```no_run
    /// # fn example(client: zareba_client::blocking::Client) -> Result<(), zareba_client::Error> {
    /// let ((a, b), mut answers) = client.multi_read(|reads| (reads.get("/a"), reads.count("/b")))?;
    /// let ((data, _stat), count) = (answers.take(a)?, answers.take(b)?);
    /// println!("{data:?}, {count}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// See [`crate::Client::multi_read`].
    pub fn multi_read<Q>(
        &self,
        ask: impl FnOnce(&mut MultiRead) -> Q,
    ) -> Result<(Q, Answers), Error> {
        let mut reads = self.inner.multi_read();
        let questions = ask(&mut reads);
        let answers = self.wait(reads.ask())??;
        Ok((questions, answers))
    }

    // Watches that stay.

    /// See [`crate::Client::watch`].
    pub fn watch(&self, path: impl IntoPath) -> Result<WatchStream, Error> {
        self.watch_as(self.inner.watch(path))
    }

    /// See [`crate::Client::watch_recursive`].
    pub fn watch_recursive(&self, path: impl IntoPath) -> Result<WatchStream, Error> {
        self.watch_as(self.inner.watch_recursive(path))
    }

    /// Watches with options, as
    /// `client.watch_as(client.asynchronous().watch("/a").since(zxid))`; see [`AddWatch`].
    pub fn watch_as(&self, watch: AddWatch) -> Result<WatchStream, Error> {
        let stream = self.wait(watch.into_future())??;
        Ok(WatchStream::new(&self.home, stream))
    }

    // Who may do what, and how much.

    /// See [`crate::Client::get_acl`].
    pub fn get_acl(&self, path: impl IntoPath) -> Result<(Acl, Stat), Error> {
        self.wait(self.inner.get_acl(path))?
    }

    /// See [`crate::Client::set_acl`].
    pub fn set_acl(
        &self,
        path: impl IntoPath,
        acl: Acl,
        version: Option<u64>,
    ) -> Result<Stat, Error> {
        self.wait(self.inner.set_acl(path, acl, version))?
    }

    /// See [`crate::Client::authenticate`].
    pub fn authenticate(
        &self,
        scheme: impl Into<String>,
        credential: impl Into<String>,
    ) -> Result<Principal, Error> {
        self.wait(self.inner.authenticate(scheme, credential))?
    }

    /// See [`crate::Client::who_am_i`].
    pub fn who_am_i(&self) -> Result<Vec<Principal>, Error> {
        self.wait(self.inner.who_am_i())?
    }

    /// See [`crate::Client::set_quota`].
    pub fn set_quota(&self, path: impl IntoPath, quota: Quota) -> Result<(), Error> {
        self.wait(self.inner.set_quota(path, quota))?
    }

    /// See [`crate::Client::remove_quota`].
    pub fn remove_quota(&self, path: impl IntoPath) -> Result<(), Error> {
        self.wait(self.inner.remove_quota(path))?
    }

    /// See [`crate::Client::quota`].
    pub fn quota(&self, path: impl IntoPath) -> Result<Option<(Quota, Usage)>, Error> {
        self.wait(self.inner.quota(path))?
    }

    // Plugins.

    /// See [`crate::Client::call`].
    pub fn call(
        &self,
        mount: impl IntoPath,
        op: impl Into<String>,
        input: impl Into<Bytes>,
    ) -> Result<Bytes, Error> {
        self.wait(self.inner.call(mount, op, input))?
    }

    /// See [`crate::Client::call_json`].
    pub fn call_json<I: Serialize + ?Sized, O: DeserializeOwned>(
        &self,
        mount: impl IntoPath,
        op: impl Into<String>,
        input: &I,
    ) -> Result<O, Error> {
        self.wait(self.inner.call_json(mount, op, input))?
    }

    /// See [`crate::Client::lock`].
    pub fn lock(&self, mount: impl IntoPath, name: impl Into<String>) -> Result<Lock, Error> {
        Ok(Lock::new(&self.home, self.inner.lock(mount, name)?))
    }

    /// See [`crate::Client::push_plugin`].
    pub fn push_plugin(
        &self,
        name: &str,
        component: impl Into<Bytes>,
        progress: impl FnMut(u64, u64),
    ) -> Result<Sha256, Error> {
        self.wait(self.inner.push_plugin(name, component, progress))?
    }

    /// See [`crate::Client::activate_plugin`].
    pub fn activate_plugin(&self, name: &str, sha256: Sha256) -> Result<(), Error> {
        self.wait(self.inner.activate_plugin(name, sha256))?
    }

    /// See [`crate::Client::mount_plugin`].
    pub fn mount_plugin(
        &self,
        name: &str,
        path: impl IntoPath,
        config: BTreeMap<String, String>,
        limits: Limits,
    ) -> Result<(), Error> {
        self.wait(self.inner.mount_plugin(name, path, config, limits))?
    }

    /// See [`crate::Client::unmount_plugin`].
    pub fn unmount_plugin(&self, path: impl IntoPath) -> Result<(), Error> {
        self.wait(self.inner.unmount_plugin(path))?
    }

    // The ensemble.

    /// See [`crate::Client::ensemble`].
    pub fn ensemble(&self) -> Result<Ensemble, Error> {
        self.wait(self.inner.ensemble())?
    }

    /// See [`crate::Client::ensemble_and_watch`].
    pub fn ensemble_and_watch(&self) -> Result<(Ensemble, Watch), Error> {
        let (ensemble, watch) = self.wait(self.inner.ensemble_and_watch())??;
        Ok((ensemble, self.left(watch)))
    }

    /// See [`crate::Client::sessions`].
    pub fn sessions(&self) -> Result<Vec<SessionInfo>, Error> {
        self.wait(self.inner.sessions())?
    }

    /// See [`crate::Client::sessions_page`].
    pub fn sessions_page(
        &self,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<SessionsList, Error> {
        self.wait(self.inner.sessions_page(after, limit))?
    }

    /// See [`crate::Client::kill_session`].
    pub fn kill_session(&self, session: SessionId) -> Result<(), Error> {
        self.wait(self.inner.kill_session(session))?
    }

    /// See [`crate::Client::change_ensemble`].
    pub fn change_ensemble(
        &self,
        change: EnsembleChange,
        version: Option<u64>,
    ) -> Result<u64, Error> {
        self.wait(self.inner.change_ensemble(change, version))?
    }

    /// See [`crate::Client::invite`].
    pub fn invite(&self, invitation: &Invitation, voter: bool, ttl: Duration) -> Result<(), Error> {
        self.wait(self.inner.invite(invitation, voter, ttl))?
    }

    // The session.

    /// See [`crate::Client::session_id`].
    pub fn session_id(&self) -> SessionId {
        self.inner.session_id()
    }

    /// See [`crate::Client::session_kind`].
    pub fn session_kind(&self) -> SessionKind {
        self.inner.session_kind()
    }

    /// How the session stands now.
    pub fn status(&self) -> Status {
        *self.inner.status().borrow()
    }

    /// Waits until the session stands otherwise than `last`, but not longer than `patience`, and returns
    /// how it stands then.
    pub fn status_after(&self, last: Status, patience: Duration) -> Result<Status, Error> {
        let mut status = self.inner.status();
        self.wait(async {
            let changed = status.wait_for(|status| *status != last);
            match tokio::time::timeout(patience, changed).await {
                Ok(Ok(status)) => *status,
                Ok(Err(_)) | Err(_) => last,
            }
        })
    }

    /// See [`crate::Client::last_zxid`].
    pub fn last_zxid(&self) -> Zxid {
        self.inner.last_zxid()
    }

    /// See [`crate::Client::close`].
    pub fn close(&self) -> Result<(), Error> {
        self.wait(self.inner.close())?
    }
}

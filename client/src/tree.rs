//! What can be asked of the tree: one method for each operation on znodes. Knows no connection.

use bytes::Bytes;
use zareba_model::{
    Acl, Change, ChildrenPage, CreateMode, ErrorCode, Op, Outcome, PathsPage, Read, SessionId,
    Stat, Write, ZnodePath,
};

use crate::client::unexpected;
use crate::pending::Reply;
use crate::{Client, Error, IntoPath, Multi, Watch};

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

/// Some of several paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathsList {
    /// In order.
    pub paths: Vec<ZnodePath>,
    /// True if there are more behind the last one.
    pub more: bool,
}

impl Client {
    /// Makes a node and returns its path, which differs from the one asked for if the mode is
    /// sequential. [`create_node`](Self::create_node) does the same with options by name.
    ///
    /// Refused with `NODE_EXISTS`, `NO_NODE` (no parent), `NO_CHILDREN_FOR_EPHEMERALS`, `NO_AUTH`,
    /// `TOO_LARGE`.
    ///
    /// Cancellation: a dropped future may or may not have made the node. A sequential one then has a
    /// name that nobody was told; an ephemeral one goes with the session.
    pub async fn create(
        &self,
        path: impl IntoPath,
        data: impl Into<Bytes>,
        mode: CreateMode,
    ) -> Result<ZnodePath, Error> {
        let created = self.create_with(path, data, mode, Acl::open()).await;
        created.map(|(path, _)| path)
    }

    /// Makes a node with an access control list and returns its path and stat. Refused and cancelled as
    /// [`create`](Self::create).
    pub async fn create_with(
        &self,
        path: impl IntoPath,
        data: impl Into<Bytes>,
        mode: CreateMode,
        acl: Acl,
    ) -> Result<(ZnodePath, Stat), Error> {
        let path = self.absolute(path)?;
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
            Outcome::Created { path, stat } => Ok((self.relative(path)?, stat)),
            other => Err(unexpected("a create", &other)),
        }
    }

    /// A node's data and stat. Refused with `NO_NODE`, `NO_AUTH`. Dropping the future leaves nothing.
    pub async fn get(&self, path: impl IntoPath) -> Result<(Bytes, Stat), Error> {
        let path = self.absolute(path)?;
        let reply = self.read(Read::Get { path, watch: false }).await?;
        got(reply.outcome)
    }

    /// The same, and a watch that tells when the data changes or the node goes. No change falls between
    /// the data and the watch. A dropped future leaves no watch that anybody is told of.
    pub async fn get_and_watch(&self, path: impl IntoPath) -> Result<(Bytes, Stat, Watch), Error> {
        let path = self.absolute(path)?;
        let reply = self.read(Read::Get { path, watch: true }).await?;
        let (data, stat) = got(reply.outcome)?;
        Ok((data, stat, self.left(reply.watch)?))
    }

    /// A node's stat, or nothing if there is no such node. Dropping the future leaves nothing.
    pub async fn exists(&self, path: impl IntoPath) -> Result<Option<Stat>, Error> {
        let path = self.absolute(path)?;
        let reply = self.read(Read::Exists { path, watch: false }).await?;
        existence(reply.outcome)
    }

    /// The same, and a watch that tells when the node comes, changes or goes.
    pub async fn exists_and_watch(
        &self,
        path: impl IntoPath,
    ) -> Result<(Option<Stat>, Watch), Error> {
        let path = self.absolute(path)?;
        let reply = self.read(Read::Exists { path, watch: true }).await?;
        let stat = existence(reply.outcome)?;
        Ok((stat, self.left(reply.watch)?))
    }

    /// The names of all children, in order. Long lists come in pages: what is created or deleted
    /// meanwhile may or may not be among them.
    pub async fn children(&self, path: impl IntoPath) -> Result<Vec<String>, Error> {
        let path = self.absolute(path)?;
        let (first, _) = self.page(&path, ChildrenPage::default(), false).await?;
        self.remaining_children(&path, first).await
    }

    /// One page of children.
    pub async fn children_page(
        &self,
        path: impl IntoPath,
        page: ChildrenPage,
    ) -> Result<ChildrenList, Error> {
        let path = self.absolute(path)?;
        let (page, _) = self.page(&path, page, false).await?;
        Ok(page)
    }

    /// The names of all children, and a watch that tells when the list changes or the node goes.
    pub async fn children_and_watch(
        &self,
        path: impl IntoPath,
    ) -> Result<(Vec<String>, Watch), Error> {
        let path = self.absolute(path)?;
        let (first, watch) = self.page(&path, ChildrenPage::default(), true).await?;
        // Later pages need no watch: the first page's tells of every change behind it.
        let names = self.remaining_children(&path, first).await?;
        Ok((names, self.left(watch)?))
    }

    async fn remaining_children(
        &self,
        path: &ZnodePath,
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
            let (next, _) = self.page(path, page, false).await?;
            more = next.more && !next.names.is_empty();
            names.extend(next.names);
        }
        Ok(names)
    }

    /// How many nodes are below a node, itself not counted.
    ///
    /// Refused with `NO_NODE`, `NO_AUTH`, `TOO_LARGE` (more than 200,000; [`quota`](Self::quota) knows the
    /// number without a count). Dropping the future leaves nothing.
    pub async fn count(&self, path: impl IntoPath) -> Result<u64, Error> {
        let path = self.absolute(path)?;
        match self.read(Read::Count { path }).await?.outcome {
            Outcome::Counted(count) => Ok(count),
            other => Err(unexpected("a count", &other)),
        }
    }

    /// The ephemeral nodes at or below `under`, in order: those of one session, or of all. Long lists come
    /// in pages: what is created or deleted meanwhile may or may not be among them.
    ///
    /// Refused with `NO_AUTH`. Dropping the future leaves nothing.
    pub async fn ephemerals(
        &self,
        session: Option<SessionId>,
        under: impl IntoPath,
    ) -> Result<Vec<ZnodePath>, Error> {
        let (under, mut all) = (under.into_path()?, Vec::new());
        let mut page = PathsPage::default();
        loop {
            let PathsList { paths, more } = self.ephemerals_page(session, &under, page).await?;
            all.extend(paths);
            match all.last() {
                Some(last) if more => {
                    let after = Some(last.clone());
                    page = PathsPage { after, limit: 0 };
                }
                _ => return Ok(all),
            }
        }
    }

    /// One page of them.
    pub async fn ephemerals_page(
        &self,
        session: Option<SessionId>,
        under: impl IntoPath,
        page: PathsPage,
    ) -> Result<PathsList, Error> {
        let under = self.absolute(under)?;
        let after = page.after.map(|after| self.absolute(after)).transpose()?;
        let limit = page.limit;
        let page = PathsPage { after, limit };
        let read = Read::Ephemerals {
            session,
            under,
            page,
        };
        match self.read(read).await?.outcome {
            Outcome::Paths { paths, more } => {
                let paths = paths.into_iter().map(|path| self.relative(path));
                let paths = paths.collect::<Result<_, _>>()?;
                Ok(PathsList { paths, more })
            }
            other => Err(unexpected("a list of ephemeral nodes", &other)),
        }
    }

    /// A node's access control list and stat; the list's version is the stat's `aversion`. An empty list is
    /// open to everybody. Hashes of passwords are hidden from who does not administer the node.
    ///
    /// Refused with `NO_NODE`, `NO_AUTH` (it takes READ or ADMIN). Dropping the future leaves nothing.
    pub async fn get_acl(&self, path: impl IntoPath) -> Result<(Acl, Stat), Error> {
        let path = self.absolute(path)?;
        match self.read(Read::Acl { path }).await?.outcome {
            Outcome::GotAcl { acl, stat } => Ok((acl, stat)),
            other => Err(unexpected("a question for a list", &other)),
        }
    }

    /// Replaces a node's access control list, if the list has the version named, and returns the node's new
    /// stat. The principal `auth:` stands for whom the session has proved to be by `digest` or `x509`.
    ///
    /// Refused with `NO_NODE`, `BAD_VERSION`, `NO_AUTH` (it takes ADMIN), `INVALID_ACL`, `TOO_LARGE`.
    ///
    /// Cancellation: a dropped future may or may not have replaced it; the list's version tells.
    pub async fn set_acl(
        &self,
        path: impl IntoPath,
        acl: Acl,
        version: Option<u64>,
    ) -> Result<Stat, Error> {
        let path = self.absolute(path)?;
        match self.change(Change::SetAcl { path, acl, version }).await? {
            Outcome::Set(stat) => Ok(stat),
            other => Err(unexpected("a set of a list", &other)),
        }
    }

    /// Replaces a node's data, if it has the version named, and returns its new stat.
    ///
    /// Refused with `NO_NODE`, `BAD_VERSION`, `NO_AUTH`, `TOO_LARGE`.
    ///
    /// Cancellation: a dropped future may or may not have replaced it; the node's version tells.
    pub async fn set(
        &self,
        path: impl IntoPath,
        data: impl Into<Bytes>,
        version: Option<u64>,
    ) -> Result<Stat, Error> {
        let path = self.absolute(path)?;
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
    ///
    /// Refused with `NO_NODE`, `BAD_VERSION`, `NOT_EMPTY`, `NO_AUTH`.
    ///
    /// Cancellation: a dropped future may or may not have ended it.
    pub async fn delete(&self, path: impl IntoPath, version: Option<u64>) -> Result<(), Error> {
        let path = self.absolute(path)?;
        match self.change(Change::Delete { path, version }).await? {
            Outcome::Deleted => Ok(()),
            other => Err(unexpected("a delete", &other)),
        }
    }

    /// Ends a node and everything below it, and returns how many nodes that were.
    ///
    /// Up to 10,000 nodes go in one transaction: all or none. More take several, from the leaves upwards:
    /// in between, others see a part of it gone, and may create nodes in the rest, which go too.
    ///
    /// Refused with `NO_NODE`, `NO_AUTH` (it takes DELETE on the parent of each), `BAD_ARGUMENTS` for the
    /// root. What earlier transactions deleted is gone then.
    ///
    /// Cancellation: a dropped future may or may not have ended some or all of it, and asks for no more.
    pub async fn delete_all(&self, path: impl IntoPath) -> Result<u64, Error> {
        let path = path.into_path()?;
        let mut total = 0;
        loop {
            match self.delete_some(&path).await {
                Ok((deleted, more)) => {
                    total += deleted;
                    if !more {
                        return Ok(total);
                    }
                }
                // Somebody else has ended the rest.
                Err(error) if total > 0 && error.is(ErrorCode::NoNode) => return Ok(total),
                Err(error) => return Err(error),
            }
        }
    }

    /// One of the transactions of [`delete_all`](Self::delete_all): ends up to 10,000 nodes, the leaves
    /// first, and returns how many, and whether there are more, for who wants to see how far it is.
    ///
    /// Refused as `delete_all`. Cancellation: a dropped future may or may not have ended them.
    pub async fn delete_some(&self, path: impl IntoPath) -> Result<(u64, bool), Error> {
        let path = self.absolute(path)?;
        let op = Op::Write(Write::DeleteSubtree { path });
        match self.request(op).await?.outcome {
            Outcome::SubtreeDeleted { deleted, more } => Ok((deleted, more)),
            other => Err(unexpected("a deletion", &other)),
        }
    }

    /// Demands, in the order of writes, that a node is there and has the version named. Refused with
    /// `NO_NODE`, `BAD_VERSION`. Dropping the future leaves nothing.
    pub async fn check(&self, path: impl IntoPath, version: Option<u64>) -> Result<(), Error> {
        let path = self.absolute(path)?;
        match self.change(Change::Check { path, version }).await? {
            Outcome::Checked => Ok(()),
            other => Err(unexpected("a check", &other)),
        }
    }

    /// Makes several changes, all or none, and returns one outcome for each.
    ///
    /// Refused as its changes are; [`Fault::index`](crate::Fault::index) names the first that could not be
    /// made, counted from 0.
    ///
    /// Cancellation: a dropped future may or may not have made them, but always all or none.
    pub async fn multi(&self, changes: impl Into<Multi>) -> Result<Vec<Outcome>, Error> {
        let changes = changes.into().into_changes()?.into_iter();
        let root = self.seen_from();
        let changes = changes.map(|change| root.absolute_change(change));
        let changes = changes.collect::<Result<_, _>>()?;
        match self
            .request(Op::Write(Write::Multi(changes)))
            .await?
            .outcome
        {
            Outcome::Multi(outcomes) => {
                let outcomes = outcomes.into_iter();
                outcomes.map(|it| root.relative_outcome(it)).collect()
            }
            other => Err(unexpected("a multi", &other)),
        }
    }

    /// Returns once the server has caught up with all that was committed before: reads that
    /// follow see it. Dropping the future leaves nothing.
    pub async fn sync(&self) -> Result<(), Error> {
        match self.request(Op::Sync).await?.outcome {
            Outcome::Synced => Ok(()),
            other => Err(unexpected("a sync", &other)),
        }
    }

    async fn read(&self, read: Read) -> Result<Reply, Error> {
        self.request(match self.is_linearizable() {
            true => Op::LinearizableRead(read),
            false => Op::Read(read),
        })
        .await
    }

    /// One page of the children of a path of the whole tree, and the watch left if one was wanted.
    async fn page(
        &self,
        path: &ZnodePath,
        page: ChildrenPage,
        watch: bool,
    ) -> Result<(ChildrenList, Option<Watch>), Error> {
        let path = path.clone();
        let reply = self.read(Read::Children { path, page, watch }).await?;
        Ok((children(reply.outcome)?, reply.watch))
    }

    fn left(&self, watch: Option<Watch>) -> Result<Watch, Error> {
        let watch = watch.map(|watch| watch.seen_from(self.seen_from()));
        watch.ok_or_else(|| Error::Protocol("no watch was left by a request for one".to_owned()))
    }

    async fn change(&self, change: Change) -> Result<Outcome, Error> {
        let reply = self.request(Op::Write(Write::Change(change))).await?;
        Ok(reply.outcome)
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

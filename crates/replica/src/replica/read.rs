//! What is answered here: reads of the tree, and queries of plugins, of what is committed.

use zareba_model::limits::{EVENTS_MISSED_MAX, SERVER_WATCHES_MAX, SESSION_WATCHES_MAX};
use zareba_model::{
    Acl, AclEntry, Answer, ErrorCode, Event, Fault, Op, Outcome, Permissions, Principal, Read,
    ReadAnswer, ReadOutcome, SessionId, WatchKind, WatchOp, ZnodePath, Zxid,
};

use super::Replica;
use super::apply::may_read;
use crate::plugin::PluginRuntime;

impl<P: PluginRuntime> Replica<P> {
    pub(super) fn read(&mut self, session: SessionId, op: Op) -> Answer {
        match op {
            Op::Read(read) | Op::LinearizableRead(read) => self.read_tree(session, &read),
            Op::MultiRead { reads, .. } => {
                let answers = reads.iter().map(|read| self.read_one(session, read));
                Ok(Outcome::MultiRead(answers.collect()))
            }
            Op::Sync => Ok(Outcome::Synced),
            Op::Call { mount, op, input } => self.query(session, &mount, op, input),
            Op::Explain { mount, op, input } => self.explain(session, &mount, op, input),
            Op::Watch(WatchOp::Add {
                path,
                recursive,
                since,
            }) => self.add_watch(session, path, recursive, since),
            Op::Watch(WatchOp::Remove { path, kind }) => {
                self.watches.remove(session, &path, kind);
                Ok(Outcome::Unwatched)
            }
            Op::Write(_) | Op::Authenticate(_) => {
                panic!("a write must never stand in line as a read")
            }
        }
    }

    fn read_tree(&mut self, session: SessionId, read: &Read) -> Answer {
        if read.leaves_watch() {
            self.check_watches(session)?;
        }
        let outcome = self.read_one(session, read)?;
        let kind = match read {
            Read::Get { watch: true, .. } | Read::Exists { watch: true, .. } => WatchKind::Data,
            Read::Children { watch: true, .. } => WatchKind::Children,
            _ => return Ok(outcome.into()),
        };
        if let Some(path) = read.path() {
            self.watches.add(session, path.clone(), kind);
        }
        Ok(outcome.into())
    }

    /// One read, if its session may.
    fn read_one(&self, session: SessionId, read: &Read) -> ReadAnswer {
        let held = self.held.get(session);
        let principals = held.map_or(&[][..], |held| &held.principals);
        let tree = &self.world.tree;
        if let Read::WhoAmI = read {
            return Ok(ReadOutcome::Identities(principals.to_vec()));
        }
        if let Read::PluginStats { mount } = read {
            return self.plugin_stats(mount.as_ref(), principals);
        }
        if let Read::PluginLog { mount, after } = read {
            return self.plugin_log(mount.as_ref(), *after, principals);
        }
        let node = read.path().and_then(|path| tree.node(path.as_str()));
        if let Some(node) = node {
            check(read, node.acl(), principals)?;
        }
        match tree.read(read)? {
            Outcome::Got { data, stat } => Ok(ReadOutcome::Got { data, stat }),
            Outcome::Existence(stat) => Ok(ReadOutcome::Existence(stat)),
            Outcome::Children { names, stat, more } => {
                Ok(ReadOutcome::Children { names, stat, more })
            }
            Outcome::GotAcl { acl, stat } => {
                let acl = shown(acl, principals);
                Ok(ReadOutcome::GotAcl { acl, stat })
            }
            Outcome::Counted(count) => Ok(ReadOutcome::Counted(count)),
            Outcome::Paths { paths, more } => Ok(ReadOutcome::Paths { paths, more }),
            other => panic!("a tree never answers a read with {other:?}"),
        }
    }

    fn check_watches(&self, session: SessionId) -> Result<(), Fault> {
        if self.watches.count_of(session) >= SESSION_WATCHES_MAX {
            let why = format!("a session has at most {SESSION_WATCHES_MAX} watches; remove some");
            return Err(Fault::new(ErrorCode::Throttled, why));
        }
        if self.watches.count() >= SERVER_WATCHES_MAX {
            let why = format!(
                "this server holds {SERVER_WATCHES_MAX} watches, as many as it may; try another"
            );
            return Err(Fault::new(ErrorCode::Throttled, why));
        }
        Ok(())
    }

    fn add_watch(
        &mut self,
        session: SessionId,
        path: ZnodePath,
        recursive: bool,
        since: Option<Zxid>,
    ) -> Answer {
        self.check_watches(session)?;
        let kind = match recursive {
            true => WatchKind::Recursive,
            false => WatchKind::Persistent,
        };
        let missed = match since {
            None => Some(Vec::new()),
            Some(since) => self.missed(session, &path, kind, since),
        };
        self.watches.add(session, path, kind);
        Ok(Outcome::Watching { missed })
    }

    /// What such a watch would have told its session; `None` if that is not remembered, or too much.
    fn missed(
        &self,
        session: SessionId,
        path: &ZnodePath,
        kind: WatchKind,
        since: Zxid,
    ) -> Option<Vec<Event>> {
        let held = self.held.get(session);
        let principals = held.map_or(&[][..], |held| &held.principals);
        let behind = self.history.behind(since)?;
        let told = behind.filter(|(event, acl)| {
            let below = event.path.relative_to(path);
            let waits = below.is_some_and(|below| kind.waits_for(event.kind, !below.is_empty()));
            waits && may_read(acl, principals)
        });
        let missed: Vec<_> = told
            .map(|(event, _)| event.clone())
            .take(EVENTS_MISSED_MAX + 1)
            .collect();
        (missed.len() <= EVENTS_MISSED_MAX).then_some(missed)
    }
}

/// What a read needs: nothing to learn whether a node is there, one of two permissions to see its list,
/// and READ for all else.
fn check(read: &Read, acl: &Acl, principals: &[Principal]) -> Result<(), Fault> {
    let check = |wanted| zareba_tree::acl::check(acl, principals, wanted);
    match read {
        Read::Exists { .. } => Ok(()),
        Read::Acl { .. } => check(Permissions::ADMIN).or_else(|_| check(Permissions::READ)),
        _ => check(Permissions::READ),
    }
}

/// A list as somebody may see it who does not administer the node: without the hashes of passwords.
fn shown(acl: Acl, principals: &[Principal]) -> Acl {
    if zareba_tree::acl::check(&acl, principals, Permissions::ADMIN).is_ok() {
        return acl;
    }
    let hidden = |mut entry: AclEntry| {
        let Principal { scheme, id } = &mut entry.principal;
        if scheme == "digest"
            && let Some((user, _)) = id.split_once(':')
        {
            *id = format!("{user}:x");
        }
        entry
    };
    Acl(acl.0.into_iter().map(hidden).collect())
}

//! One-time watches of the sessions held here, and what makes them fire.
//!
//! This file must never know a connection or a reply: it takes changes and says which session is
//! to be told what. Its caller sends events before anything that the same transaction answers.

use std::collections::{BTreeMap, BTreeSet};

use zareba_model::{Event, EventKind, SessionId, Stat, WatchKind, WatchSpec, ZnodePath, Zxid};

/// Who watches what.
#[derive(Debug, Default)]
pub(crate) struct WatchTable {
    by_path: BTreeMap<ZnodePath, BTreeSet<(WatchKind, SessionId)>>,
    by_session: BTreeMap<SessionId, BTreeSet<(ZnodePath, WatchKind)>>,
}

impl WatchTable {
    /// Leaves a watch.
    pub(crate) fn add(&mut self, session: SessionId, path: ZnodePath, kind: WatchKind) {
        self.by_session
            .entry(session)
            .or_default()
            .insert((path.clone(), kind));
        self.by_path
            .entry(path)
            .or_default()
            .insert((kind, session));
    }

    /// How many watches a session has.
    pub(crate) fn count(&self, session: SessionId) -> usize {
        self.by_session.get(&session).map_or(0, BTreeSet::len)
    }

    /// The session is held here no more.
    pub(crate) fn remove_session(&mut self, session: SessionId) {
        for (path, kind) in self.by_session.remove(&session).unwrap_or_default() {
            if let Some(watchers) = self.by_path.get_mut(&path) {
                watchers.remove(&(kind, session));
                if watchers.is_empty() {
                    self.by_path.remove(&path);
                }
            }
        }
    }

    /// Sessions with a watch, for invariant checks.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.by_session.keys().copied()
    }

    /// Takes the watches that one change fires and says who is to be told.
    pub(crate) fn fire(
        &mut self,
        path: &ZnodePath,
        kind: EventKind,
        zxid: Zxid,
    ) -> Vec<(SessionId, Event)> {
        let Some(watchers) = self.by_path.get_mut(path.as_str()) else {
            return Vec::new();
        };
        let fires = |watch: WatchKind| match kind {
            EventKind::Created | EventKind::Changed => watch == WatchKind::Data,
            EventKind::ChildrenChanged => watch == WatchKind::Children,
            EventKind::Deleted => true,
        };
        let fired: Vec<_> = watchers
            .iter()
            .filter(|(watch, _)| fires(*watch))
            .copied()
            .collect();
        let mut told = BTreeSet::new();
        for (watch, session) in fired {
            watchers.remove(&(watch, session));
            if let Some(own) = self.by_session.get_mut(&session) {
                own.remove(&(path.clone(), watch));
                if own.is_empty() {
                    self.by_session.remove(&session);
                }
            }
            told.insert(session);
        }
        if watchers.is_empty() {
            self.by_path.remove(path.as_str());
        }
        let event = Event {
            path: path.clone(),
            kind,
            zxid,
        };
        told.into_iter()
            .map(|session| (session, event.clone()))
            .collect()
    }
}

/// What a re-armed watch has missed since `last`, given the node as it is now. `None` if nothing.
pub(crate) fn missed(watch: &WatchSpec, node: Option<Stat>, last: Zxid) -> Option<EventKind> {
    match (node, watch.kind) {
        (None, _) if watch.absent => None,
        (None, _) => Some(EventKind::Deleted),
        (Some(_), _) if watch.absent => Some(EventKind::Created),
        // A node made anew was deleted in between.
        (Some(stat), _) if stat.czxid > last => Some(EventKind::Deleted),
        (Some(stat), WatchKind::Data) if stat.mzxid > last => Some(EventKind::Changed),
        (Some(stat), WatchKind::Children) if stat.pzxid > last => Some(EventKind::ChildrenChanged),
        (Some(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ZnodePath {
        ZnodePath::parse(text).unwrap()
    }

    #[test]
    fn a_watch_fires_once_and_only_for_its_kind() {
        let mut table = WatchTable::default();
        let (session, zxid) = (SessionId(1), Zxid::new(1, 1));
        table.add(session, path("/a"), WatchKind::Data);
        table.add(session, path("/a"), WatchKind::Children);
        assert_eq!(table.fire(&path("/a"), EventKind::Changed, zxid).len(), 1);
        assert!(table.fire(&path("/a"), EventKind::Changed, zxid).is_empty());
        assert_eq!(table.count(session), 1);
        assert_eq!(
            table
                .fire(&path("/a"), EventKind::ChildrenChanged, zxid)
                .len(),
            1
        );
        assert_eq!(table.count(session), 0);
    }

    #[test]
    fn a_deletion_tells_a_session_once_for_both_kinds() {
        let mut table = WatchTable::default();
        table.add(SessionId(1), path("/a"), WatchKind::Data);
        table.add(SessionId(1), path("/a"), WatchKind::Children);
        table.add(SessionId(2), path("/a"), WatchKind::Data);
        let told = table.fire(&path("/a"), EventKind::Deleted, Zxid::new(1, 1));
        assert_eq!(told.len(), 2);
        assert_eq!(table.sessions().count(), 0);
    }

    #[test]
    fn removing_a_session_leaves_no_watch_behind() {
        let mut table = WatchTable::default();
        table.add(SessionId(1), path("/a"), WatchKind::Data);
        table.remove_session(SessionId(1));
        assert!(table.by_path.is_empty() && table.by_session.is_empty());
    }

    #[test]
    fn what_was_missed_is_told_by_the_node_as_it_is() {
        let watch = |absent, kind| WatchSpec {
            path: path("/a"),
            kind,
            absent,
        };
        let stat = |c, m, p| Stat {
            czxid: Zxid::new(1, c),
            mzxid: Zxid::new(1, m),
            pzxid: Zxid::new(1, p),
            ..Stat::default()
        };
        let last = Zxid::new(1, 5);
        let data = watch(false, WatchKind::Data);
        assert_eq!(missed(&data, Some(stat(1, 5, 9)), last), None);
        assert_eq!(
            missed(&data, Some(stat(1, 6, 1)), last),
            Some(EventKind::Changed)
        );
        assert_eq!(
            missed(&data, Some(stat(7, 7, 7)), last),
            Some(EventKind::Deleted)
        );
        assert_eq!(missed(&data, None, last), Some(EventKind::Deleted));
        assert_eq!(missed(&watch(true, WatchKind::Data), None, last), None);
        let absent = missed(&watch(true, WatchKind::Data), Some(stat(6, 6, 6)), last);
        assert_eq!(absent, Some(EventKind::Created));
        let children = missed(
            &watch(false, WatchKind::Children),
            Some(stat(1, 9, 6)),
            last,
        );
        assert_eq!(children, Some(EventKind::ChildrenChanged));
    }
}

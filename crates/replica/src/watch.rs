//! The watches of the sessions held here, and what makes them fire.
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
    /// How many there are, and how many of them are recursive: without one, nobody looks above a node
    /// that changes.
    count: usize,
    recursive: usize,
    /// Planted on purpose; never in a build without the feature.
    pub(crate) hears_neighbours: bool,
}

impl WatchTable {
    /// Leaves a watch.
    pub(crate) fn add(&mut self, session: SessionId, path: ZnodePath, kind: WatchKind) {
        let own = self.by_session.entry(session).or_default();
        if own.insert((path.clone(), kind)) {
            self.count += 1;
            self.recursive += usize::from(kind == WatchKind::Recursive);
        }
        self.by_path
            .entry(path)
            .or_default()
            .insert((kind, session));
    }

    /// Takes a watch back, if it is there.
    pub(crate) fn remove(&mut self, session: SessionId, path: &ZnodePath, kind: WatchKind) {
        if let Some(watchers) = self.by_path.get_mut(path) {
            watchers.remove(&(kind, session));
            if watchers.is_empty() {
                self.by_path.remove(path);
            }
        }
        let Some(own) = self.by_session.get_mut(&session) else {
            return;
        };
        if own.remove(&(path.clone(), kind)) {
            self.forget(kind);
        }
        if self
            .by_session
            .get(&session)
            .is_some_and(BTreeSet::is_empty)
        {
            self.by_session.remove(&session);
        }
    }

    fn forget(&mut self, kind: WatchKind) {
        self.count -= 1;
        self.recursive -= usize::from(kind == WatchKind::Recursive);
    }

    /// How many watches a session has.
    pub(crate) fn count_of(&self, session: SessionId) -> usize {
        self.by_session.get(&session).map_or(0, BTreeSet::len)
    }

    /// How many watches there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The session is held here no more.
    pub(crate) fn remove_session(&mut self, session: SessionId) {
        for (path, kind) in self.by_session.remove(&session).unwrap_or_default() {
            self.forget(kind);
            if let Some(watchers) = self.by_path.get_mut(&path) {
                watchers.remove(&(kind, session));
                if watchers.is_empty() {
                    self.by_path.remove(&path);
                }
            }
        }
    }

    /// A session has become another one.
    pub(crate) fn rename_session(&mut self, from: SessionId, to: SessionId) {
        let own = self.by_session.get(&from).cloned().unwrap_or_default();
        self.remove_session(from);
        for (path, kind) in own {
            self.add(to, path, kind);
        }
    }

    /// Sessions with a watch, for invariant checks.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.by_session.keys().copied()
    }

    /// Takes the watches that one event fires, unless they stay, and says who is to be told. A session
    /// that may not be told keeps its watch.
    pub(crate) fn fire(
        &mut self,
        event: &Event,
        may_be_told: impl Fn(SessionId) -> bool,
    ) -> BTreeSet<SessionId> {
        let mut fired = Vec::new();
        if let Some(watchers) = self.by_path.get(&event.path) {
            let own = watchers.iter().copied();
            fired.extend(own.filter(|(kind, _)| kind.waits_for(event.kind, false)));
        }
        if self.recursive > 0 {
            for above in event.path.ancestry().skip(1) {
                let watchers = self.by_path.get(above).into_iter().flatten().copied();
                fired.extend(watchers.filter(|(kind, _)| kind.waits_for(event.kind, true)));
            }
        }
        if self.hears_neighbours {
            let begins_alike = |path: &ZnodePath| event.path.as_str().starts_with(path.as_str());
            let alike = self.by_path.iter().filter(|(path, _)| begins_alike(path));
            let watchers = alike.flat_map(|(_, watchers)| watchers.iter().copied());
            fired.extend(watchers.filter(|(kind, _)| kind.waits_for(event.kind, true)));
        }
        fired.retain(|(_, session)| may_be_told(*session));
        for (kind, session) in &fired {
            if !kind.stays() {
                self.remove(*session, &event.path, *kind);
            }
        }
        fired.into_iter().map(|(_, session)| session).collect()
    }

    /// The same for one session, which has just come with its watches and was away when it happened.
    pub(crate) fn fire_for(&mut self, session: SessionId, event: &Event) -> bool {
        let Some(own) = self.by_session.get(&session) else {
            return false;
        };
        let kinds = [
            WatchKind::Data,
            WatchKind::Children,
            WatchKind::Persistent,
            WatchKind::Recursive,
        ];
        let here = |kind: &WatchKind| own.contains(&(event.path.clone(), *kind));
        let fired: Vec<_> = kinds
            .into_iter()
            .filter(|kind| kind.waits_for(event.kind, false) && here(kind))
            .collect();
        let above = self.recursive > 0
            && WatchKind::Recursive.waits_for(event.kind, true)
            && event.path.ancestry().skip(1).any(|above| {
                let watchers = self.by_path.get(above);
                watchers.is_some_and(|it| it.contains(&(WatchKind::Recursive, session)))
            });
        for kind in fired.iter().filter(|kind| !kind.stays()) {
            self.remove(session, &event.path, *kind);
        }
        above || !fired.is_empty()
    }
}

/// What a re-armed watch has missed since `last` if nobody remembers what happened, given the node as it
/// is now. `None` if it can have missed nothing.
pub(crate) fn missed(watch: &WatchSpec, node: Option<Stat>, last: Zxid) -> Option<EventKind> {
    match (node, watch.kind) {
        (_, WatchKind::Persistent | WatchKind::Recursive) => Some(EventKind::Resync),
        // It may have come and gone.
        (None, _) if watch.absent => Some(EventKind::Resync),
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

    fn event(at: &str, kind: EventKind) -> Event {
        Event {
            path: path(at),
            kind,
            zxid: Zxid::new(1, 1),
        }
    }

    fn told(table: &mut WatchTable, at: &str, kind: EventKind) -> Vec<u64> {
        let told = table.fire(&event(at, kind), |_| true);
        told.into_iter().map(|session| session.0).collect()
    }

    #[test]
    fn a_watch_fires_once_and_only_for_its_kind() {
        let mut table = WatchTable::default();
        table.add(SessionId(1), path("/a"), WatchKind::Data);
        table.add(SessionId(1), path("/a"), WatchKind::Children);
        assert_eq!(told(&mut table, "/a", EventKind::Changed), [1]);
        assert!(told(&mut table, "/a", EventKind::Changed).is_empty());
        assert_eq!(table.count_of(SessionId(1)), 1);
        assert_eq!(told(&mut table, "/a", EventKind::ChildrenChanged), [1]);
        assert_eq!((table.count_of(SessionId(1)), table.count()), (0, 0));
    }

    #[test]
    fn a_deletion_tells_a_session_once_for_both_kinds() {
        let mut table = WatchTable::default();
        table.add(SessionId(1), path("/a"), WatchKind::Data);
        table.add(SessionId(1), path("/a"), WatchKind::Children);
        table.add(SessionId(2), path("/a"), WatchKind::Data);
        assert_eq!(told(&mut table, "/a", EventKind::Deleted), [1, 2]);
        assert_eq!(table.sessions().count(), 0);
    }

    #[test]
    fn a_persistent_watch_stays_and_a_recursive_one_hears_of_all_below_it() {
        let mut table = WatchTable::default();
        table.add(SessionId(1), path("/a"), WatchKind::Persistent);
        table.add(SessionId(2), path("/a"), WatchKind::Recursive);
        table.add(SessionId(3), path("/"), WatchKind::Recursive);
        for _ in 0..2 {
            assert_eq!(told(&mut table, "/a", EventKind::Changed), [1, 2, 3]);
            assert_eq!(told(&mut table, "/a", EventKind::ChildrenChanged), [1]);
            assert_eq!(told(&mut table, "/a/b/c", EventKind::Created), [2, 3]);
            assert_eq!(told(&mut table, "/ab", EventKind::Created), [3]);
            assert_eq!(told(&mut table, "/a", EventKind::Deleted), [1, 2, 3]);
        }
        table.remove(SessionId(3), &path("/"), WatchKind::Recursive);
        table.remove(SessionId(3), &path("/"), WatchKind::Recursive);
        assert!(told(&mut table, "/ab", EventKind::Created).is_empty());
        assert_eq!((table.count(), table.recursive), (2, 1));
    }

    #[test]
    fn who_may_not_be_told_keeps_the_watch() {
        let mut table = WatchTable::default();
        table.add(SessionId(1), path("/a"), WatchKind::Data);
        let changed = event("/a", EventKind::Changed);
        assert!(table.fire(&changed, |_| false).is_empty());
        assert_eq!(table.fire(&changed, |_| true).len(), 1);
    }

    #[test]
    fn what_happened_while_a_session_was_away_fires_its_own_watches_alone() {
        let mut table = WatchTable::default();
        table.add(SessionId(1), path("/a"), WatchKind::Data);
        table.add(SessionId(1), path("/r"), WatchKind::Recursive);
        table.add(SessionId(2), path("/a"), WatchKind::Data);
        assert!(table.fire_for(SessionId(1), &event("/a", EventKind::Created)));
        assert!(!table.fire_for(SessionId(1), &event("/a", EventKind::Deleted)));
        assert!(table.fire_for(SessionId(1), &event("/r/x", EventKind::Deleted)));
        assert!(!table.fire_for(SessionId(2), &event("/r/x", EventKind::Deleted)));
        assert_eq!(
            (table.count_of(SessionId(1)), table.count_of(SessionId(2))),
            (1, 1)
        );
    }

    #[test]
    fn removing_or_renaming_a_session_leaves_no_watch_behind() {
        let mut table = WatchTable::default();
        table.add(SessionId(1), path("/a"), WatchKind::Data);
        table.add(SessionId(1), path("/a"), WatchKind::Recursive);
        table.rename_session(SessionId(1), SessionId(2));
        assert_eq!(
            (table.count_of(SessionId(1)), table.count_of(SessionId(2))),
            (0, 2)
        );
        table.remove_session(SessionId(2));
        assert!(table.by_path.is_empty() && table.by_session.is_empty());
        assert_eq!((table.count, table.recursive), (0, 0));
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
        let absent = watch(true, WatchKind::Data);
        assert_eq!(missed(&absent, None, last), Some(EventKind::Resync));
        let created = missed(&absent, Some(stat(6, 6, 6)), last);
        assert_eq!(created, Some(EventKind::Created));
        let children = missed(
            &watch(false, WatchKind::Children),
            Some(stat(1, 9, 6)),
            last,
        );
        assert_eq!(children, Some(EventKind::ChildrenChanged));
    }
}

//! One-time watches: who waits for which event of which node. Knows no connection.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::oneshot;
use zareba_model::{Event, Op, Outcome, Read, WatchKind, WatchSpec, ZnodePath};

use crate::Error;
use crate::chroot::Chroot;

/// The one event of a one-time watch, as a future or as a stream of one item.
///
/// It stays in force when the session moves to another server; what happened meanwhile is told. If nobody
/// remembers that, the event is a [`Resync`](zareba_model::EventKind::Resync): read again what is watched.
#[derive(Debug)]
#[must_use = "a watch tells its event only to who awaits it"]
pub struct Watch {
    event: Option<oneshot::Receiver<Result<Event, Error>>>,
    root: Chroot,
}

impl Watch {
    /// The same, whose event's path is told as a handle with that root sees it.
    pub(crate) fn seen_from(mut self, root: &Chroot) -> Self {
        self.root = root.clone();
        self
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        let Some(event) = &mut self.event else {
            return Poll::Ready(None);
        };
        let told = std::task::ready!(Pin::new(event).poll(cx));
        self.event = None;
        let event = told.unwrap_or(Err(Error::Closed));
        Poll::Ready(Some(event.and_then(|it| self.root.relative_event(it))))
    }
}

impl Future for Watch {
    type Output = Result<Event, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let event = std::task::ready!(self.poll_event(cx));
        Poll::Ready(event.unwrap_or(Err(Error::Closed)))
    }
}

impl Stream for Watch {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(cx)
    }
}

/// The far end of a [`Watch`].
pub(crate) type Watcher = oneshot::Sender<Result<Event, Error>>;

/// Every watch of a session.
#[derive(Debug, Default)]
pub(crate) struct WatchTable {
    by_path: BTreeMap<ZnodePath, Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    kind: WatchKind,
    absent: bool,
    watcher: Watcher,
}

impl WatchTable {
    /// Keeps the watch that a successful request has left, if it asked for one.
    pub(crate) fn register(&mut self, op: &Op, outcome: &Outcome) -> Option<Watch> {
        let (Op::Read(read) | Op::LinearizableRead(read)) = op else {
            return None;
        };
        let (path, kind, absent) = match (read, outcome) {
            (Read::Get { path, watch: true }, _) => (path, WatchKind::Data, false),
            (Read::Exists { path, watch: true }, Outcome::Existence(stat)) => {
                (path, WatchKind::Data, stat.is_none())
            }
            (
                Read::Children {
                    path, watch: true, ..
                },
                _,
            ) => (path, WatchKind::Children, false),
            _ => return None,
        };
        let (watcher, event) = oneshot::channel();
        let entries = self.by_path.entry(path.clone()).or_default();
        // Watches that nobody awaits any more would otherwise pile up on a busy node.
        entries.retain(|entry| !entry.watcher.is_closed());
        entries.push(Entry {
            kind,
            absent,
            watcher,
        });
        Some(Watch {
            event: Some(event),
            root: Chroot::default(),
        })
    }

    /// Takes out the watchers an event is for.
    pub(crate) fn fire(&mut self, event: &Event, fired: &mut Vec<Watcher>) {
        let Some(entries) = self.by_path.get_mut(&event.path) else {
            return;
        };
        let waits = |entry: &mut Entry| entry.kind.waits_for(event.kind, false);
        fired.extend(entries.extract_if(.., waits).map(|entry| entry.watcher));
        if entries.is_empty() {
            self.by_path.remove(&event.path);
        }
    }

    /// What to ask of a new server: every watch somebody still awaits, once.
    pub(crate) fn specs(&mut self) -> Vec<WatchSpec> {
        let mut specs = Vec::new();
        self.by_path.retain(|path, entries| {
            entries.retain(|entry| !entry.watcher.is_closed());
            let mut wanted: Vec<_> = entries
                .iter()
                .map(|entry| (entry.kind, entry.absent))
                .collect();
            wanted.sort_unstable();
            wanted.dedup();
            specs.extend(wanted.into_iter().map(|(kind, absent)| WatchSpec {
                path: path.clone(),
                kind,
                absent,
            }));
            !entries.is_empty()
        });
        specs
    }

    /// Takes out half of the paths, for when they do not fit into one message.
    pub(crate) fn shed_half(&mut self) -> Vec<Watcher> {
        let middle = self.by_path.keys().nth(self.by_path.len() / 2).cloned();
        let shed = match middle {
            Some(middle) => self.by_path.split_off(&middle),
            None => BTreeMap::new(),
        };
        shed.into_values()
            .flatten()
            .map(|entry| entry.watcher)
            .collect()
    }

    /// Takes out every watcher.
    pub(crate) fn drain(&mut self) -> Vec<Watcher> {
        let all = std::mem::take(&mut self.by_path);
        all.into_values()
            .flatten()
            .map(|entry| entry.watcher)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zareba_model::{EventKind, Stat, Zxid};

    fn path(text: &str) -> ZnodePath {
        ZnodePath::parse(text).unwrap()
    }

    fn watch_data(table: &mut WatchTable, text: &str, there: bool) -> Watch {
        let op = Op::Read(Read::Exists {
            path: path(text),
            watch: true,
        });
        let outcome = Outcome::Existence(there.then(Stat::default));
        table.register(&op, &outcome).unwrap()
    }

    fn watch_children(table: &mut WatchTable, text: &str) -> Watch {
        let page = zareba_model::ChildrenPage::default();
        let op = Op::Read(Read::Children {
            path: path(text),
            page,
            watch: true,
        });
        table.register(&op, &Outcome::Synced).unwrap()
    }

    fn fire(table: &mut WatchTable, text: &str, kind: EventKind) -> usize {
        let event = Event {
            path: path(text),
            kind,
            zxid: Zxid::new(1, 1),
        };
        let mut fired = Vec::new();
        table.fire(&event, &mut fired);
        let count = fired.len();
        for watcher in fired {
            watcher.send(Ok(event.clone())).unwrap();
        }
        count
    }

    #[tokio::test]
    async fn a_deletion_is_told_to_both_kinds_and_to_each_once() {
        let mut table = WatchTable::default();
        let data = watch_data(&mut table, "/a", true);
        let children = watch_children(&mut table, "/a");
        assert_eq!(fire(&mut table, "/b", EventKind::Deleted), 0);
        assert_eq!(fire(&mut table, "/a", EventKind::Deleted), 2);
        assert_eq!(fire(&mut table, "/a", EventKind::Deleted), 0);
        assert_eq!(data.await.unwrap().kind, EventKind::Deleted);
        assert_eq!(children.await.unwrap().kind, EventKind::Deleted);
    }

    #[test]
    fn a_resync_is_told_to_every_kind() {
        let mut table = WatchTable::default();
        let _data = watch_data(&mut table, "/a", false);
        let _children = watch_children(&mut table, "/a");
        assert_eq!(fire(&mut table, "/a/b", EventKind::Resync), 0);
        assert_eq!(fire(&mut table, "/a", EventKind::Resync), 2);
    }

    #[test]
    fn a_change_is_told_to_its_kind_only() {
        let mut table = WatchTable::default();
        let _data = watch_data(&mut table, "/a", true);
        let _children = watch_children(&mut table, "/a");
        assert_eq!(fire(&mut table, "/a", EventKind::ChildrenChanged), 1);
        assert_eq!(table.specs().len(), 1);
        assert_eq!(fire(&mut table, "/a", EventKind::Changed), 1);
        assert_eq!(table.specs(), []);
    }

    #[test]
    fn specs_name_each_awaited_watch_once() {
        let mut table = WatchTable::default();
        let _first = watch_data(&mut table, "/a", true);
        let _same = watch_data(&mut table, "/a", true);
        let _absent = watch_data(&mut table, "/b", false);
        drop(watch_data(&mut table, "/c", true));
        let specs = table.specs();
        let kind = WatchKind::Data;
        assert_eq!(
            specs,
            [
                WatchSpec {
                    path: path("/a"),
                    kind,
                    absent: false
                },
                WatchSpec {
                    path: path("/b"),
                    kind,
                    absent: true
                },
            ]
        );
    }

    #[test]
    fn shedding_ends_and_reaches_every_path() {
        let mut table = WatchTable::default();
        let watches: Vec<Watch> = (0..5)
            .map(|i| watch_data(&mut table, &format!("/n{i}"), true))
            .collect();
        let mut shed = 0;
        while !table.specs().is_empty() {
            let some = table.shed_half().len();
            assert!(some > 0);
            shed += some;
        }
        assert_eq!(shed, watches.len());
    }
}

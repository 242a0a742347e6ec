//! Watches that stay: one on the server for each node and kind, and here as many streams of its events as
//! there are readers. Knows no connection.
//!
//! A stream exists from the moment in which the answer to its request is read. Events that come before it
//! are for streams that exist; the answer itself brings those that this one was to be told of the past; all
//! that come behind it are for this one too. The server answers and tells in one order, so that nothing
//! falls in between and nothing comes twice.
//!
//! ```text
//!   asked for --> in force, with readers <--> deserted --> taken back
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use tokio::sync::Notify;
use zareba_model::{Event, EventKind, Op, WatchKind, WatchOp, WatchSpec, ZnodePath, Zxid};

use crate::chroot::Chroot;
use crate::{Error, limits};

/// The events of a watch that stays, in the order in which they happened: as a [`Stream`], or one by one
/// with [`next`](Self::next).
///
/// It stays in force when the session moves to another server, and tells what happened meanwhile, each
/// event once. Where that cannot be said, an event of the kind [`EventKind::Resync`] comes in its place: then
/// read again whatever is watched. That is so when nobody remembers what happened while the session was
/// without a server (the servers remember the last [`EVENTS_REMEMBERED_MAX`][remembered] events), and when
/// more than 16,384 events wait to be read here: all of them are replaced by one `Resync` then, and
/// those behind it follow. Memory is bounded, however slow a reader is.
///
/// An event is there before the answer to any request that shows its effect.
///
/// The last item is why there will be no more: [`Error::SessionExpired`] or [`Error::Closed`] at the session's
/// end, [`Error::WatchLost`] if a session has more watches than it can tell a new server of at once. Dropping
/// the stream takes the watch back; a stream does not keep the session open that all
/// [`Client`](crate::Client)s were dropped of.
///
/// [remembered]: zareba_model::limits::EVENTS_REMEMBERED_MAX
#[derive(Debug)]
#[must_use = "a watch tells its events only to who reads them"]
pub struct WatchStream {
    queue: Arc<Queue>,
    id: u64,
    departures: Arc<Departures>,
    root: Chroot,
}

impl WatchStream {
    /// The same, whose events' paths are told as a handle with that root sees them.
    pub(crate) fn seen_from(mut self, root: &Chroot) -> Self {
        self.root = root.clone();
        self
    }

    /// The next event; nothing behind the last one. Dropping the future loses no event.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        let event = std::task::ready!(self.queue.poll(cx));
        Poll::Ready(event.map(|event| event.and_then(|event| self.root.relative_event(event))))
    }
}

impl Stream for WatchStream {
    type Item = Result<Event, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(cx)
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        let key = (self.queue.path.clone(), self.queue.kind);
        lock(&self.departures.gone).push((key, self.id));
        self.departures.noticed.notify_one();
    }
}

type Key = (ZnodePath, WatchKind);

/// Readers who have gone, until the session sees to it.
#[derive(Debug)]
struct Departures {
    gone: Mutex<Vec<(Key, u64)>>,
    noticed: Arc<Notify>,
}

/// What waits for one reader.
#[derive(Debug)]
pub(crate) struct Queue {
    path: ZnodePath,
    kind: WatchKind,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// Why there will be no more; taken when it is told.
    end: Option<Error>,
    ended: bool,
    reader: Option<Waker>,
}

impl Queue {
    /// Adds an event, or gives all up for one `Resync` if nobody reads.
    pub(crate) fn push(&self, event: Event) {
        let mut waiting = lock(&self.waiting);
        if waiting.ended {
            return;
        }
        let event = if waiting.events.len() >= limits::STREAM_EVENTS_MAX {
            waiting.events = VecDeque::new();
            self.resync(event.zxid)
        } else {
            event
        };
        waiting.events.push_back(event);
        wake(waiting);
    }

    /// There will be no more.
    pub(crate) fn end(&self, reason: Error) {
        let mut waiting = lock(&self.waiting);
        if !waiting.ended {
            waiting.ended = true;
            waiting.end = Some(reason);
            wake(waiting);
        }
    }

    fn resync(&self, zxid: Zxid) -> Event {
        Event {
            path: self.path.clone(),
            kind: EventKind::Resync,
            zxid,
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        let mut waiting = lock(&self.waiting);
        if let Some(event) = waiting.events.pop_front() {
            return Poll::Ready(Some(Ok(event)));
        }
        if waiting.ended {
            return Poll::Ready(waiting.end.take().map(Err));
        }
        waiting.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Wakes the reader, who may want the lock at once.
fn wake(mut waiting: MutexGuard<'_, Waiting>) {
    let reader = waiting.reader.take();
    drop(waiting);
    if let Some(reader) = reader {
        reader.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics halfway through a change, so what is behind a poisoned lock is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every watch of a session that stays.
#[derive(Debug)]
pub(crate) struct StreamTable {
    persistent: BTreeMap<ZnodePath, Watched>,
    recursive: BTreeMap<ZnodePath, Watched>,
    /// In force on the server, although nobody here wants them: to be taken back.
    deserted: BTreeSet<Key>,
    /// Requests under way that take one back.
    leaving: usize,
    last_id: u64,
    departures: Arc<Departures>,
}

/// One watch.
#[derive(Debug, Default)]
struct Watched {
    /// Requests for it without an answer.
    asked: usize,
    /// The server at hand, if there is one, has it.
    in_force: bool,
    readers: Vec<(u64, Arc<Queue>)>,
}

impl Watched {
    fn is_wanted(&self) -> bool {
        self.asked > 0 || !self.readers.is_empty()
    }
}

impl StreamTable {
    /// No watch yet. `noticed` is told when a reader has gone.
    pub(crate) fn new(noticed: Arc<Notify>) -> Self {
        Self {
            persistent: BTreeMap::new(),
            recursive: BTreeMap::new(),
            deserted: BTreeSet::new(),
            leaving: 0,
            last_id: 0,
            departures: Arc::new(Departures {
                gone: Mutex::default(),
                noticed,
            }),
        }
    }

    /// A watch is about to be asked for. One that is about to be taken back is not.
    pub(crate) fn asked(&mut self, path: &ZnodePath, recursive: bool) {
        let kind = kind(recursive);
        self.deserted.remove(&(path.clone(), kind));
        self.of(kind).entry(path.clone()).or_default().asked += 1;
    }

    /// The watch is in force: here is its new reader, with what it missed.
    pub(crate) fn granted(
        &mut self,
        path: &ZnodePath,
        recursive: bool,
        missed: Option<Vec<Event>>,
        zxid: Zxid,
    ) -> WatchStream {
        let kind = kind(recursive);
        self.last_id += 1;
        let id = self.last_id;
        let queue = Arc::new(Queue {
            path: path.clone(),
            kind,
            waiting: Mutex::default(),
        });
        match missed {
            Some(missed) => lock(&queue.waiting).events = missed.into(),
            None => queue.push(queue.resync(zxid)),
        }
        let watched = self.of(kind).entry(path.clone()).or_default();
        watched.asked = watched.asked.saturating_sub(1);
        watched.in_force = true;
        watched.readers.push((id, Arc::clone(&queue)));
        WatchStream {
            queue,
            id,
            departures: Arc::clone(&self.departures),
            root: Chroot::default(),
        }
    }

    /// The watch was refused.
    pub(crate) fn refused(&mut self, path: &ZnodePath, recursive: bool) {
        let kind = kind(recursive);
        if let Some(watched) = self.of(kind).get_mut(path) {
            watched.asked = watched.asked.saturating_sub(1);
        }
        self.settle((path.clone(), kind));
    }

    /// Sees to the readers who have gone.
    pub(crate) fn see_off(&mut self) {
        let gone = std::mem::take(&mut *lock(&self.departures.gone));
        for (key, id) in gone {
            if let Some(watched) = self.of(key.1).get_mut(&key.0) {
                watched.readers.retain(|(known, _)| *known != id);
            }
            self.settle(key);
        }
    }

    /// The next watch to take back, if not too many are being taken back already.
    pub(crate) fn next_removal(&mut self) -> Option<Op> {
        if self.leaving >= limits::REMOVALS_MAX {
            return None;
        }
        let (path, kind) = self.deserted.pop_first()?;
        self.of(kind).remove(&path);
        self.leaving += 1;
        Some(Op::Watch(WatchOp::Remove { path, kind }))
    }

    /// A request that takes one back has its answer. True if there are more to take back.
    pub(crate) fn removed(&mut self) -> bool {
        self.leaving = self.leaving.saturating_sub(1);
        !self.deserted.is_empty()
    }

    /// Whom an event is for.
    pub(crate) fn readers_of(&self, event: &Event, readers: &mut Vec<Arc<Queue>>) {
        let mut add = |watched: Option<&Watched>| {
            let queues = watched.into_iter().flat_map(|it| &it.readers);
            readers.extend(queues.map(|(_, queue)| Arc::clone(queue)));
        };
        add(self.persistent.get(&event.path));
        if self.recursive.is_empty() {
            return;
        }
        if event.kind == EventKind::Resync {
            // Its path is that of the watch it is meant for.
            return add(self.recursive.get(&event.path));
        }
        for (place, above) in event.path.ancestry().enumerate() {
            if WatchKind::Recursive.waits_for(event.kind, place > 0) {
                add(self.recursive.get(above));
            }
        }
    }

    /// What to ask of a new server; nothing else is in force there.
    pub(crate) fn specs(&mut self) -> Vec<WatchSpec> {
        self.see_off();
        self.deserted.clear();
        let mut specs = Vec::new();
        for kind in [WatchKind::Persistent, WatchKind::Recursive] {
            self.of(kind).retain(|path, watched| {
                watched.in_force = !watched.readers.is_empty();
                if watched.in_force {
                    specs.push(WatchSpec {
                        path: path.clone(),
                        kind,
                        absent: false,
                    });
                }
                watched.is_wanted()
            });
        }
        specs
    }

    /// Takes out the readers of half of the watches, for when they do not fit into one message.
    pub(crate) fn shed_half(&mut self) -> Vec<Arc<Queue>> {
        let half = (self.persistent.len() + self.recursive.len()).div_ceil(2);
        let mut shed = Vec::new();
        for map in [&mut self.recursive, &mut self.persistent] {
            for watched in map.values_mut() {
                if shed.len() >= half {
                    return shed;
                }
                let readers = watched.readers.drain(..);
                shed.extend(readers.map(|(_, queue)| queue));
            }
        }
        shed
    }

    /// Takes out every reader.
    pub(crate) fn drain(&mut self) -> Vec<Arc<Queue>> {
        let persistent = std::mem::take(&mut self.persistent);
        let recursive = std::mem::take(&mut self.recursive);
        let all = persistent.into_values().chain(recursive.into_values());
        let readers = all.flat_map(|watched| watched.readers);
        readers.map(|(_, queue)| queue).collect()
    }

    /// Forgets a watch that nobody wants, or notes that it is to be taken back.
    fn settle(&mut self, key: Key) {
        let Some(watched) = self.of(key.1).get(&key.0) else {
            return;
        };
        if watched.is_wanted() {
            return;
        }
        if watched.in_force {
            self.deserted.insert(key);
        } else {
            self.of(key.1).remove(&key.0);
        }
    }

    fn of(&mut self, kind: WatchKind) -> &mut BTreeMap<ZnodePath, Watched> {
        match kind {
            WatchKind::Recursive => &mut self.recursive,
            _ => &mut self.persistent,
        }
    }
}

fn kind(recursive: bool) -> WatchKind {
    match recursive {
        true => WatchKind::Recursive,
        false => WatchKind::Persistent,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn path(text: &str) -> ZnodePath {
        ZnodePath::parse(text).unwrap()
    }

    fn event(at: &str, kind: EventKind) -> Event {
        Event {
            path: path(at),
            kind,
            zxid: Zxid::new(1, 7),
        }
    }

    fn table() -> StreamTable {
        StreamTable::new(Arc::new(Notify::new()))
    }

    fn watch(table: &mut StreamTable, at: &str, recursive: bool) -> WatchStream {
        table.asked(&path(at), recursive);
        table.granted(&path(at), recursive, Some(Vec::new()), Zxid::ZERO)
    }

    fn tell(table: &StreamTable, event: &Event) -> usize {
        let mut readers = Vec::new();
        table.readers_of(event, &mut readers);
        for queue in &readers {
            queue.push(event.clone());
        }
        readers.len()
    }

    fn told(stream: &mut WatchStream) -> Vec<String> {
        let events = std::iter::from_fn(|| stream.next().now_or_never().flatten());
        let shown = events.map(|event| match event {
            Ok(event) => format!("{:?} {}", event.kind, event.path),
            Err(error) => format!("{error:?}"),
        });
        shown.collect()
    }

    fn removals(table: &mut StreamTable) -> Vec<Op> {
        table.see_off();
        std::iter::from_fn(|| table.next_removal()).collect()
    }

    fn removal(at: &str, kind: WatchKind) -> Op {
        Op::Watch(WatchOp::Remove {
            path: path(at),
            kind,
        })
    }

    #[test]
    fn each_stream_is_told_once_what_its_watch_waits_for() {
        let mut table = table();
        let mut one = watch(&mut table, "/a", false);
        let mut same = watch(&mut table, "/a", false);
        let mut below = watch(&mut table, "/a", true);
        let mut all = watch(&mut table, "/", true);
        assert_eq!(tell(&table, &event("/a", EventKind::Changed)), 4);
        assert_eq!(tell(&table, &event("/a", EventKind::ChildrenChanged)), 2);
        assert_eq!(tell(&table, &event("/a/b/c", EventKind::Created)), 2);
        assert_eq!(tell(&table, &event("/ab", EventKind::Created)), 1);
        assert_eq!(tell(&table, &event("/a", EventKind::Resync)), 3);
        let own = ["Changed /a", "ChildrenChanged /a", "Resync /a"];
        assert_eq!(told(&mut one), own);
        assert_eq!(told(&mut same), own);
        assert_eq!(
            told(&mut below),
            ["Changed /a", "Created /a/b/c", "Resync /a"]
        );
        let everything = ["Changed /a", "Created /a/b/c", "Created /ab"];
        assert_eq!(told(&mut all), everything);
    }

    #[test]
    fn a_watch_is_taken_back_with_its_last_reader_only() {
        let mut table = table();
        let first = watch(&mut table, "/a", false);
        let second = watch(&mut table, "/a", false);
        let recursive = watch(&mut table, "/a", true);
        drop(first);
        assert!(removals(&mut table).is_empty());
        // Somebody asks for it before the last one goes: it must not be taken from them.
        table.asked(&path("/a"), false);
        drop(second);
        assert!(removals(&mut table).is_empty());
        drop(table.granted(&path("/a"), false, None, Zxid::ZERO));
        drop(recursive);
        let expected = [WatchKind::Persistent, WatchKind::Recursive];
        assert_eq!(
            removals(&mut table),
            expected.map(|kind| removal("/a", kind))
        );
        assert!(table.persistent.is_empty() && table.recursive.is_empty());
    }

    #[test]
    fn a_deserted_watch_that_is_wanted_again_is_not_taken_back() {
        let mut table = table();
        drop(watch(&mut table, "/a", false));
        table.see_off();
        table.asked(&path("/a"), false);
        assert!(removals(&mut table).is_empty());
        // It was refused; the old one is still in force.
        table.refused(&path("/a"), false);
        assert_eq!(removals(&mut table), [removal("/a", WatchKind::Persistent)]);
        table.asked(&path("/b"), false);
        table.refused(&path("/b"), false);
        assert!(removals(&mut table).is_empty() && table.persistent.is_empty());
    }

    #[test]
    fn a_new_server_is_told_of_what_is_read_and_nothing_else_is_taken_back_from_it() {
        let mut table = table();
        let kept = watch(&mut table, "/a", true);
        drop(watch(&mut table, "/b", false));
        table.asked(&path("/c"), false);
        let specs = table.specs();
        let spec = WatchSpec {
            path: path("/a"),
            kind: WatchKind::Recursive,
            absent: false,
        };
        assert_eq!(specs, [spec]);
        assert!(removals(&mut table).is_empty());
        drop(kept);
        assert_eq!(removals(&mut table), [removal("/a", WatchKind::Recursive)]);
    }

    #[test]
    fn removals_go_out_a_few_at_a_time() {
        let mut table = table();
        let streams: Vec<_> = (0..3 * limits::REMOVALS_MAX)
            .map(|i| watch(&mut table, &format!("/n{i}"), false))
            .collect();
        drop(streams);
        assert_eq!(removals(&mut table).len(), limits::REMOVALS_MAX);
        assert!(table.removed());
        assert_eq!(removals(&mut table).len(), 1);
    }

    #[test]
    fn a_reader_who_is_too_slow_is_told_so_and_costs_no_more_memory() {
        let mut table = table();
        let mut stream = watch(&mut table, "/a", false);
        for _ in 0..=limits::STREAM_EVENTS_MAX {
            tell(&table, &event("/a", EventKind::Changed));
        }
        tell(&table, &event("/a", EventKind::Deleted));
        assert_eq!(told(&mut stream), ["Resync /a", "Deleted /a"]);
    }

    #[test]
    fn what_was_missed_comes_first_and_the_end_last() {
        let mut table = table();
        table.asked(&path("/a"), false);
        let missed = vec![event("/a", EventKind::Created)];
        let mut stream = table.granted(&path("/a"), false, Some(missed), Zxid::ZERO);
        tell(&table, &event("/a", EventKind::Changed));
        for queue in table.drain() {
            queue.end(Error::Closed);
            queue.end(Error::SessionExpired);
        }
        assert_eq!(told(&mut stream), ["Created /a", "Changed /a", "Closed"]);
        assert_eq!(stream.next().now_or_never(), Some(None));
        table.asked(&path("/a"), false);
        let mut forgotten = table.granted(&path("/a"), false, None, Zxid::new(1, 9));
        assert_eq!(told(&mut forgotten), ["Resync /a"]);
    }

    #[test]
    fn shedding_ends_and_reaches_every_stream() {
        let mut table = table();
        let streams: Vec<_> = (0..5)
            .map(|i| watch(&mut table, &format!("/n{i}"), i % 2 == 0))
            .collect();
        let mut shed = 0;
        while !table.specs().is_empty() {
            let some = table.shed_half().len();
            assert!(some > 0);
            shed += some;
        }
        assert_eq!(shed, streams.len());
    }
}

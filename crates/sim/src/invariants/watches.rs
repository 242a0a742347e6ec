//! I29: what a client's watches tell it is exactly what happened since they were left, in the order of
//! the history, each change once: nothing lost, nothing invented, nothing twice, over whatever
//! connections, servers and snapshots. A one-time watch ends with its first event. Everything comes
//! before any message that reveals it (Ordered, Unique, Filter, Resumable).
//!
//! Only a server whose memory does not reach back to where the client was may guess from the nodes as
//! they are, and what it cannot guess it says so: `Resync`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zareba_model::{
    Event, EventKind, Permissions, Principal, WatchKind, WatchSpec, ZnodePath, Zxid,
};

use crate::reference::{Happened, Reference, is_within};
use crate::rules::grants;
use crate::violation::{Violation, hold};

const NAME: &str = "watches";

const KINDS: [WatchKind; 4] = [
    WatchKind::Data,
    WatchKind::Children,
    WatchKind::Persistent,
    WatchKind::Recursive,
];

/// A client's watches, and how far it has been told what they wait for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watches {
    /// True for those left where no node was.
    set: BTreeMap<(ZnodePath, WatchKind), bool>,
    /// So much of all that ever happened it has heard over this connection.
    heard: usize,
    /// So much of it over any.
    ever: usize,
    /// What a server that does not remember has to say first.
    guessed: VecDeque<Event>,
}

/// An event as it was heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) hearing: Hearing,
    /// A watch that stays has told it.
    pub(crate) stays: bool,
    /// It is of a node below a watched one.
    pub(crate) below: bool,
}

/// How an event was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    First,
    /// Again over another connection, because the client could not say that it had heard it.
    Again,
    /// From a server that does not remember.
    Guessed,
}

impl Watches {
    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    pub(crate) fn add(&mut self, path: ZnodePath, kind: WatchKind, absent: bool) {
        self.set.insert((path, kind), absent);
    }

    pub(crate) fn remove(&mut self, path: &ZnodePath, kind: WatchKind) {
        self.set.remove(&(path.clone(), kind));
    }

    /// One of them, to be taken back.
    pub(crate) fn nth(&self, place: u64) -> Option<(ZnodePath, WatchKind)> {
        let place = place.checked_rem(self.set.len() as u64)?;
        self.set.keys().nth(place as usize).cloned()
    }

    /// As they are left again.
    pub(crate) fn specs(&self) -> Vec<WatchSpec> {
        let spec = |((path, kind), absent): (&(ZnodePath, WatchKind), &bool)| WatchSpec {
            path: path.clone(),
            kind: *kind,
            absent: *absent,
        };
        self.set.iter().map(spec).collect()
    }

    /// An event has come: it is the next one that they wait for.
    pub(crate) fn hear(
        &mut self,
        reference: &Reference,
        principals: &[Principal],
        event: &Event,
    ) -> Result<Heard, Violation> {
        if let Some(expected) = self.guessed.pop_front() {
            hold!(
                expected == *event,
                NAME,
                "{event:?} was told by a server that does not remember; {expected:?} is what it can say"
            );
            return Ok(Heard {
                hearing: Hearing::Guessed,
                stays: false,
                below: false,
            });
        }
        let next = self.next(reference, principals, event.zxid);
        let Some((place, it)) = next else {
            let what =
                format!("{event:?} was told, but there is nothing to tell, or it was told before");
            return Err(Violation::new(NAME, what));
        };
        hold!(
            it.event == *event,
            NAME,
            "{event:?} was told, but {:?} is what is to be told next",
            it.event
        );
        let keys = || {
            self.set
                .keys()
                .filter(|(path, kind)| is_waited_for(path, *kind, event))
        };
        let stays_one = keys().any(|(_, kind)| stays(*kind));
        let below = !keys().any(|(path, _)| *path == event.path);
        for kind in KINDS {
            if !stays(kind) && waits(kind, event.kind) {
                self.remove(&event.path, kind);
            }
        }
        let again = place < self.ever;
        self.heard = place + 1;
        self.ever = self.ever.max(self.heard);
        Ok(Heard {
            hearing: if again {
                Hearing::Again
            } else {
                Hearing::First
            },
            stays: stays_one,
            below,
        })
    }

    /// What they tell next, of all up to a transaction.
    fn next<'a>(
        &self,
        reference: &'a Reference,
        principals: &[Principal],
        until: Zxid,
    ) -> Option<(usize, &'a Happened)> {
        if self.set.is_empty() {
            return None;
        }
        let all = reference.events().iter().enumerate().skip(self.heard);
        let mut known = all.take_while(|(_, it)| it.event.zxid <= until);
        known.find(|(_, it)| self.wait_for(&it.event) && may_be_told(it, principals))
    }

    fn wait_for(&self, event: &Event) -> bool {
        let mut keys = self.set.keys();
        keys.any(|(path, kind)| is_waited_for(path, *kind, event))
    }

    /// A message shows the client the state at `zxid`: all that is in it was told.
    pub(crate) fn reveal(
        &mut self,
        reference: &Reference,
        principals: &[Principal],
        zxid: Zxid,
    ) -> Result<(), Violation> {
        hold!(
            self.guessed.is_empty(),
            NAME,
            "a client was shown {zxid} without {:?}, which its server must guess",
            self.guessed
        );
        let next = self.next(reference, principals, zxid);
        hold!(
            next.is_none(),
            NAME,
            "a client was shown {zxid} without {next:?}, which {:?} wait for",
            self.set
        );
        self.heard = self.heard.max(reference.events_up_to(zxid));
        self.ever = self.ever.max(self.heard);
        Ok(())
    }

    /// The client is back with its watches, having heard all up to `last`, at a server that has come to
    /// `now` and remembers all behind `reach`.
    pub(crate) fn return_to(
        &mut self,
        reference: &Reference,
        last: Zxid,
        (now, reach): (Zxid, Zxid),
    ) -> Result<bool, Violation> {
        self.guessed.clear();
        if last >= reach {
            self.heard = reference.events_up_to(last);
            return Ok(true);
        }
        self.heard = reference.events_up_to(now);
        self.guess(reference, last, now)?;
        self.ever = self.ever.max(self.heard);
        Ok(false)
    }

    /// What can be said from the nodes as they are `now`, and which watches that ends.
    fn guess(&mut self, reference: &Reference, last: Zxid, now: Zxid) -> Result<(), Violation> {
        let mut ended = BTreeSet::new();
        let before = reference.events_up_to(last);
        for ((path, kind), absent) in std::mem::take(&mut self.set) {
            let event = match reference.at(&path, now) {
                _ if stays(kind) => Some(EventKind::Resync),
                None if absent => Some(EventKind::Resync),
                Some(_) if absent => Some(EventKind::Created),
                None => Some(EventKind::Deleted),
                Some(seen) if seen.stat.czxid > last => Some(EventKind::Deleted),
                Some(seen) if kind == WatchKind::Data => {
                    (seen.stat.mzxid > last).then_some(EventKind::Changed)
                }
                Some(seen) => (seen.stat.pzxid > last).then_some(EventKind::ChildrenChanged),
            };
            if event.is_none() {
                let mut behind = reference.events().iter().skip(before);
                let missed =
                    behind.find(|it| it.event.zxid <= now && is_waited_for(&path, kind, &it.event));
                hold!(
                    missed.is_none(),
                    NAME,
                    "{missed:?} cannot be seen in the nodes at {now}"
                );
            }
            if event.is_none() || stays(kind) {
                self.set.insert((path.clone(), kind), absent);
            }
            let twice = event == Some(EventKind::Deleted) && !ended.insert(path.clone());
            let event = event.filter(|_| !twice);
            self.guessed.extend(event.map(|event| Event {
                path,
                kind: event,
                zxid: now,
            }));
        }
        Ok(())
    }
}

/// What a watch that begins in the past has to tell at once.
pub(crate) fn missed(
    reference: &Reference,
    principals: &[Principal],
    (path, kind): (&ZnodePath, WatchKind),
    (since, now): (Zxid, Zxid),
) -> Vec<Event> {
    let behind = reference
        .events()
        .iter()
        .skip(reference.events_up_to(since));
    let known = behind.take_while(|it| it.event.zxid <= now);
    let told =
        known.filter(|it| is_waited_for(path, kind, &it.event) && may_be_told(it, principals));
    told.map(|it| it.event.clone()).collect()
}

fn may_be_told(it: &Happened, principals: &[Principal]) -> bool {
    grants(&it.acl, principals, Permissions::READ)
}

/// True if a watch stays when it has told something.
fn stays(kind: WatchKind) -> bool {
    kind == WatchKind::Persistent || kind == WatchKind::Recursive
}

/// True if that kind waits for that of its own node.
fn waits(kind: WatchKind, event: EventKind) -> bool {
    match kind {
        WatchKind::Data => event != EventKind::ChildrenChanged,
        WatchKind::Children => event == EventKind::ChildrenChanged || event == EventKind::Deleted,
        WatchKind::Persistent => true,
        WatchKind::Recursive => event != EventKind::ChildrenChanged,
    }
}

fn is_waited_for(path: &ZnodePath, kind: WatchKind, event: &Event) -> bool {
    waits(kind, event.kind)
        && (*path == event.path || (kind == WatchKind::Recursive && is_within(&event.path, path)))
}

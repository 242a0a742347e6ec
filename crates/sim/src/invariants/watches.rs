//! I29: events come in the order of the changes (Ordered); a watch fires once, at the first change it
//! waits for (Unique), and only for what was watched (Filter); before any message that reveals the
//! change, so that none is lost while the client is connected; and a watch outlives its server: what
//! was missed is told on return (Resumable).

use zareba_model::{Event, EventKind, WatchKind, ZnodePath, Zxid};

use std::collections::BTreeMap;

use crate::reference::Reference;
use crate::violation::{Violation, hold};

const NAME: &str = "watches";

/// A client's watches: where, of which kind, whether the node was absent, and since when.
pub(crate) type Watches = BTreeMap<(ZnodePath, WatchKind), (bool, Zxid)>;

/// An event that has come.
pub(crate) struct Told<'a> {
    pub(crate) event: &'a Event,
    /// The newest state or event that the client was shown before.
    pub(crate) newest: Zxid,
    /// It has happened while the client was connected.
    pub(crate) live: bool,
}

/// An event has come: takes the watches that it ends.
pub(crate) fn fired(
    reference: &Reference,
    watches: &mut Watches,
    told: &Told<'_>,
) -> Result<(), Violation> {
    let event = told.event;
    hold!(
        event.zxid >= told.newest,
        NAME,
        "{event:?} comes behind {}",
        told.newest
    );
    let kinds: &[WatchKind] = match event.kind {
        EventKind::Created | EventKind::Changed => &[WatchKind::Data],
        EventKind::ChildrenChanged => &[WatchKind::Children],
        EventKind::Deleted => &[WatchKind::Data, WatchKind::Children],
    };
    let mut ended = 0;
    for kind in kinds {
        let Some((_, since)) = watches.remove(&(event.path.clone(), *kind)) else {
            continue;
        };
        ended += 1;
        let change = reference.change_between(&event.path, *kind, since, event.zxid);
        hold!(
            change.is_some(),
            NAME,
            "{event:?} was told, but nothing happened since {since}"
        );
        hold!(
            !told.live || change == Some(event.zxid),
            NAME,
            "{event:?} was told, but what was waited for happened at {change:?}"
        );
    }
    hold!(
        ended > 0,
        NAME,
        "{event:?} was told to a client that waits for no such thing"
    );
    Ok(())
}

/// A message shows the client the state at `zxid`: every watch whose change is in it has fired.
pub(crate) fn revealed(
    reference: &Reference,
    watches: &Watches,
    zxid: Zxid,
) -> Result<(), Violation> {
    for ((path, kind), (_, since)) in watches {
        let change = reference.change_between(path, *kind, *since, zxid);
        hold!(
            change.is_none(),
            NAME,
            "a client was shown {zxid} without the event of {change:?} at {path} ({kind:?}), \
             watched since {since}"
        );
    }
    Ok(())
}

/// The client is back with its watches: those that have missed nothing that can be seen in the
/// nodes as they are now wait on from here; the others are to fire before the next reply.
pub(crate) fn armed_again(reference: &Reference, watches: &mut Watches, last: Zxid, now: Zxid) {
    for ((path, kind), (absent, since)) in watches.iter_mut() {
        let missed = match reference.at(path, now) {
            None => !*absent,
            Some(_) if *absent => true,
            Some(seen) => {
                seen.stat.czxid > last
                    || match kind {
                        WatchKind::Data => seen.stat.mzxid > last,
                        WatchKind::Children => seen.stat.pzxid > last,
                    }
            }
        };
        if !missed {
            *since = now;
        }
    }
}

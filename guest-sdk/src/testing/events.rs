//! Events as the kernel makes them, and who wants them. Knows no plugin.

use crate::{Event, Parked, Watch, WatchInfo};

pub(super) fn cancelled(call: Parked) -> Event {
    Event {
        session: call.session,
        call: call.id,
        tag: call.tag,
        ..blank(Watch::CANCELLED)
    }
}

pub(super) fn timer(tag: String) -> Event {
    Event {
        tag,
        ..blank(Watch::TIMER)
    }
}

pub(super) fn changed(path: &str) -> Event {
    Event {
        path: path.to_owned(),
        ..blank(Watch::CHANGED)
    }
}

pub(super) fn deleted(path: &str, session: u64, data: Vec<u8>) -> Event {
    Event {
        path: path.to_owned(),
        session,
        data,
        ..blank(Watch::DELETED)
    }
}

/// Changes of nodes are told to those who asked for them, the rest always.
pub(super) fn is_wanted(event: &Event, watches: &[WatchInfo]) -> bool {
    let of_nodes = Watch::CREATED | Watch::CHANGED | Watch::DELETED;
    let asked =
        |watch: &WatchInfo| watch.kinds & event.kind != 0 && matches(&watch.pattern, &event.path);
    event.kind & of_nodes == 0 || watches.iter().any(asked)
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    for want in pattern.split('/') {
        if want == "**" {
            return true;
        }
        match parts.next() {
            Some(part) if want == "*" || want == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

fn blank(kind: u32) -> Event {
    Event {
        kind,
        path: String::new(),
        session: 0,
        call: 0,
        tag: String::new(),
        data: Vec::new(),
    }
}

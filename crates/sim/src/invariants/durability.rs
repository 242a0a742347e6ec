//! What is said to be durable is durable when it is said, on enough servers, and stays.

use zareba_log::Epochs;
use zareba_model::{Epoch, Zxid};
use zareba_zab::Message;

use std::collections::BTreeMap;

use crate::oracle::Mirror;
use crate::violation::{Violation, hold};

const NAME: &str = "durability";

/// A transaction that is delivered for the first time is durable on a quorum.
pub(crate) fn on_a_quorum(mirrors: &[Mirror], zxid: Zxid) -> Result<(), Violation> {
    let holders = mirrors.iter().filter(|it| it.has_durably(zxid)).count();
    hold!(
        holders > mirrors.len() / 2,
        NAME,
        "{zxid} was delivered while {holders} of {} servers had it durably",
        mirrors.len()
    );
    Ok(())
}

/// A promise or an ack leaves only after what it promises is durable.
pub(crate) fn of_message(
    server: usize,
    mirror: &Mirror,
    message: &Message,
) -> Result<(), Violation> {
    let logged = |zxid: Zxid| mirror.durable >= zxid;
    let holds = match message {
        Message::Ack { zxid, .. } => logged(*zxid),
        Message::AckEpoch { epoch, .. } => mirror.epochs.accepted >= *epoch,
        Message::AckNewLeader {
            epoch, last_zxid, ..
        } => logged(*last_zxid) && mirror.epochs.current >= *epoch,
        _ => true,
    };
    hold!(
        holds,
        NAME,
        "server {server} sends {message:?}, but its disk has {} and {:?}",
        mirror.durable,
        mirror.epochs
    );
    Ok(())
}

/// A group of writes is durable: epochs never go back, and a new current epoch finds the history
/// that it began with.
pub(crate) fn of_epochs(
    server: usize,
    mirror: &Mirror,
    new: Epochs,
    initial: &BTreeMap<Epoch, Zxid>,
) -> Result<(), Violation> {
    let old = mirror.epochs;
    hold!(
        new.accepted >= new.current && new.accepted >= old.accepted && new.current >= old.current,
        NAME,
        "server {server} has the epochs {new:?} on its disk after {old:?}"
    );
    if let Some(history) = initial.get(&new.current)
        && new.current > old.current
    {
        hold!(
            mirror.durable >= *history,
            NAME,
            "server {server} is in {:?} on its disk, whose history ends at {history}, but has {}",
            new.current,
            mirror.durable
        );
    }
    Ok(())
}

/// After a restart everything is there that was durable before.
pub(crate) fn of_restart(
    server: usize,
    before: &Mirror,
    base: Zxid,
    entries: &[zareba_model::Entry],
) -> Result<(), Violation> {
    let mut found = entries.iter().map(|entry| entry.zxid).peekable();
    let kept = before.zxids.iter().filter(|zxid| **zxid <= before.durable);
    for zxid in kept.filter(|zxid| **zxid > base) {
        while found.peek().is_some_and(|it| it < zxid) {
            found.next();
        }
        hold!(
            found.peek() == Some(zxid),
            NAME,
            "server {server} had {zxid} durably and came back without it"
        );
    }
    Ok(())
}

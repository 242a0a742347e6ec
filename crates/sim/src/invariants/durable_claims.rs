//! I16: what a message claims is durable at its sender when it leaves. A vote claims nothing: it is
//! a hint; but it may not name what its sender was never told to write.

use zareba_model::{ServerId, Zxid};
use zareba_zab::Message;

use crate::oracle::Mirror;
use crate::violation::{Violation, hold};

/// A message leaves a server.
pub(crate) fn check(server: usize, mirror: &Mirror, message: &Message) -> Result<(), Violation> {
    let logged = |zxid: Zxid| mirror.durable >= zxid && mirror.holds(zxid);
    let epochs = mirror.epochs;
    let holds = match message {
        Message::Ack { zxid, .. } => logged(*zxid),
        Message::NewEpoch { epoch, .. } => epochs.accepted >= *epoch,
        Message::AckEpoch {
            epoch,
            current_epoch,
            last_zxid,
            ..
        } => epochs.accepted >= *epoch && epochs.current >= *current_epoch && logged(*last_zxid),
        Message::AckNewLeader {
            epoch, last_zxid, ..
        } => logged(*last_zxid) && epochs.current >= *epoch,
        Message::Vote(vote) if vote.candidate.server == ServerId(server as u64 + 1) => {
            mirror.last() >= vote.candidate.last_zxid
        }
        _ => true,
    };
    hold!(
        holds,
        "durable_claims",
        "server {server} sends {message:?}, but its disk has {} and {epochs:?}",
        mirror.durable
    );
    Ok(())
}

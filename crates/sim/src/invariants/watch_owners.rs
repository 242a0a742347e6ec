//! I30: no server holds a session, or a watch of one, that its own tree says is over; and a server
//! that serves has a whole tree.

use zareba_replica::Replica;
use zareba_zab::Role;

use crate::lock_plugin::Plugins;
use crate::violation::{Violation, hold};

const NAME: &str = "watch_owners";

pub(crate) fn check(server: usize, replica: &Replica<Plugins>) -> Result<(), Violation> {
    let tree = replica.tree();
    for session in replica.held_sessions() {
        hold!(
            session.is_local() || tree.session(session).is_some(),
            NAME,
            "server {server} holds {session}, which is over"
        );
    }
    for session in replica.watching_sessions() {
        hold!(
            replica.held_sessions().any(|held| held == session),
            NAME,
            "server {server} keeps watches of {session}, which it does not hold"
        );
    }
    hold!(
        replica.role() == Role::Looking || tree.is_consistent(),
        NAME,
        "server {server} serves a tree that is not whole"
    );
    Ok(())
}

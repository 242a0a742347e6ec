//! A server without a leader begins no session of its own but for who takes what is old, and reads to
//! nobody else. A server's own session is never one of the tree.

use zareba_model::{Answer, Outcome};
use zareba_tree::Tree;
use zareba_wire::{ServerMessage, SessionKind};

use crate::violation::{Violation, hold};

const NAME: &str = "local_sessions";

/// A server tells a client something. True if it has read without a leader.
pub(crate) fn check(
    server: usize,
    (is_led, takes_old): (bool, bool),
    tree: &Tree,
    message: &ServerMessage,
) -> Result<bool, Violation> {
    match message {
        ServerMessage::Welcome(welcome) => {
            let is_local = welcome.kind == SessionKind::Local;
            hold!(
                is_local == welcome.session.is_local()
                    && !(is_local && tree.session(welcome.session).is_some())
                    && (is_led || !is_local || takes_old),
                NAME,
                "server {server} (led: {is_led}) lets in {welcome:?}, which takes what is old: \
                 {takes_old}"
            );
            Ok(false)
        }
        ServerMessage::Reply { answer, .. } if !is_led && is_read(answer) => {
            hold!(
                takes_old,
                NAME,
                "server {server} has no leader and answers {answer:?} to who wants the newest"
            );
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn is_read(answer: &Answer) -> bool {
    matches!(
        answer,
        Ok(Outcome::Got { .. }
            | Outcome::Existence(_)
            | Outcome::Children { .. }
            | Outcome::GotAcl { .. }
            | Outcome::Counted(_)
            | Outcome::Paths { .. }
            | Outcome::MultiRead(_))
    )
}

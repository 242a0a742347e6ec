//! The sample plugin's promise: a lock has one holder, and its tokens rise.

use std::collections::BTreeMap;

use zareba_model::{Effect, SessionId, Txn, ZnodePath, Zxid};

use crate::violation::{Violation, hold};

const NAME: &str = "locks";

/// Where the sample plugin is mounted.
pub(crate) const MOUNT: &str = "/locks";

/// Who holds which lock, with which token.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    held: BTreeMap<ZnodePath, (SessionId, Zxid)>,
    newest: BTreeMap<ZnodePath, Zxid>,
    /// Every grant there ever was.
    granted: BTreeMap<Zxid, Vec<SessionId>>,
}

impl Locks {
    pub(crate) fn check(&mut self, zxid: Zxid, txn: &Txn) -> Result<(), Violation> {
        for effect in &txn.effects {
            match effect {
                Effect::CreateNode {
                    path,
                    lifetime,
                    data,
                    ..
                } if is_lock(path) => {
                    let owner = lifetime.owner();
                    hold!(
                        !path.as_str().contains("nonsense"),
                        NAME,
                        "{path} was staged by a call that failed, and remains at {zxid}"
                    );
                    hold!(
                        data.as_ref() == zxid.to_u64().to_be_bytes(),
                        NAME,
                        "the token of {path} at {zxid} is another one: {data:x?}"
                    );
                    let newest = self.newest.insert(path.clone(), zxid);
                    hold!(
                        newest.is_none_or(|newest| newest < zxid),
                        NAME,
                        "the token of {path} does not rise: {newest:?}, then {zxid}"
                    );
                    let before = self.held.insert(path.clone(), (owner, zxid));
                    hold!(
                        before.is_none(),
                        NAME,
                        "{path} is given to {owner} at {zxid} while {before:?} holds it"
                    );
                    self.granted.entry(zxid).or_default().push(owner);
                }
                Effect::DeleteNode { path } => {
                    self.held.remove(path);
                }
                Effect::SetTimer(timer) => hold!(
                    timer.tag != "nonsense",
                    NAME,
                    "a timer was set by a call that failed, and remains at {zxid}"
                ),
                _ => {}
            }
        }
        Ok(())
    }

    /// True if a lock was given to that session by that transaction.
    pub(crate) fn was_granted(&self, session: SessionId, token: u64) -> bool {
        let owners = self.granted.get(&Zxid::from_u64(token));
        owners.is_some_and(|owners| owners.contains(&session))
    }
}

fn is_lock(path: &ZnodePath) -> bool {
    path.parent_str() == Some(MOUNT)
}

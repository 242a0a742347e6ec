//! Which ensemble is in force here: the newest that this server's log names, committed or not. Knows
//! no link, no phase and no payload; what an entry says of the ensemble it asks the configuration.
//!
//! ```text
//!   bootstrap, tree, snapshot -> base     entries of the log, not delivered -> logged
//!                                 '------------ highest version: in force ------------'
//! ```

use std::collections::VecDeque;

use zareba_model::{Ensemble, Entry, ServerId, Zxid};

/// How an entry is asked whether it changes the ensemble, and to what.
pub(crate) type EnsembleIn = fn(&[u8]) -> Option<Ensemble>;

/// The ensembles that this server knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Membership {
    /// The newest that cannot be taken back.
    base: Ensemble,
    /// Those of the log that may still be truncated.
    logged: VecDeque<(Zxid, Ensemble)>,
}

impl Membership {
    /// Begins with what the configuration says and, if there is any, what the tree says.
    pub(crate) fn new(bootstrap: Ensemble, tree: Option<Ensemble>) -> Self {
        let mut membership = Self {
            base: bootstrap,
            logged: VecDeque::new(),
        };
        membership.replace(tree);
        membership
    }

    /// The ensemble in force.
    pub(crate) fn current(&self) -> &Ensemble {
        let logged = self.logged.iter().map(|(_, ensemble)| ensemble);
        logged.fold(&self.base, |newest, other| {
            if other.version >= newest.version {
                other
            } else {
                newest
            }
        })
    }

    /// Takes note of an entry that is appended; true if it changes the ensemble.
    pub(crate) fn append(&mut self, entry: &Entry, ensemble_in: EnsembleIn) -> bool {
        let Some(ensemble) = ensemble_in(&entry.payload) else {
            return false;
        };
        self.logged.push_back((entry.zxid, ensemble));
        true
    }

    /// Takes back what stood behind `after`; true if there was any.
    pub(crate) fn truncate(&mut self, after: Zxid) -> bool {
        let before = self.logged.len();
        self.logged.retain(|(zxid, _)| *zxid <= after);
        self.logged.len() < before
    }

    /// What is delivered stays.
    pub(crate) fn deliver(&mut self, delivered: Zxid) {
        while let Some((zxid, _)) = self.logged.front()
            && *zxid <= delivered
            && let Some((_, ensemble)) = self.logged.pop_front()
        {
            self.replace(Some(ensemble));
        }
    }

    /// A snapshot has replaced the log. It may be newer than its base, and so may what it says.
    pub(crate) fn install(&mut self, snapshot: Option<Ensemble>) {
        self.logged.clear();
        self.replace(snapshot);
    }

    /// True if that server may be elected, in the ensemble in force or, as long as that is not
    /// delivered, in the one right before it: a server that is to go may be the only one that has
    /// the end of the change in its log. What lies further back is committed.
    pub(crate) fn may_lead(&self, server: ServerId) -> bool {
        let newest_first = self.logged.iter().rev().map(|(_, ensemble)| ensemble);
        let mut last_two = newest_first.chain([&self.base]).take(2);
        last_two.any(|ensemble| ensemble.may_lead(server))
    }

    /// Where the log lets that server go; none if it may lead in the ensemble in force.
    pub(crate) fn lets_go(&self, server: ServerId) -> Option<Zxid> {
        let current = self.current();
        if current.may_lead(server) {
            return None;
        }
        let mut newest_first = self.logged.iter().rev();
        let entry = newest_first.find(|(_, ensemble)| ensemble.version == current.version);
        entry.map(|(zxid, _)| *zxid)
    }

    /// True if the ensemble in force is delivered, and no change is under way.
    pub(crate) fn is_settled(&self) -> bool {
        self.logged.is_empty() && self.base.outgoing.is_none()
    }

    fn replace(&mut self, other: Option<Ensemble>) {
        if let Some(other) = other
            && other.version >= self.base.version
        {
            self.base = other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ensemble(version: u64) -> Ensemble {
        Ensemble {
            version,
            ..Ensemble::of_voters([ServerId(1)])
        }
    }

    fn entry(counter: u32, payload: &'static [u8]) -> Entry {
        Entry {
            zxid: Zxid::new(1, counter),
            payload: bytes::Bytes::from_static(payload),
        }
    }

    fn version_in(payload: &[u8]) -> Option<Ensemble> {
        payload.first().map(|version| ensemble(u64::from(*version)))
    }

    #[test]
    fn an_ensemble_is_in_force_from_its_entry_on_and_truncation_takes_it_back() {
        let mut membership = Membership::new(ensemble(1), Some(ensemble(3)));
        assert_eq!(membership.current().version, 3);
        assert!(!membership.append(&entry(1, b""), version_in));
        assert!(membership.append(&entry(2, &[4]), version_in));
        assert!(membership.append(&entry(4, &[5]), version_in));
        assert_eq!(membership.current().version, 5);
        assert!(membership.truncate(Zxid::new(1, 3)));
        assert!(!membership.truncate(Zxid::new(1, 3)));
        assert_eq!(membership.current().version, 4);
        assert!(!membership.is_settled());
        membership.deliver(Zxid::new(1, 2));
        assert!(membership.is_settled());
        assert!(!membership.truncate(Zxid::ZERO));
        assert_eq!(membership.current().version, 4);
    }

    #[test]
    fn who_is_to_leave_has_nothing_to_offer_behind_the_entry_that_lets_it_go() {
        let with = |version, voters: &[u64]| Ensemble {
            version,
            ..Ensemble::of_voters(voters.iter().copied().map(ServerId))
        };
        let mut membership = Membership::new(with(1, &[1, 2]), None);
        let two = ServerId(2);
        assert_eq!(membership.lets_go(two), None);
        let zxid = Zxid::new(1, 5);
        membership.logged.push_back((zxid, with(2, &[1])));
        assert!(
            membership.may_lead(two),
            "it may be the only one that has that entry"
        );
        assert_eq!(membership.lets_go(two), Some(zxid));
        assert_eq!(membership.lets_go(ServerId(1)), None);
        membership.truncate(Zxid::new(1, 4));
        assert_eq!(membership.lets_go(two), None);
    }

    #[test]
    fn a_snapshot_replaces_what_the_log_said_and_nothing_older_counts() {
        let mut membership = Membership::new(ensemble(2), Some(ensemble(1)));
        assert_eq!(membership.current().version, 2);
        membership.append(&entry(1, &[9]), version_in);
        membership.install(Some(ensemble(7)));
        assert_eq!(membership.current().version, 7);
        membership.install(None);
        assert_eq!(membership.current().version, 7);
    }
}

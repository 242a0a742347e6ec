//! What must hold after every step, asserted. Changes nothing.

use crate::output::Role;
use crate::zab::{State, Zab};

impl Zab {
    /// Asserts what this server alone can know to be wrong. A simulator calls it after every step.
    pub fn check_invariants(&self) {
        let member = &self.member;
        let (history, epochs) = (&member.history, member.epochs);
        history.check();
        assert!(
            epochs.current <= epochs.accepted,
            "the current epoch was never promised"
        );
        assert!(
            history.last().epoch <= epochs.accepted,
            "the log has entries of an epoch never promised"
        );
        let durable = member.writes.log().value();
        assert!(durable <= history.last(), "durable beyond the log's end");
        assert!(
            history.delivered() <= durable,
            "delivered what is not durable"
        );
        match &self.state {
            State::Looking(_) => assert_eq!(self.role(), Role::Looking),
            State::Leading(leading) => leading.check(member),
            State::Following(following) => following.check(member),
        }
    }
}

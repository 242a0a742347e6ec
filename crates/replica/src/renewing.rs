//! Clients that are to know for how long their sessions live: what they have said that the leader has to
//! hear of, and for which of the leader's answers they wait. Knows no message.
//!
//! A server that has lost its leader still hears of clients. If its word were enough for them, the next
//! leader could end their sessions, and give to others what they hold, before they know.

use std::collections::BTreeMap;

use zareba_model::{Attachment, SessionId};

/// What one client is told once the leader has heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Renewal {
    pub(crate) session: SessionId,
    pub(crate) attachment: Attachment,
    /// How many messages had come over its connection.
    pub(crate) heard: u64,
}

/// Questions to the leader that have no answer yet.
#[derive(Debug, Default)]
pub(crate) struct Renewing {
    /// The number of the last one.
    asked: u64,
    waiting: BTreeMap<u64, Vec<Renewal>>,
}

impl Renewing {
    /// The number of the question to ask for these, if there are any.
    pub(crate) fn ask(&mut self, renewals: Vec<Renewal>) -> Option<u64> {
        if renewals.is_empty() {
            return None;
        }
        self.asked += 1;
        self.waiting.insert(self.asked, renewals);
        Some(self.asked)
    }

    /// A question is answered: who is to be told of it. An answer to a question of another reign, which
    /// is forgotten, is nobody's.
    pub(crate) fn answered(&mut self, question: u64) -> Vec<Renewal> {
        self.waiting.remove(&question).unwrap_or_default()
    }

    /// The leader that was asked leads no more.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_for_those_who_asked_in_the_same_reign() {
        let renewal = |heard| Renewal {
            session: SessionId(1),
            attachment: Attachment(1),
            heard,
        };
        let mut renewing = Renewing::default();
        assert_eq!(renewing.ask(Vec::new()), None);
        assert_eq!(renewing.ask(vec![renewal(1)]), Some(1));
        assert_eq!(renewing.ask(vec![renewal(2)]), Some(2));
        assert_eq!(renewing.answered(2), [renewal(2)]);
        renewing.forget();
        assert_eq!(renewing.answered(1), []);
        assert_eq!(renewing.ask(vec![renewal(3)]), Some(3));
        assert_eq!(renewing.answered(3), [renewal(3)]);
        assert_eq!(renewing.answered(3), []);
    }
}

//! Requests that wait for a quorum's word that the leader still leads: a sync, a read that must not be
//! stale. Knows no request, only whose turn comes with which question.
//!
//! One question stands for all requests that came before it was sent, however many they are.

use std::collections::BTreeMap;

use zareba_model::SessionId;

/// Questions to the leader, and who waits for the answers.
#[derive(Debug, Default)]
pub(crate) struct Confirming {
    /// The number of the last question sent.
    asked: u64,
    /// Sessions by the number of the question that their requests wait for.
    waiting: BTreeMap<u64, Vec<SessionId>>,
}

impl Confirming {
    /// A session's request waits for the next question, whose number this is.
    pub(crate) fn wait(&mut self, session: SessionId) -> u64 {
        let next = self.asked + 1;
        self.waiting.entry(next).or_default().push(session);
        next
    }

    /// A session has become another one.
    pub(crate) fn rename(&mut self, from: SessionId, to: SessionId) {
        let all = self.waiting.values_mut().flatten();
        all.filter(|session| **session == from)
            .for_each(|session| *session = to);
    }

    /// The question to be sent now, if anybody waits for it.
    pub(crate) fn ask(&mut self) -> Option<u64> {
        let next = self.asked + 1;
        self.waiting.contains_key(&next).then(|| {
            self.asked = next;
            next
        })
    }

    /// A question is answered, and with it all before it: who has waited for them.
    pub(crate) fn answered(&mut self, question: u64) -> Vec<SessionId> {
        let later = self.waiting.split_off(&(question + 1));
        let mut sessions: Vec<_> = std::mem::replace(&mut self.waiting, later)
            .into_values()
            .flatten()
            .collect();
        sessions.sort_unstable();
        sessions.dedup();
        sessions
    }

    /// There is a new leader: everything that is not answered waits for the next question.
    pub(crate) fn ask_again(&mut self) {
        let all: Vec<_> = std::mem::take(&mut self.waiting)
            .into_values()
            .flatten()
            .collect();
        if !all.is_empty() {
            self.waiting.insert(self.asked + 1, all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SessionId = SessionId(1);
    const TWO: SessionId = SessionId(2);

    #[test]
    fn one_question_stands_for_all_that_came_before_it() {
        let mut confirming = Confirming::default();
        assert_eq!(confirming.ask(), None);
        assert_eq!((confirming.wait(TWO), confirming.wait(ONE)), (1, 1));
        assert_eq!(confirming.ask(), Some(1));
        assert_eq!(confirming.ask(), None);
        // Too late for the first question: what it says may be older than this request.
        assert_eq!(confirming.wait(ONE), 2);
        assert_eq!(confirming.answered(1), [ONE, TWO]);
        assert_eq!(confirming.answered(1), []);
        assert_eq!(confirming.ask(), Some(2));
        assert_eq!(confirming.answered(2), [ONE]);
    }

    #[test]
    fn a_new_leader_is_asked_what_the_old_one_did_not_answer() {
        let mut confirming = Confirming::default();
        confirming.wait(ONE);
        confirming.ask();
        confirming.wait(TWO);
        confirming.ask();
        confirming.ask_again();
        assert_eq!(confirming.answered(2), []);
        assert_eq!(confirming.ask(), Some(3));
        assert_eq!(confirming.answered(3), [ONE, TWO]);
        confirming.ask_again();
        assert_eq!(confirming.ask(), None);
    }
}

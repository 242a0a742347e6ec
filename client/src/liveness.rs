//! What of all that was sent has been answered: only that proves that the servers have heard of this
//! client. Knows no message and no connection.
//!
//! A session lives as long as the servers hear of it. What they say proves nothing of the sort: events
//! may come over a path whose other direction is broken. So the session's time is counted from the
//! sending of the newest message that has an answer, which the servers have had at that moment or later.

use std::collections::VecDeque;

use tokio::time::Instant;
use zareba_model::Xid;

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Liveness {
    answered: Instant,
    /// What the current connection has carried, oldest first.
    batches: VecDeque<Batch>,
    /// Pings without a pong, which come in order.
    pings: VecDeque<Instant>,
}

/// Requests that were sent together.
#[derive(Debug)]
struct Batch {
    first: Xid,
    last: Xid,
    sent: Instant,
}

impl Liveness {
    /// Nothing has been answered before `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            answered: now,
            batches: VecDeque::new(),
            pings: VecDeque::new(),
        }
    }

    /// A server has said welcome over a connection that has carried nothing else yet, which proves that
    /// moment.
    pub(crate) fn entered(&mut self, proved: Instant) {
        self.batches.clear();
        self.pings.clear();
        self.proved(proved);
    }

    /// The servers have heard of the client at that moment or later.
    pub(crate) fn proved(&mut self, moment: Instant) {
        self.answered = self.answered.max(moment);
    }

    /// Requests `first` to `last` are about to be sent.
    pub(crate) fn sent(&mut self, first: Xid, last: Xid, now: Instant) {
        self.batches.push_back(Batch {
            first,
            last,
            sent: now,
        });
    }

    /// A ping is about to be sent.
    pub(crate) fn pinged(&mut self, now: Instant) {
        self.pings.push_back(now);
    }

    /// A request has its answer. Batches before its own prove nothing that it does not.
    pub(crate) fn replied(&mut self, xid: Xid) {
        while self.batches.front().is_some_and(|batch| batch.last < xid) {
            self.batches.pop_front();
        }
        let own = self.batches.front().filter(|batch| batch.first <= xid);
        if let Some(sent) = own.map(|batch| batch.sent) {
            self.proved(sent);
        }
    }

    /// A ping has its pong.
    pub(crate) fn ponged(&mut self) {
        if let Some(sent) = self.pings.pop_front() {
            self.proved(sent);
        }
    }

    /// When the newest message that has been answered was sent.
    pub(crate) fn answered(&self) -> Instant {
        self.answered
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn an_answer_proves_the_moment_in_which_its_own_batch_was_sent() {
        let start = clock::now();
        let at = |second| start + Duration::from_secs(second);
        let mut liveness = Liveness::new(start);
        liveness.sent(Xid(1), Xid(3), at(1));
        liveness.sent(Xid(4), Xid(4), at(2));
        liveness.sent(Xid(5), Xid(9), at(3));
        liveness.replied(Xid(2));
        assert_eq!(liveness.answered(), at(1));
        liveness.replied(Xid(5));
        assert_eq!(liveness.answered(), at(3));
        // A parked call's answer comes late and proves nothing new.
        liveness.replied(Xid(3));
        liveness.replied(Xid(4));
        assert_eq!(liveness.answered(), at(3));
        assert_eq!(liveness.batches.len(), 1);
    }

    #[test]
    fn pongs_belong_to_pings_in_order_and_a_new_connection_begins_anew() {
        let start = clock::now();
        let at = |second| start + Duration::from_secs(second);
        let mut liveness = Liveness::new(start);
        liveness.pinged(at(1));
        liveness.pinged(at(2));
        liveness.ponged();
        assert_eq!(liveness.answered(), at(1));
        liveness.sent(Xid(1), Xid(1), at(3));
        liveness.entered(at(4));
        liveness.ponged();
        liveness.replied(Xid(1));
        assert_eq!(liveness.answered(), at(4));
    }
}

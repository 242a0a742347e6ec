//! What of all that was sent has been answered, and of what the servers' leader has surely heard. Knows no
//! message and no connection.
//!
//! A session lives as long as the leader hears of it. What a server says of itself proves nothing of the
//! sort: events may come over a path whose other direction is broken, and a server that has lost its
//! leader still answers pings and reads. So the session's time is counted from the sending of the newest
//! message that the leader has surely heard of, as the servers say: then it is over here before it is
//! over there.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use zareba_model::Xid;

/// Messages that were sent so close together count as sent with the first of them, which proves less.
const TOGETHER: Duration = Duration::from_millis(5);

/// Beyond so many moments all messages count as sent with the last of these; of a session of one server,
/// which no leader hears of, none is ever proved.
const SAID_MAX: usize = 1024;

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Liveness {
    answered: Instant,
    renewed: Instant,
    /// What the current connection has carried, oldest first.
    batches: VecDeque<Batch>,
    /// Pings without a pong, which come in order.
    pings: VecDeque<Instant>,
    /// How many messages the connection has carried.
    count: u64,
    /// When so many had been sent, oldest first, as far as the leader may not have heard of them.
    said: VecDeque<(u64, Instant)>,
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
            renewed: now,
            batches: VecDeque::new(),
            pings: VecDeque::new(),
            count: 0,
            said: VecDeque::new(),
        }
    }

    /// A server has said welcome over a connection that has carried nothing else yet, which proves that
    /// moment.
    pub(crate) fn entered(&mut self, proved: Instant) {
        self.batches.clear();
        self.pings.clear();
        self.said.clear();
        self.count = 0;
        self.proved(proved);
    }

    /// The leader has heard of the client at that moment or later.
    pub(crate) fn proved(&mut self, moment: Instant) {
        self.is_answered(moment);
        self.renewed = self.renewed.max(moment);
    }

    /// So many requests, from `first` to `last`, are about to be sent.
    pub(crate) fn sent(&mut self, first: Xid, last: Xid, requests: u64, now: Instant) {
        self.batches.push_back(Batch {
            first,
            last,
            sent: now,
        });
        self.says(requests, now);
    }

    /// A ping is about to be sent.
    pub(crate) fn pinged(&mut self, now: Instant) {
        self.pings.push_back(now);
        self.says(1, now);
    }

    fn says(&mut self, messages: u64, now: Instant) {
        self.count += messages;
        let is_full = self.said.len() >= SAID_MAX;
        match self.said.back_mut() {
            Some((count, sent)) if now - *sent < TOGETHER || is_full => *count = self.count,
            _ => self.said.push_back((self.count, now)),
        }
    }

    /// A request has its answer. Batches before its own prove nothing that it does not.
    pub(crate) fn replied(&mut self, xid: Xid) {
        while self.batches.front().is_some_and(|batch| batch.last < xid) {
            self.batches.pop_front();
        }
        let own = self.batches.front().filter(|batch| batch.first <= xid);
        if let Some(sent) = own.map(|batch| batch.sent) {
            self.is_answered(sent);
        }
    }

    /// A ping has its pong.
    pub(crate) fn ponged(&mut self) {
        if let Some(sent) = self.pings.pop_front() {
            self.is_answered(sent);
        }
    }

    /// The leader has heard of the client since the connection had carried so many messages.
    pub(crate) fn renewed(&mut self, heard: u64) {
        while let Some((_, sent)) = self.said.pop_front_if(|(count, _)| *count <= heard) {
            self.proved(sent);
        }
    }

    fn is_answered(&mut self, moment: Instant) {
        self.answered = self.answered.max(moment);
    }

    /// When the newest message that has been answered was sent.
    pub(crate) fn answered(&self) -> Instant {
        self.answered
    }

    /// When the newest message that the leader has surely heard of was sent.
    pub(crate) fn lives_since(&self) -> Instant {
        self.renewed
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
        liveness.sent(Xid(1), Xid(3), 3, at(1));
        liveness.sent(Xid(4), Xid(4), 1, at(2));
        liveness.sent(Xid(5), Xid(9), 5, at(3));
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
        liveness.sent(Xid(1), Xid(1), 1, at(3));
        liveness.entered(at(4));
        liveness.ponged();
        liveness.replied(Xid(1));
        assert_eq!(liveness.answered(), at(4));
    }

    #[test]
    fn the_session_lives_since_what_the_leader_has_heard_of_whatever_a_server_answers() {
        let start = clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut liveness = Liveness::new(start);
        liveness.sent(Xid(1), Xid(3), 3, at(1_000));
        liveness.pinged(at(2_000));
        // Close together, they count as sent with the first.
        liveness.pinged(at(2_004));
        liveness.sent(Xid(4), Xid(4), 1, at(3_000));
        liveness.replied(Xid(4));
        liveness.ponged();
        assert_eq!(liveness.answered(), at(3_000));
        assert_eq!(liveness.lives_since(), start);
        liveness.renewed(2);
        assert_eq!(liveness.lives_since(), start);
        liveness.renewed(4);
        assert_eq!(liveness.lives_since(), at(1_000));
        liveness.renewed(5);
        assert_eq!(liveness.lives_since(), at(2_000));
        liveness.renewed(6);
        assert_eq!(liveness.lives_since(), at(3_000));
        // Over a new connection it is counted anew.
        liveness.entered(at(3_500));
        liveness.pinged(at(4_000));
        assert_eq!(liveness.lives_since(), at(3_500));
        liveness.renewed(1);
        assert_eq!(liveness.lives_since(), at(4_000));
    }
}

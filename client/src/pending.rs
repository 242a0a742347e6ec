//! The session's requests without an answer, by xid, and which of them the current connection
//! has carried. Knows no connection and no time.
//!
//! ```text
//!   stragglers (few, old)      window: first, first+1, ...            next xid
//!   {17: call, 40: call}       [ waiting | answered | waiting | ... ]
//! ```
//!
//! Answers come nearly in order, so that a window indexed by xid is enough; a parked call that
//! waits for long is moved out of it, or the window would grow with every request behind it.
//!
//! Invariant: the window is empty or its first request is waiting; every straggler's xid is below
//! `first`. The lowest waiting xid is therefore the first straggler, or else `first`.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;
use zareba_model::limits::ACKED_EXCEPT_MAX;
use zareba_model::{Acked, Op, Outcome, Write, Xid};

use crate::stream::WatchStream;
use crate::watch::Watch;
use crate::{Error, limits};

/// A request and whom to tell.
#[derive(Debug)]
pub(crate) struct Request {
    /// What was asked; kept to be sent again.
    pub(crate) op: Op,
    /// The caller; it may have gone.
    pub(crate) answer: oneshot::Sender<Result<Reply, Error>>,
    /// True if it took a permit that its answer gives back.
    pub(crate) counted: bool,
}

/// A request's good end.
#[derive(Debug)]
pub(crate) struct Reply {
    /// What the server said.
    pub(crate) outcome: Outcome,
    /// The watch that was left, if one was asked for.
    pub(crate) watch: Option<Watch>,
    /// The watch that stays, if one was asked for.
    pub(crate) stream: Option<WatchStream>,
}

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Pending {
    first: u64,
    window: VecDeque<Option<Request>>,
    stragglers: BTreeMap<u64, Request>,
    /// Requests below this xid are on the current connection.
    unsent: u64,
}

/// An xid that was never given out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownXid;

impl Pending {
    /// No request yet; the first will have xid 1.
    pub(crate) fn new() -> Self {
        Self {
            first: 1,
            window: VecDeque::new(),
            stragglers: BTreeMap::new(),
            unsent: 1,
        }
    }

    /// Requests taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.first - 1 + self.window.len() as u64
    }

    /// Takes a request under the next xid.
    pub(crate) fn push(&mut self, request: Request) {
        self.window.push_back(Some(request));
        while self.window.len() > limits::WINDOW_MAX {
            if let Some(Some(straggler)) = self.window.pop_front() {
                self.stragglers.insert(self.first, straggler);
            }
            self.first += 1;
            self.slide();
        }
    }

    /// The request an answer belongs to; `None` if it has been answered before.
    pub(crate) fn take(&mut self, xid: Xid) -> Result<Option<Request>, UnknownXid> {
        let Some(index) = xid.0.checked_sub(self.first) else {
            return Ok(self.stragglers.remove(&xid.0));
        };
        let index = usize::try_from(index).map_err(|_| UnknownXid)?;
        let request = self.window.get_mut(index).ok_or(UnknownXid)?.take();
        self.slide();
        Ok(request)
    }

    /// What the next request asks that the current connection has not carried.
    pub(crate) fn peek_unsent(&self) -> Option<&Op> {
        let xid = self.unsent_xid()?;
        self.get(xid).map(|request| &request.op)
    }

    /// The next request that the current connection has not carried, which it has after this.
    pub(crate) fn next_unsent(&mut self) -> Option<(Xid, &mut Request)> {
        let xid = self.unsent_xid()?;
        self.unsent = xid + 1;
        let request = match self.place(xid) {
            None => self.stragglers.get_mut(&xid),
            Some(place) => self.window.get_mut(place).and_then(Option::as_mut),
        };
        request.map(|request| (Xid(xid), request))
    }

    fn unsent_xid(&self) -> Option<u64> {
        if self.unsent < self.first
            && let Some((xid, _)) = self.stragglers.range(self.unsent..).next()
        {
            return Some(*xid);
        }
        let start = self.unsent.max(self.first);
        let place = self.place(start)?;
        let unsent = self.window.range(place.min(self.window.len())..);
        let skipped = unsent.take_while(|request| request.is_none()).count();
        let xid = start + skipped as u64;
        self.get(xid).map(|_| xid)
    }

    fn get(&self, xid: u64) -> Option<&Request> {
        match self.place(xid) {
            None => self.stragglers.get(&xid),
            Some(place) => self.window.get(place)?.as_ref(),
        }
    }

    /// Where in the window; `None` for what lies before it.
    fn place(&self, xid: u64) -> Option<usize> {
        usize::try_from(xid.checked_sub(self.first)?).ok()
    }

    /// A new connection has carried nothing yet.
    pub(crate) fn unsend(&mut self) {
        let oldest = self.stragglers.first_key_value();
        self.unsent = oldest.map_or(self.first, |(xid, _)| *xid);
    }

    /// Which requests have their answer: all before the window, except the stragglers, as many as
    /// an acknowledgement can leave out.
    pub(crate) fn acked(&self) -> Acked {
        let beyond = self.stragglers.keys().nth(ACKED_EXCEPT_MAX);
        let stragglers = self.stragglers.keys().take(ACKED_EXCEPT_MAX);
        Acked {
            up_to: Xid(beyond.unwrap_or(&self.first) - 1),
            except: stragglers.map(|xid| Xid(*xid)).collect(),
        }
    }

    /// True if no request waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.window.is_empty() && self.stragglers.is_empty()
    }

    /// True if the session's end is all that is waited for.
    pub(crate) fn is_only_the_end(&self) -> bool {
        let mut waiting = self.stragglers.values().chain(self.window.iter().flatten());
        let is_end = |request: &Request| matches!(request.op, Op::Write(Write::CloseSession));
        waiting.next().is_some_and(is_end) && waiting.next().is_none()
    }

    /// Every waiting request, in xid order; none waits after this.
    pub(crate) fn drain(&mut self) -> Vec<Request> {
        let mut requests: Vec<Request> =
            std::mem::take(&mut self.stragglers).into_values().collect();
        self.first += self.window.len() as u64;
        requests.extend(self.window.drain(..).flatten());
        requests
    }

    fn slide(&mut self) {
        while let Some(None) = self.window.front() {
            self.window.pop_front();
            self.first += 1;
        }
        assert!(
            self.stragglers
                .last_key_value()
                .is_none_or(|(xid, _)| *xid < self.first)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(pending: &mut Pending) {
        let (answer, _) = oneshot::channel();
        let op = Op::Sync;
        pending.push(Request {
            op,
            answer,
            counted: false,
        });
    }

    fn sent(pending: &mut Pending) -> Vec<u64> {
        let mut xids = Vec::new();
        while pending.peek_unsent().is_some() {
            let (xid, _) = pending.next_unsent().unwrap();
            xids.push(xid.0);
        }
        assert!(pending.next_unsent().is_none());
        xids
    }

    #[test]
    fn acked_never_passes_a_request_that_waits() {
        let mut pending = Pending::new();
        (0..4).for_each(|_| push(&mut pending));
        assert_eq!(pending.acked(), Acked::up_to(Xid(0)));
        assert!(pending.take(Xid(2)).unwrap().is_some());
        assert_eq!(pending.acked(), Acked::up_to(Xid(0)));
        assert!(pending.take(Xid(1)).unwrap().is_some());
        assert_eq!(pending.acked(), Acked::up_to(Xid(2)));
        assert!(pending.take(Xid(4)).unwrap().is_some());
        assert_eq!(pending.acked(), Acked::up_to(Xid(2)));
        assert!(pending.take(Xid(3)).unwrap().is_some());
        assert_eq!(pending.acked(), Acked::up_to(Xid(4)));
        assert!(pending.is_empty());
    }

    #[test]
    fn a_second_answer_is_ignored_and_an_unknown_xid_is_not() {
        let mut pending = Pending::new();
        (0..2).for_each(|_| push(&mut pending));
        assert!(pending.take(Xid(2)).unwrap().is_some());
        assert!(pending.take(Xid(2)).unwrap().is_none());
        assert!(pending.take(Xid(1)).unwrap().is_some());
        assert!(pending.take(Xid(1)).unwrap().is_none());
        assert!(matches!(pending.take(Xid(3)), Err(UnknownXid)));
        assert_eq!(pending.taken(), 2);
    }

    #[test]
    fn a_new_connection_carries_all_that_waits_in_order() {
        let mut pending = Pending::new();
        (0..5).for_each(|_| push(&mut pending));
        assert_eq!(sent(&mut pending), [1, 2, 3, 4, 5]);
        assert!(sent(&mut pending).is_empty());
        pending.take(Xid(1)).unwrap();
        pending.take(Xid(3)).unwrap();
        pending.unsend();
        assert_eq!(sent(&mut pending), [2, 4, 5]);
        push(&mut pending);
        assert_eq!(sent(&mut pending), [6]);
    }

    #[test]
    fn a_call_that_waits_for_long_does_not_hold_the_window() {
        let mut pending = Pending::new();
        push(&mut pending);
        for xid in 2..=3 * limits::WINDOW_MAX as u64 {
            push(&mut pending);
            assert!(pending.take(Xid(xid)).unwrap().is_some());
            assert!(pending.window.len() <= limits::WINDOW_MAX);
        }
        let except = vec![Xid(1)];
        let up_to = Xid(pending.first - 1);
        assert_eq!(pending.acked(), Acked { up_to, except });
        push(&mut pending);
        pending.unsend();
        assert_eq!(sent(&mut pending), [1, 3 * limits::WINDOW_MAX as u64 + 1]);
        assert!(pending.take(Xid(1)).unwrap().is_some());
        assert_eq!(
            pending.acked(),
            Acked::up_to(Xid(3 * limits::WINDOW_MAX as u64))
        );
        assert_eq!(pending.drain().len(), 1);
        assert!(pending.is_empty());
    }
}

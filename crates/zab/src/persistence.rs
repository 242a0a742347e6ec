//! Which writes are on their way to the disk and what is durable. Knows no message and no phase.
//!
//! Invariant: a [`Durable`] value can be made here only, of what the disk has reported.

use std::collections::VecDeque;

use zareba_model::{Entry, Epoch, Zxid};

use crate::output::{Output, Persist, Token};

/// A value whose loss the disk has ruled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Durable<T>(T);

impl<T> Durable<T> {
    /// The value.
    pub(crate) fn value(self) -> T {
        self.0
    }
}

/// The two numbers of the epochs page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Epochs {
    /// The newest epoch promised.
    pub(crate) accepted: Epoch,
    /// The newest epoch whose history is held.
    pub(crate) current: Epoch,
}

/// Writes in their order, the durable ones forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Writes {
    last: Token,
    done: Token,
    /// Appends under way: the log's end once they are durable. A truncation lowers them.
    appends: VecDeque<(Token, Zxid)>,
    /// Invariant: never behind the end of the history in memory.
    log: Zxid,
    /// A planted bug: everything is taken for durable.
    careless: bool,
}

impl Writes {
    /// Nothing under way; the log up to `log` is durable.
    pub(crate) fn new(log: Zxid, careless: bool) -> Self {
        Self {
            last: Token(0),
            done: Token(0),
            appends: VecDeque::new(),
            log,
            careless,
        }
    }

    /// Appends to the log.
    pub(crate) fn append(
        &mut self,
        entries: Vec<Entry>,
        committed: Zxid,
        outputs: &mut Vec<Output>,
    ) {
        let Some(end) = entries.last().map(|entry| entry.zxid) else {
            return;
        };
        let token = self.issue(Persist::Append { entries, committed }, outputs);
        self.appends.push_back((token, end));
        if self.careless {
            self.log = end;
        }
    }

    /// Drops the log behind `after`.
    pub(crate) fn truncate(&mut self, after: Zxid, outputs: &mut Vec<Output>) {
        self.issue(Persist::Truncate { after }, outputs);
        self.log = self.log.min(after);
        for (_, end) in &mut self.appends {
            *end = (*end).min(after);
        }
    }

    /// Replaces the epochs page.
    pub(crate) fn epochs(&mut self, epochs: Epochs, outputs: &mut Vec<Output>) -> Token {
        let Epochs { accepted, current } = epochs;
        self.issue(Persist::Epochs { accepted, current }, outputs)
    }

    /// The disk has finished all up to `token`.
    pub(crate) fn on_persisted(&mut self, token: Token) {
        assert!(
            token <= self.last,
            "the disk reports a write never asked for"
        );
        self.done = self.done.max(token);
        while let Some(&(first, end)) = self.appends.front() {
            if first > self.done {
                break;
            }
            self.appends.pop_front();
            self.log = self.log.max(end);
        }
    }

    /// A planted bug: takes that much for durable, whatever was truncated.
    pub(crate) fn claim(&mut self, log: Durable<Zxid>) {
        self.log = log.value();
    }

    /// A snapshot has replaced the log.
    pub(crate) fn on_snapshot(&mut self, base: Zxid) {
        self.appends.clear();
        self.log = base;
    }

    /// The last write asked for; whoever waits for it waits for all.
    pub(crate) fn barrier(&self) -> Token {
        self.last
    }

    /// `value`, once the write `token`, on which it depends, is durable.
    pub(crate) fn once<T>(&self, token: Token, value: T) -> Option<Durable<T>> {
        (self.done >= token || self.careless).then_some(Durable(value))
    }

    /// The durable end of the log.
    pub(crate) fn log(&self) -> Durable<Zxid> {
        Durable(self.log)
    }

    fn issue(&mut self, write: Persist, outputs: &mut Vec<Output>) -> Token {
        self.last = Token(self.last.0 + 1);
        outputs.push(Output::Persist {
            token: self.last,
            write,
        });
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(counter: u32) -> Entry {
        Entry {
            zxid: Zxid::new(1, counter),
            payload: bytes::Bytes::new(),
        }
    }

    #[test]
    fn an_append_is_durable_only_when_the_disk_says_so() {
        let mut writes = Writes::new(Zxid::ZERO, false);
        let mut outputs = Vec::new();
        writes.append(vec![entry(1)], Zxid::ZERO, &mut outputs);
        writes.append(vec![entry(2), entry(3)], Zxid::ZERO, &mut outputs);
        assert_eq!(writes.log().value(), Zxid::ZERO);
        writes.on_persisted(Token(1));
        assert_eq!(writes.log().value(), Zxid::new(1, 1));
        writes.on_persisted(Token(2));
        assert_eq!(writes.log().value(), Zxid::new(1, 3));
    }

    #[test]
    fn an_append_that_was_truncated_meanwhile_counts_up_to_the_cut_only() {
        let mut writes = Writes::new(Zxid::ZERO, false);
        let mut outputs = Vec::new();
        writes.append(vec![entry(1), entry(2)], Zxid::ZERO, &mut outputs);
        writes.truncate(Zxid::new(1, 1), &mut outputs);
        writes.on_persisted(Token(1));
        assert_eq!(writes.log().value(), Zxid::new(1, 1));
    }

    #[test]
    fn what_waits_for_a_write_comes_after_it() {
        let mut writes = Writes::new(Zxid::ZERO, false);
        let token = writes.epochs(Epochs::default(), &mut Vec::new());
        assert!(writes.once(token, ()).is_none());
        writes.on_persisted(token);
        assert!(writes.once(token, ()).is_some());
    }
}

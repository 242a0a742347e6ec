//! Leading, the feed: each follower gets the history from where its own ends, from memory or from the
//! log on disk, at the pace at which it makes it durable. Knows neither how a follower was brought into
//! the stream nor what its acks count for.
//!
//! ```text
//!              sent                  window's base                commit point      log's end
//!  ... ---------]--- read from disk ------]---- sent from memory ------]--- voters only ---]
//! ```
//!
//! A voter gets everything (`Propose`), an observer what is committed (`Inform`). Followers that were
//! sent the same get the same message, so that in calm weather each flush makes one for all. What is
//! not acked is bounded ([`crate::Config::feed_bytes_max`]), so that a slow follower costs no memory
//! here and pings never wait behind more than that.

use std::collections::{BTreeMap, BTreeSet};

use zareba_model::{Entry, ServerId, Zxid};

use super::Leading;
use crate::config::{Bug, Config};
use crate::input::LogRead;
use crate::learner_progress::{Reading, Step};
use crate::member::{Member, send_all};
use crate::message::Message;
use crate::output::Output;

/// What an entry costs beside its payload, roughly, so that empty ones have a limit too.
const ENTRY_BYTES: usize = 32;

/// Followers that get the same: what they were sent, and whether they are told only what is committed.
type Place = (Zxid, bool);

impl Leading {
    /// Sends every follower what it lacks, as far as it has room.
    pub(super) fn feed(&mut self, member: &Member, outputs: &mut Vec<Output>) {
        let room = member.config.feed_bytes_max;
        while let Some(place) = self.hungriest(member) {
            let to: Vec<ServerId> = self.at_place(member, place, room);
            let (after, only_committed) = place;
            if !member.history.reaches(after) {
                self.read_log(member, to, outputs);
                continue;
            }
            let committed = member.history.committed();
            let known = member.history.behind(after);
            let wanted = known.take_while(|it| !only_committed || it.zxid <= committed);
            let mut entries = cut(&member.config, wanted);
            if member.config.has_bug(Bug::SyncedMissingFromWindow) {
                leave_out(&mut entries, &member.undone.unlisted);
            }
            self.send_entries(member, to, place, entries, outputs);
        }
    }

    /// The log on disk has been read for a follower that is still there and still wants it.
    pub(crate) fn on_log_read(
        &mut self,
        member: &Member,
        to: ServerId,
        (after, result): (Zxid, LogRead),
        outputs: &mut Vec<Output>,
    ) {
        let Some(learner) = self.learners.get_mut(&to) else {
            return;
        };
        let Some(reading) = learner.reading.take_if(|reading| reading.after == after) else {
            return;
        };
        let (floor, mut entries) = match result {
            LogRead::Entries { floor, entries } => (floor, entries),
            LogRead::Gone if learner.in_stream() => {
                // What it is to get next is nowhere any more; it knocks again and gets a snapshot.
                return self.send_away(to, outputs);
            }
            LogRead::Gone => return self.begin_with_snapshot(member, to, outputs),
        };
        entries.retain(|entry| entry.zxid <= reading.upto);
        assert_log_read(after, floor, &entries);
        if learner.in_stream() {
            assert_eq!(
                floor, after,
                "the log on disk lacks {after}, which was sent"
            );
        } else {
            self.begin_behind(to, floor, outputs);
        }
        let only_committed = !member.ensemble().is_voter(to);
        let (mut rest, mut after) = (entries.as_slice(), floor);
        while let Some(last) = rest.last() {
            let chunk = cut(&member.config, rest.iter());
            let end = chunk.last().map_or(last.zxid, |entry| entry.zxid);
            rest = rest.get(chunk.len()..).unwrap_or_default();
            self.send_entries(member, vec![to], (after, only_committed), chunk, outputs);
            after = end;
        }
    }

    /// Asks for what is below the window in memory.
    pub(super) fn read_log(
        &mut self,
        member: &Member,
        to: Vec<ServerId>,
        outputs: &mut Vec<Output>,
    ) {
        for server in to {
            let Some(learner) = self.learners.get_mut(&server) else {
                continue;
            };
            let in_stream = learner.in_stream();
            let after = if in_stream {
                learner.sent
            } else {
                learner.last_zxid
            };
            let upto = member.history.base();
            learner.reading = Some(Reading { after, upto });
            outputs.push(Output::ReadLog {
                to: server,
                after,
                upto,
                bytes_max: member.config.batch_bytes_max,
            });
        }
    }

    /// Tells followers what is committed of what they were sent, if they do not know.
    pub(super) fn announce_commits(&mut self, member: &Member, outputs: &mut Vec<Output>) {
        let committed = member.history.committed();
        let mut groups: BTreeMap<Zxid, Vec<ServerId>> = BTreeMap::new();
        for (server, learner) in &mut self.learners {
            let known = committed.min(learner.sent);
            if learner.in_stream() && learner.told < known {
                learner.told = known;
                groups.entry(known).or_default().push(*server);
            }
        }
        let epoch = self.epoch;
        for (zxid, to) in groups {
            send_all(to, Message::Commit { epoch, zxid }, outputs);
        }
    }

    /// Pings everybody that has been told the epoch, each with a commit point that it can know.
    pub(super) fn ping(&mut self, member: &Member, outputs: &mut Vec<Output>) {
        self.pinged_at = member.now;
        self.ping_wanted = false;
        self.round += 1;
        let mut groups: BTreeMap<Zxid, Vec<ServerId>> = BTreeMap::new();
        for (server, learner) in &self.learners {
            if learner.step >= Step::Promising {
                let known = member.history.committed().min(learner.sent);
                groups.entry(known).or_default().push(*server);
            }
        }
        for (committed, to) in groups {
            let message = Message::Ping {
                epoch: self.epoch,
                number: self.round,
                committed,
            };
            send_all(to, message, outputs);
        }
    }

    /// Where those stand who lack most, of all that lack something and have room.
    fn hungriest(&self, member: &Member) -> Option<Place> {
        let (last, committed) = (member.history.last(), member.history.committed());
        let room = member.config.feed_bytes_max;
        let hungry = self.learners.iter().filter_map(|(server, learner)| {
            if !learner.has_room(room) {
                return None;
            }
            let only_committed = !member.ensemble().is_voter(*server);
            let end = if only_committed { committed } else { last };
            (learner.sent < end).then_some((learner.sent, only_committed))
        });
        hungry.min()
    }

    fn at_place(
        &self,
        member: &Member,
        (sent, only_committed): Place,
        room: usize,
    ) -> Vec<ServerId> {
        let there = self.learners.iter().filter(|(server, learner)| {
            let is_observer = || !member.ensemble().is_voter(**server);
            learner.sent == sent && learner.has_room(room) && is_observer() == only_committed
        });
        there.map(|(server, _)| *server).collect()
    }

    fn send_entries(
        &mut self,
        member: &Member,
        to: Vec<ServerId>,
        (after, only_committed): Place,
        entries: Vec<Entry>,
        outputs: &mut Vec<Output>,
    ) {
        let Some(end) = entries.last().map(|entry| entry.zxid) else {
            return;
        };
        // No message names a commit point beyond its own end, which the follower could not know.
        let committed = member.history.committed().min(end);
        let bytes = entries.iter().map(cost).sum();
        for server in &to {
            if let Some(learner) = self.learners.get_mut(server) {
                learner.send(end, bytes, committed);
            }
        }
        let epoch = self.epoch;
        let message = if only_committed {
            Message::Inform {
                epoch,
                after,
                entries,
            }
        } else {
            Message::Propose {
                epoch,
                after,
                entries,
                committed,
            }
        };
        send_all(to, message, outputs);
    }
}

/// The first of these entries, as many as one message may hold, and at least one.
fn cut<'a>(config: &Config, entries: impl Iterator<Item = &'a Entry>) -> Vec<Entry> {
    let mut bytes = 0;
    let fits = |entry: &&Entry| {
        let first = bytes == 0;
        bytes += cost(entry);
        first || bytes <= config.batch_bytes_max
    };
    let entries = entries.take(config.batch_entries_max.max(1));
    entries.take_while(fits).cloned().collect()
}

/// What the planted bug does: unless nothing would be left, and nothing sent.
fn leave_out(entries: &mut Vec<Entry>, unlisted: &BTreeSet<Zxid>) {
    let is_listed = |entry: &Entry| !unlisted.contains(&entry.zxid);
    if entries.iter().any(is_listed) {
        entries.retain(is_listed);
    }
}

fn cost(entry: &Entry) -> usize {
    entry.payload.len() + ENTRY_BYTES
}

/// A reader of our own log that leaves something out would be believed by the follower.
fn assert_log_read(after: Zxid, floor: Zxid, entries: &[Entry]) {
    assert!(
        floor <= after,
        "{floor} was read as the last id up to {after}"
    );
    assert!(!entries.is_empty(), "nothing was read behind {after}");
    let mut last = floor;
    for entry in entries {
        assert!(
            entry.zxid > after,
            "{} was read as behind {after}",
            entry.zxid
        );
        assert!(
            entry.zxid.follows(last),
            "{} was read behind {last}",
            entry.zxid
        );
        last = entry.zxid;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(counter: u32) -> Entry {
        Entry {
            zxid: Zxid::new(1, counter),
            payload: bytes::Bytes::from_static(b"1234"),
        }
    }

    #[test]
    fn a_message_keeps_its_limits_and_holds_at_least_one_entry() {
        let mut config = Config::new(ServerId(1), [ServerId(1)]);
        let entries: Vec<Entry> = (1..=5).map(entry).collect();
        assert_eq!(cut(&config, entries.iter()).len(), 5);
        config.batch_entries_max = 2;
        assert_eq!(cut(&config, entries.iter()).len(), 2);
        config.batch_entries_max = 9;
        config.batch_bytes_max = 3 * (ENTRY_BYTES + 4);
        assert_eq!(cut(&config, entries.iter()).len(), 3);
        config.batch_bytes_max = 1;
        assert_eq!(cut(&config, entries.iter()), vec![entry(1)]);
    }

    #[test]
    #[should_panic(expected = "was read behind")]
    fn a_hole_in_what_was_read_stops_the_server() {
        assert_log_read(Zxid::new(1, 1), Zxid::new(1, 1), &[entry(2), entry(4)]);
    }
}

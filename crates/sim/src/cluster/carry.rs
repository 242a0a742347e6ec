//! Carries out what a server wants, in order; the power may go between any two outputs.

use zareba_model::{Epoch, Relay, Zxid};
use zareba_replica::{ImageWrite, Input, Output};
use zareba_zab::{Message, Persist, Role};

use super::power::End;
use super::{Cluster, Event, id_of, place_of};
use crate::disk::Job;
use crate::invariants;
use crate::marks::Mark;
use crate::violation::Violation;

impl Cluster {
    /// Notes what a server has decided, before anything that rests on it is judged.
    pub(super) fn judge_output(&mut self, server: usize, output: &Output) -> Result<(), Violation> {
        match output {
            Output::Persist { write, .. } => self.judge_write(server, write),
            Output::SendZab {
                message:
                    Message::NewLeader {
                        epoch, last_zxid, ..
                    },
                ..
            } => self.oracle.begins_to_lead(server, *epoch, *last_zxid),
            // The history is chosen, though it may be long until all of it is sent.
            Output::SendZab {
                message:
                    Message::Diff { epoch, .. }
                    | Message::Trunc { epoch, .. }
                    | Message::Snap { epoch, .. },
                ..
            } => self.oracle.synchronizes(server, *epoch),
            Output::Role(Role::Leading { epoch }) => {
                let last_zxid = self.oracle.mirror(server)?.last();
                self.oracle.begins_to_lead(server, *epoch, last_zxid)
            }
            _ => Ok(()),
        }
    }

    fn judge_write(&mut self, server: usize, write: &Persist) -> Result<(), Violation> {
        let Some(it) = self.servers.get_mut(server) else {
            return Ok(());
        };
        let now = it.clock.read(self.now).monotonic.0;
        let Some(replica) = &it.replica else {
            return Ok(());
        };
        self.oracle
            .writes(server, write, replica.tree().applied())?;
        let (Persist::Append { entries, .. }, Role::Leading { .. }) = (write, replica.role())
        else {
            return Ok(());
        };
        for entry in entries {
            if let Ok(txn) = zareba_wire::decode_txn(&entry.payload) {
                it.heard.proposes(&self.oracle.tree, &txn, now)?;
            }
        }
        let last = entries.last().map_or(0, |entry| entry.zxid.counter);
        let used_up = last == self.config.counter_max;
        self.oracle.marks.reach_if(used_up, Mark::CounterUsedUp);
        Ok(())
    }

    pub(super) fn carry_out(
        &mut self,
        server: usize,
        outputs: Vec<Output>,
    ) -> Result<(), Violation> {
        let it = self.server(server);
        let mut left = it.dies_after.take();
        if it.dies_cutting
            && let Some(cut) = outputs.iter().position(is_cut)
        {
            left = Some(cut as u64 + 1);
        }
        let any = !outputs.is_empty();
        for output in outputs {
            if left == Some(0) {
                self.oracle.marks.reach(Mark::CutAmidOutputs);
                self.end(server, End::PowerCut);
                return Ok(());
            }
            left = left.map(|left| left - 1);
            self.trace.output(self.now, server, &output);
            self.carry_out_one(server, output)?;
            if self.server(server).retired {
                return Ok(());
            }
        }
        // Not a batch without outputs: there is nothing to be amid.
        match left {
            Some(_) if any => self.end(server, End::PowerCut),
            left => self.server(server).dies_after = left,
        }
        Ok(())
    }

    fn carry_out_one(&mut self, server: usize, output: Output) -> Result<(), Violation> {
        match output {
            Output::Send {
                connection,
                message,
            } => self.tell_client(connection, message)?,
            Output::Close { connection } => self.close(connection),
            Output::SendZab { to, message } => {
                let places = to.iter().map(|to| place_of(*to));
                self.oracle.sends(server, places, &message)?;
                invariants::caps::of_message(server, &message, self.config.batch_entries)?;
                self.note_message(&message);
                for to in to {
                    let from = id_of(server);
                    let message = message.clone();
                    self.send(server, place_of(to), Input::Zab { from, message });
                }
            }
            Output::SendRelay { to, relay } => {
                let (from, ends) = (id_of(server), (server, place_of(to)));
                if let Relay::SnapshotChunk { sequence: 0, .. } = relay {
                    let is_voter = self.oracle.ensemble.is_voter(to);
                    self.oracle.marks.reach_if(!is_voter, Mark::SnapToObserver);
                }
                self.streams
                    .check(ends, &relay, self.config.snapshot_window)?;
                self.send(server, place_of(to), Input::Relay { from, relay });
            }
            Output::Persist { token, write } => {
                self.push_job(server, Job::Persist { token, write });
            }
            Output::Image(write) => {
                let marks = &self.oracle.marks;
                match write {
                    ImageWrite::Finish { start, .. } => {
                        marks.reach(Mark::Checkpoint);
                        marks.reach_if(start > Zxid::ZERO, Mark::Purged);
                    }
                    ImageWrite::AbandonInstall => marks.reach(Mark::SnapshotAbandoned),
                    _ => {}
                }
                self.push_job(server, Job::Image(write));
            }
            Output::ReadLog {
                to,
                after,
                upto,
                bytes_max,
                worth_max,
            } => self.push_job(
                server,
                Job::Read {
                    to,
                    after,
                    upto,
                    bytes_max,
                    worth_max,
                },
            ),
            Output::Compile { sha256, pieces } => {
                let at = self.now + self.dice.below(50_000);
                let boot = self.server(server).boot;
                let event = Event::Compiled(server, boot, sha256, pieces.concat());
                self.schedule.at(at, event);
            }
            Output::Role(role) => self.takes_role(server, role)?,
            Output::Ensemble(ensemble) => self.follow_ensemble(server, ensemble),
            Output::Removed { .. } => self.leaves(server)?,
            Output::PluginLog { .. } | Output::Audit(_) | Output::QuotaPassed { .. } => {}
        }
        Ok(())
    }

    /// What a server says of soft limits that were passed by what it has just applied.
    pub(super) fn judge_warnings(
        &mut self,
        server: usize,
        between: (Zxid, Zxid),
        outputs: &[Output],
    ) -> Result<(), Violation> {
        let was = self.server(server).role;
        let changes = outputs.iter().any(|it| matches!(it, Output::Role(_)));
        let leads = (!changes).then_some(matches!(was, Role::Leading { .. }));
        let reference = &self.oracle.reference;
        let told = invariants::quotas::of_warnings(reference, server, between, leads, outputs)?;
        self.oracle
            .marks
            .reach_if(!told.is_empty(), Mark::QuotaWarned);
        invariants::quotas::of_first(&mut self.oracle.warned, &told)
    }

    fn note_message(&self, message: &Message) {
        self.oracle.marks.reach(match message {
            Message::Diff { .. } => Mark::Diff,
            Message::Trunc { .. } => Mark::Trunc,
            Message::Snap { .. } => Mark::Snap,
            _ => return,
        });
    }

    fn send(&mut self, from: usize, to: usize, input: Input) {
        if let Some((passage, at)) = self.network.send(from, to, self.now, &mut self.dice) {
            self.schedule
                .at(at, Event::Arrive(passage, Box::new(input)));
        }
    }

    fn takes_role(&mut self, server: usize, role: Role) -> Result<(), Violation> {
        self.server(server).role = role;
        match role {
            Role::Looking => {}
            Role::Following { .. } => {
                if std::mem::take(&mut self.server(server).damaged) {
                    self.push_job(server, Job::ClearDamage);
                }
            }
            Role::Leading { epoch } => self.takes_the_lead(server, epoch)?,
        }
        Ok(())
    }

    fn takes_the_lead(&mut self, server: usize, epoch: Epoch) -> Result<(), Violation> {
        self.counts.reigns += 1;
        let before = self.oracle.established.newest();
        self.oracle.established.check(server, epoch)?;
        // A server that stood still may learn of its old reign when others have long followed newer ones:
        // that is no new one.
        if before.is_none_or(|(newest, _)| newest <= epoch) {
            let (ensemble, earlier) = (&self.oracle.ensemble, self.oracle.ensemble_before());
            invariants::removed_servers::of_leader(ensemble, earlier, id_of(server))?;
        }
        let changing = self.oracle.in_force().any(|it| it.outgoing.is_some());
        self.oracle.marks.reach_if(changing, Mark::JointElection);
        let again = before.is_some_and(|(_, leader)| leader == server);
        self.oracle.marks.reach_if(again, Mark::Reelected);
        let others = self.servers.iter().filter_map(|it| it.replica.as_ref());
        let leading = others.filter(|it| matches!(it.role(), Role::Leading { .. }));
        let two = leading.count() > 1;
        self.oracle.marks.reach_if(two, Mark::TwoLeaders);
        let now = self.now;
        let it = self.server(server);
        let now = it.clock.read(now).monotonic.0;
        it.heard.reign_begins(now);
        Ok(())
    }
}

/// True if it begins a synchronization that cuts a follower's log.
fn is_cut(output: &Output) -> bool {
    matches!(
        output,
        Output::SendZab {
            message: Message::Trunc { .. },
            ..
        }
    )
}

//! Carries out what a server wants, in order; the power may go between any two outputs.

use zareba_model::Epoch;
use zareba_replica::{ImageWrite, Input, Output};
use zareba_zab::{Message, Persist, Role};

use super::{Cluster, Event, id_of, place_of};
use crate::disk::Job;
use crate::invariants;
use crate::violation::Violation;

impl Cluster {
    /// Notes what a server is told to write, before anything that rests on it is judged.
    pub(super) fn judge_write(&mut self, server: usize, write: &Persist) -> Result<(), Violation> {
        self.oracle.writes(server, write)?;
        let Persist::Append { entries, .. } = write else {
            return Ok(());
        };
        let Some(it) = self.servers.get(server) else {
            return Ok(());
        };
        let leads = it
            .replica
            .as_ref()
            .is_some_and(|replica| matches!(replica.role(), Role::Leading { .. }));
        if !leads {
            return Ok(());
        }
        let now = it.clock.read(self.now).monotonic.0;
        for entry in entries {
            if let Ok(txn) = zareba_wire::decode_txn(&entry.payload) {
                it.heard.proposes(&self.oracle.tree, &txn, now)?;
            }
        }
        Ok(())
    }

    pub(super) fn carry_out(
        &mut self,
        server: usize,
        outputs: Vec<Output>,
    ) -> Result<(), Violation> {
        let mut left = self.server(server).dies_after.take();
        for output in outputs {
            if left == Some(0) {
                self.counts.mid_batch += 1;
                self.crash(server);
                return Ok(());
            }
            left = left.map(|left| left - 1);
            self.trace.output(self.now, server, &output);
            self.carry_out_one(server, output)?;
        }
        if left.is_some() {
            self.crash(server);
        }
        Ok(())
    }

    fn carry_out_one(&mut self, server: usize, output: Output) -> Result<(), Violation> {
        match output {
            Output::Send {
                connection,
                message,
            } => self.tell_client(connection, message),
            Output::Close { connection } => self.close(connection),
            Output::SendZab { to, message } => {
                let mirror = self.oracle.mirror(server)?;
                invariants::durability::of_message(server, mirror, &message)?;
                self.note_history(&message);
                for to in to {
                    let from = id_of(server);
                    let message = message.clone();
                    self.send(server, place_of(to), Input::Zab { from, message });
                }
            }
            Output::SendRelay { to, relay } => {
                let from = id_of(server);
                self.send(server, place_of(to), Input::Relay { from, relay });
            }
            Output::Persist { token, write } => {
                self.push_job(server, Job::Persist { token, write });
            }
            Output::Image(write) => {
                if matches!(write, ImageWrite::Finish { .. }) {
                    self.counts.checkpoints += 1;
                }
                self.push_job(server, Job::Image(write));
            }
            Output::Compile { sha256, pieces } => {
                let at = self.now + self.dice.below(50_000);
                let boot = self.server(server).boot;
                let event = Event::Compiled(server, boot, sha256, pieces.concat());
                self.schedule.at(at, event);
            }
            Output::Role(role) => self.takes_role(server, role)?,
            Output::PluginLog { .. } => {}
        }
        Ok(())
    }

    fn note_history(&mut self, message: &Message) {
        if let Message::NewLeader {
            epoch, last_zxid, ..
        } = message
        {
            // Later followers are told a later end; the first is what founds the epoch.
            self.oracle.initial.entry(*epoch).or_insert(*last_zxid);
        }
    }

    fn send(&mut self, from: usize, to: usize, input: Input) {
        if let Some((passage, at)) = self.network.send(from, to, self.now, &mut self.dice) {
            self.schedule
                .at(at, Event::Arrive(passage, Box::new(input)));
        }
    }

    fn takes_role(&mut self, server: usize, role: Role) -> Result<(), Violation> {
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
        invariants::leadership::establish(&mut self.oracle.leaders, server, epoch)?;
        let (applied, committed) = (self.oracle.mirror(server)?.applied, self.committed());
        invariants::leadership::complete(server, epoch, applied, committed)?;
        let now = self.now;
        let it = self.server(server);
        let now = it.clock.read(now).monotonic.0;
        it.heard.reign_begins(now);
        Ok(())
    }
}

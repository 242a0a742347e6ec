//! The end of a run: faults stop, clients wind up, and everything must come to rest in time.

use zareba_zab::Role;

use super::{Cluster, Event, place_of};
use crate::fault::Fault;
use crate::invariants::{Missing, completion, convergence, ephemerals, lifetimes};
use crate::violation::Violation;

const INSPECT_US: u64 = 50_000;

impl Cluster {
    pub(super) fn heal(&mut self) {
        self.healed = true;
        self.network.heal();
        let now = self.now;
        for server in &mut self.servers {
            // When it stood still last is still to be seen.
            server.paused_until = server.paused_until.min(now);
            server.slow_disk_until = 0;
            server.disk_spike_us = 0;
            server.dies_cutting = false;
            server.full_disk_until = 0;
            server.storage.set_full(false);
        }
        // Some clients go without a word.
        for client in &mut self.clients {
            if self.dice.percent(20) {
                client.die();
            }
        }
        self.schedule.at(self.now + INSPECT_US, Event::Inspect);
    }

    pub(super) fn inspect(&mut self) -> Result<(), Violation> {
        if self.is_stranded() {
            self.counts.stranded += 1;
            self.done = true;
            return Ok(());
        }
        self.judge_election()?;
        let missing = self.missing();
        if missing.is_nothing() {
            self.done = true;
            return ephemerals::check_all(&self.oracle.tree, &self.oracle.reference);
        }
        if self.now > self.config.run_us + self.config.settle_us {
            return Err(missing.too_late());
        }
        self.schedule.at(self.now + INSPECT_US, Event::Inspect);
        Ok(())
    }

    /// True if all servers are up, but those that may vote are no quorum, because disks were destroyed
    /// and a power cut has struck others amid their refill: nobody can lead until an operator comes.
    fn is_stranded(&self) -> bool {
        let members = self.members();
        let replica_of = |place: &usize| self.servers.get(*place).map(|it| it.replica.as_ref());
        let replicas = || members.iter().filter_map(replica_of);
        let votes = |place: usize| {
            let replica = self.servers.get(place).and_then(|it| it.replica.as_ref());
            replica.is_some_and(|it| it.broadcast().may_vote())
        };
        let led = replicas().flatten().any(|it| it.role() != Role::Looking);
        // A change that began before its leader noticed counts for those who have it in their logs.
        let mut in_force = self.oracle.in_force();
        let destroyed = [Fault::Wipe, Fault::BitFlip, Fault::RottenImage];
        let destroyed = destroyed.into_iter().map(|it| self.counts.of_fault(it));
        destroyed.sum::<u64>() > 0
            && !led
            && replicas().all(|it| it.is_some())
            && !in_force.all(|ensemble| ensemble.is_quorum(|id| votes(place_of(id))))
    }

    fn judge_election(&mut self) -> Result<(), Violation> {
        let members = self.members();
        let mut servers = members.iter().filter_map(|place| self.servers.get(*place));
        let up = servers.all(|it| it.replica.is_some() && it.held_up_until <= self.now);
        let mut replicas = self.servers.iter().filter_map(|it| it.replica.as_ref());
        let led = replicas.any(|it| matches!(it.role(), Role::Leading { .. }));
        let silence_us = 400_000;
        self.election.check(self.now, (up, led), silence_us)
    }

    fn missing(&self) -> Missing {
        let mut missing = Missing::default();
        let members = self.members();
        let replicas = members.iter().map(|place| {
            let it = self.servers.get(*place);
            (*place, it.and_then(|it| it.replica.as_ref()))
        });
        convergence::check(&mut missing, replicas, self.committed());
        let sessions = self.oracle.tree.session_count();
        completion::check(&mut missing, &self.clients, sessions);
        let is_settled = self.oracle.ensemble.outgoing.is_none();
        completion::of_change(&mut missing, is_settled);
        lifetimes::all_ended(&mut missing, &self.oracle.reference);
        missing
    }
}

//! The end of a run: faults stop, clients wind up, and everything must come to rest in time.

use zareba_zab::Role;

use super::{Cluster, Event, same};
use crate::invariants::liveness::Missing;
use crate::violation::Violation;

const INSPECT_US: u64 = 50_000;

impl Cluster {
    pub(super) fn heal(&mut self) {
        self.healed = true;
        self.network.heal();
        for server in &mut self.servers {
            server.paused_until = 0;
            server.slow_disk_until = 0;
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
        let missing = self.missing();
        if missing.is_nothing() {
            self.done = true;
            for client in &self.clients {
                self.counts.answers += client.answered;
            }
            return Ok(());
        }
        if self.now > self.config.run_us + self.config.settle_us {
            return Err(missing.too_late());
        }
        self.schedule.at(self.now + INSPECT_US, Event::Inspect);
        Ok(())
    }

    fn missing(&self) -> Missing {
        let mut missing = Missing::default();
        let replicas = || self.servers.iter().filter_map(|it| it.replica.as_ref());
        missing.unless(replicas().count() == self.servers.len(), || {
            "not all servers are up".to_owned()
        });
        let leaders = replicas().filter(|it| matches!(it.role(), Role::Leading { .. }));
        let leading = leaders.count();
        missing.unless(leading == 1, || format!("{leading} servers lead"));
        missing.unless(replicas().all(|it| it.role() != Role::Looking), || {
            "some server is looking".to_owned()
        });
        let state = || replicas().map(|it| (it.tree().applied(), it.tree().digest()));
        missing.unless(same(state()), || {
            format!("servers differ: {:x?}", state().collect::<Vec<_>>())
        });
        missing.unless(
            replicas().all(|it| it.tree().applied() == self.committed()),
            || format!("{} was delivered once", self.committed()),
        );
        for (place, client) in self.clients.iter().enumerate() {
            missing.unless(client.is_over(), || {
                format!("client {place} is not done: {}", client.waits_for())
            });
        }
        let sessions = self.oracle.tree.session_count();
        missing.unless(sessions == 0, || format!("{sessions} sessions live on"));
        missing
    }
}

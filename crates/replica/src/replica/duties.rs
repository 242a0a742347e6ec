//! What a leader's clock demands: expired sessions, parked calls whose time is over, timers that
//! ring, events to be tried again.

use zareba_model::Cause;
use zareba_model::limits::PROPOSALS_OUTSTANDING_MAX;

use super::Replica;
use crate::bug::Bug;
use crate::output::Output;
use crate::plugin::PluginRuntime;
use crate::prepare::Prepare;

/// A failed event is tried again after this, doubled with each failure, milliseconds.
const RETRY_MS: u64 = 100;

/// A leader whose clock ticks come so late has stood still, milliseconds.
const STALL_MS: u64 = 100;

/// Empty containers that are looked at together.
const CONTAINERS_MAX: usize = 10_000;

/// Timers, timeouts, ends of nodes and retries taken in one tick; the rest comes with the next.
const CLOCK_WORK_MAX: usize = 1_000;

impl<P: PluginRuntime> Replica<P> {
    /// Expired sessions, parked calls whose time is over, timers, retries.
    pub(super) fn lead_by_the_clock(&mut self, outputs: &mut Vec<Output>) {
        if let Some(leading) = &mut self.leading {
            let late = self.now.monotonic.0.saturating_sub(leading.ticked.0);
            let blames = self.config.has_bug(Bug::StallCountsAsSilence)
                || self.config.has_bug(Bug::ExpiryByWallClock);
            if late > STALL_MS * 1_000 && !blames {
                leading.expiry.forgive(late);
            }
            leading.ticked = self.now.monotonic;
        }
        for _ in 0..CLOCK_WORK_MAX {
            if self.zab.outstanding() >= PROPOSALS_OUTSTANDING_MAX {
                return;
            }
            let now = self.now.monotonic;
            let Some(leading) = &mut self.leading else {
                return;
            };
            let Some(session) = leading.expiry.next_expired(now) else {
                break;
            };
            self.by_the_system(|prepare| {
                let alive = prepare.world.session(session).is_some();
                if alive {
                    prepare.close_session(session);
                }
                alive
            });
        }
        if self.leading.is_none() {
            return;
        }
        self.time_out_calls();
        self.ring_timers();
        self.retry_events();
        self.end_lifetimes();
        self.drain_zab(outputs);
    }

    /// Nodes whose time is over, and containers that have been empty for a while.
    fn end_lifetimes(&mut self) {
        let time = match self.config.has_bug(Bug::TtlByWallClock) {
            true => self.now.wall_ms,
            false => self.time(),
        };
        let due = self.world.tree.nodes_to_expire();
        let due = due.take_while(|(due, _)| *due <= time);
        let mut over: Vec<_> = due
            .map(|(_, path)| path.clone())
            .take(CLOCK_WORK_MAX)
            .collect();
        let now = self.now.monotonic;
        let wait = self.config.container_check_ms;
        if let Some(leading) = &mut self.leading
            && leading.containers_looked_at.after_ms(wait) <= now
        {
            leading.containers_looked_at = now;
            let empty = self.world.tree.empty_containers().take(CONTAINERS_MAX);
            let before = std::mem::replace(&mut leading.empty_containers, empty.cloned().collect());
            let still = before.intersection(&leading.empty_containers);
            over.extend(still.cloned());
        }
        for path in over {
            self.by_the_system(|prepare| prepare.end_of_life(&path, time));
        }
    }

    fn time_out_calls(&mut self) {
        let time = self.time();
        let due = self
            .world
            .tree
            .deadlines()
            .take_while(|(deadline, _)| *deadline <= time);
        let due: Vec<_> = due.map(|(_, id)| id).take(CLOCK_WORK_MAX).collect();
        for id in due {
            self.by_the_system(|prepare| prepare.time_out_call(id));
        }
    }

    fn ring_timers(&mut self) {
        let time = self.time();
        let due = self
            .world
            .tree
            .timers()
            .take_while(|timer| timer.due <= time);
        let due: Vec<_> = due
            .map(|timer| (timer.mount.clone(), timer.tag.clone()))
            .take(CLOCK_WORK_MAX)
            .collect();
        for (mount, tag) in due {
            self.by_the_system(|prepare| prepare.ring_timer(&mount, &tag));
        }
    }

    fn retry_events(&mut self) {
        let now = self.now.monotonic;
        let failing: Vec<_> = self
            .world
            .tree
            .mounts()
            .filter(|mount| !mount.backlog.is_empty())
            .filter(|mount| mount.quarantined.is_none() && mount.paused.is_none())
            .map(|mount| (mount.path.clone(), mount.failures))
            .collect();
        let Some(leading) = &mut self.leading else {
            return;
        };
        leading
            .retry_due
            .retain(|path, _| failing.iter().any(|(failing, _)| failing == path));
        let mut due = Vec::new();
        for (path, failures) in failing {
            let wait = RETRY_MS << failures.min(10);
            let at = leading
                .retry_due
                .entry(path.clone())
                .or_insert(now.after_ms(wait));
            if *at <= now {
                *at = now.after_ms(wait * 2);
                due.push(path);
            }
        }
        for path in due {
            self.by_the_system(|prepare| prepare.retry_events(&path));
        }
    }

    /// A transaction of the leader's own, unless `work` says that there is nothing to do.
    pub(super) fn by_the_system(&mut self, work: impl FnOnce(&mut Prepare<'_, P>) -> bool) {
        let Some(worth_it) = self.stage(work) else {
            return;
        };
        self.charge_guests();
        if !worth_it || self.propose(Cause::System).is_err() {
            self.world.abort();
        }
    }
}

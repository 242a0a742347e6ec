//! Guests: commands of clients, and events that run inside their cause's transaction.

use bytes::Bytes;
use zareba_model::limits::SESSION_PARKED_MAX;
use zareba_model::{
    Answer, CallId, ErrorCode, Fault, Forward, GuestEvent, Mount, OpDescription, Outcome,
    ParkedCall, Permissions, PluginDescription, ZnodePath,
};

use super::Prepare;
use crate::guest_call::{self, Desk};
use crate::plugin::{Caller, GuestAnswer, GuestEntry, GuestFailure, PluginRuntime};

/// After so many failures in a row a mount is taken out of service.
const FAILURES_MAX: u32 = 5;

/// Events kept for a mount that fails; beyond, it is taken out of service.
const BACKLOG_MAX: usize = 1_000;

impl<P: PluginRuntime> Prepare<'_, P> {
    /// A client's command at a mount. `Ok(None)` means that it has parked.
    pub(crate) fn command(
        &mut self,
        forward: &Forward,
        path: &ZnodePath,
        op: &str,
        input: &Bytes,
    ) -> Result<Option<Answer>, Fault> {
        let mount = self
            .world
            .mount(path.as_str())
            .cloned()
            .ok_or_else(|| no_plugin(path))?;
        if let Some(why) = &mount.quarantined {
            let why = format!("the plugin at {path} is out of service: {why}");
            return Err(Fault::new(ErrorCode::PluginQuarantined, why));
        }
        if let Some(why) = &mount.paused {
            let why = format!("the plugin at {path} is paused: {why}");
            return Err(Fault::new(ErrorCode::PluginPaused, why));
        }
        let described = self.op_description(&mount, op)?;
        let (read_only, may_park) = (described.read_only, described.may_park);
        let wanted = match read_only {
            true => Permissions::READ,
            false => Permissions::WRITE,
        };
        self.allow(&forward.principals, path.as_str(), wanted)?;
        let entry = if read_only {
            GuestEntry::Query {
                op: op.to_owned(),
                input: input.clone(),
            }
        } else {
            GuestEntry::Command {
                op: op.to_owned(),
                input: input.clone(),
            }
        };
        let caller = Caller {
            session: forward.session,
            principals: forward.principals.clone(),
            call: CallId(self.world.zxid.to_u64()),
        };
        match self.run(&mount, caller, entry) {
            Ok(GuestAnswer::Done(value)) => Ok(Some(Ok(Outcome::Called(value)))),
            Ok(GuestAnswer::Park { .. }) if !may_park => {
                let why = format!("the operation {op} parked, but is not described as one");
                Err(Fault::new(ErrorCode::PluginTrap, why))
            }
            Ok(GuestAnswer::Park { tag, timeout_ms }) => {
                self.park(forward, &mount, op, tag, timeout_ms)?;
                Ok(None)
            }
            Err(GuestFailure::Fault(fault) | GuestFailure::Broken(fault)) => Err(fault),
        }
    }

    fn park(
        &mut self,
        forward: &Forward,
        mount: &Mount,
        op: &str,
        tag: String,
        timeout_ms: Option<u64>,
    ) -> Result<(), Fault> {
        let parked_here = usize::try_from(mount.limits.parked_calls_max).unwrap_or(usize::MAX);
        if self.world.has_parked(&mount.path, parked_here)
            || self
                .world
                .session_has_parked(forward.session, SESSION_PARKED_MAX)
        {
            let why = format!(
                "too many calls are parked at {}; try again later",
                mount.path
            );
            return Err(Fault::new(ErrorCode::Throttled, why));
        }
        self.world.stage_park(ParkedCall {
            id: CallId(self.world.zxid.to_u64()),
            session: forward.session,
            xid: forward.xid,
            mount: mount.path.clone(),
            op: op.to_owned(),
            tag,
            since: self.world.time,
            deadline: timeout_ms.map(|timeout| self.world.time.saturating_add(timeout)),
        });
        Ok(())
    }

    /// A parked call's time is over. False if it has ended meanwhile.
    pub(crate) fn time_out_call(&mut self, id: CallId) -> bool {
        let Some(call) = self.world.call(id) else {
            return false;
        };
        let why = format!("the call to {} waited longer than its timeout", call.op);
        self.world
            .stage_end_call(&call, Err(Fault::new(ErrorCode::OperationTimeout, why)));
        let event = GuestEvent::Cancelled {
            call: id,
            session: call.session,
            tag: call.tag,
        };
        self.notify(&call.mount, vec![event]);
        true
    }

    /// A timer rings. False if it was taken back or moved meanwhile.
    pub(crate) fn ring_timer(&mut self, mount: &ZnodePath, tag: &str) -> bool {
        if self
            .world
            .timer(mount, tag)
            .is_none_or(|due| due > self.world.time)
        {
            return false;
        }
        self.world.stage_timer(mount.clone(), tag.to_owned(), None);
        self.notify(
            mount,
            vec![GuestEvent::Timer {
                tag: tag.to_owned(),
            }],
        );
        true
    }

    /// Tries once more to tell a plugin what it failed to take. False if there is nothing.
    pub(crate) fn retry_events(&mut self, path: &ZnodePath) -> bool {
        let waiting = self.world.mount(path.as_str());
        let fails = |mount: &&Mount| !mount.backlog.is_empty() && is_in_service(mount);
        let Some(mut mount) = waiting.filter(fails).cloned() else {
            return false;
        };
        let events = std::mem::take(&mut mount.backlog);
        match self.run_event(&mount, events.clone()) {
            Ok(()) => mount.failures = 0,
            Err(fault) => {
                mount.backlog = events;
                failed_again(&mut mount, &fault);
            }
        }
        self.world.stage_mount(mount);
        true
    }

    /// Lets a plugin react inside the transaction being staged. If it fails, only its own effects
    /// are lost: the events are kept for another try.
    pub(crate) fn notify(&mut self, path: &ZnodePath, events: Vec<GuestEvent>) {
        let Some(mut mount) = self.world.mount(path.as_str()).cloned() else {
            return;
        };
        let events = self.wanted(&mount, events);
        if events.is_empty() {
            return;
        }
        if mount.backlog.is_empty() && is_in_service(&mount) {
            let Err(fault) = self.run_event(&mount, events.clone()) else {
                return;
            };
            failed_again(&mut mount, &fault);
        }
        mount.backlog.extend(events);
        if mount.backlog.len() > BACKLOG_MAX {
            mount.backlog.truncate(BACKLOG_MAX);
            let why = format!("more than {BACKLOG_MAX} events wait for it");
            mount.quarantined.get_or_insert(why);
        }
        self.world.stage_mount(mount);
    }

    fn run_event(&mut self, mount: &Mount, events: Vec<GuestEvent>) -> Result<(), Fault> {
        let before = self.world.savepoint();
        let result = self.run(mount, Caller::default(), GuestEntry::Event(events));
        match result {
            Ok(_) => Ok(()),
            Err(GuestFailure::Fault(fault) | GuestFailure::Broken(fault)) => {
                self.world.rollback(before);
                Err(fault)
            }
        }
    }

    /// New code meets an older layout, inside the transaction that activates it.
    pub(crate) fn migrate(&mut self, mount: &Mount, stored: u32) -> Result<(), Fault> {
        match self.run(mount, Caller::default(), GuestEntry::Migrate { stored }) {
            Ok(_) => Ok(()),
            Err(GuestFailure::Fault(fault) | GuestFailure::Broken(fault)) => Err(fault),
        }
    }

    fn run(
        &mut self,
        mount: &Mount,
        caller: Caller,
        entry: GuestEntry,
    ) -> Result<GuestAnswer, GuestFailure> {
        let desk = Desk {
            world: self.world,
            stand_in: self.stand_in,
            plugins: self.plugins,
            seen: self.seen,
            seed: self.seed,
        };
        guest_call::run(desk, mount, caller, entry)
    }

    fn op_description(&self, mount: &Mount, op: &str) -> Result<&OpDescription, Fault> {
        let description = self.description(mount);
        let found = description.and_then(|description| description.op(op));
        found.ok_or_else(|| {
            let known = description.map_or(&[][..], |it| &it.ops);
            let known: Vec<_> = known.iter().map(|op| op.name.as_str()).collect();
            let why = format!(
                "the plugin {} at {} has no operation {op:?}; it has {}",
                mount.plugin,
                mount.path,
                known.join(", ")
            );
            Fault::new(ErrorCode::NoPlugin, why)
        })
    }

    fn description(&self, mount: &Mount) -> Option<&PluginDescription> {
        let revision = self.world.revision_at(mount)?;
        Some(&revision.description)
    }

    /// Deleted, created and changed nodes are told only to those who asked; the rest always.
    fn wanted(&self, mount: &Mount, events: Vec<GuestEvent>) -> Vec<GuestEvent> {
        let watches = self.description(mount).map_or(&[][..], |it| &it.watches);
        let asked = |path: &str, kind: u32| {
            watches
                .iter()
                .any(|watch| watch.kinds & kind != 0 && matches(&watch.pattern, path))
        };
        let mut events = events;
        events.retain(|event| match event {
            GuestEvent::Created { path } => asked(path, 1),
            GuestEvent::Changed { path } => asked(path, 2),
            GuestEvent::Deleted { path, .. } => asked(path, 4),
            GuestEvent::Cancelled { .. } | GuestEvent::Timer { .. } => true,
        });
        events
    }
}

/// False if it failed too often, or an operator wants it to rest.
fn is_in_service(mount: &Mount) -> bool {
    mount.quarantined.is_none() && mount.paused.is_none()
}

fn failed_again(mount: &mut Mount, fault: &Fault) {
    mount.failures += 1;
    if mount.failures >= FAILURES_MAX {
        let why = format!("{FAILURES_MAX} failures in a row, the last: {fault}");
        mount.quarantined.get_or_insert(why);
    }
}

fn no_plugin(path: &ZnodePath) -> Fault {
    Fault::new(
        ErrorCode::NoPlugin,
        format!("no plugin is mounted at {path}"),
    )
}

/// True if a mount-relative path fits a pattern: `*` is one part, a last `**` is any rest.
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    for want in pattern.split('/') {
        if want == "**" {
            return true;
        }
        match parts.next() {
            Some(part) if want == "*" || want == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_by_part() {
        assert!(matches("*/holder", "db/holder"));
        assert!(!matches("*/holder", "db/other"));
        assert!(!matches("*/holder", "holder"));
        assert!(!matches("*", "a/b"));
        assert!(matches("**", "a/b"));
        assert!(matches("a/**", "a/b/c"));
    }
}

//! One guest call: the world is lent to the runtime and comes back. Queries of any server and
//! commands of the leader both come through here. Decides nothing about the result.

use zareba_model::{ErrorCode, Fault, GuestCost, Mount};

use crate::plugin::{Caller, GuestAnswer, GuestEntry, GuestFailure, Invocation, PluginRuntime};
use crate::plugin_seen::PluginSeen;
use crate::stage::GuestStage;
use crate::world::World;

/// What stands in for the world while it is lent; kept, so that no call has to make one.
pub(crate) type StandIn = Option<Box<World>>;

/// What a call needs of whoever makes it.
pub(crate) struct Desk<'a, P> {
    pub(crate) world: &'a mut Box<World>,
    pub(crate) stand_in: &'a mut StandIn,
    pub(crate) plugins: &'a mut P,
    pub(crate) seen: &'a mut PluginSeen,
    pub(crate) seed: u64,
}

/// A call's result, what it took, and what it logged: level and line.
pub(crate) struct Called {
    pub(crate) result: Result<GuestAnswer, GuestFailure>,
    pub(crate) cost: GuestCost,
    pub(crate) log: Vec<(u8, String)>,
}

/// Runs one call at a mount, and notes what it took and logged.
pub(crate) fn run<P: PluginRuntime>(
    desk: Desk<'_, P>,
    mount: &Mount,
    caller: Caller,
    entry: GuestEntry,
) -> Result<GuestAnswer, GuestFailure> {
    let time = desk.world.time;
    let (world, stand_in, plugins) = (desk.world, desk.stand_in, desk.plugins);
    let invocation = invocation(world, mount, caller, entry, desk.seed);
    let called = lend(world, stand_in, plugins, mount, &invocation);
    let came_to = (&called.result, &called.cost);
    desk.seen.ran(&mount.path, &invocation.entry, came_to);
    for line in called.log {
        desk.seen.logged(&mount.path, time, line);
    }
    called.result
}

/// Runs one call at a mount and notes nothing of it.
pub(crate) fn try_out<P: PluginRuntime>(
    desk: Desk<'_, P>,
    mount: &Mount,
    caller: Caller,
    entry: GuestEntry,
) -> Called {
    let invocation = invocation(desk.world, mount, caller, entry, desk.seed);
    lend(desk.world, desk.stand_in, desk.plugins, mount, &invocation)
}

fn invocation(
    world: &World,
    mount: &Mount,
    caller: Caller,
    entry: GuestEntry,
    seed: u64,
) -> Invocation {
    Invocation {
        revision: mount.revision,
        limits: mount.limits,
        seed: seed ^ world.zxid.to_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15),
        entry,
        caller,
    }
}

fn lend<P: PluginRuntime>(
    world: &mut Box<World>,
    stand_in: &mut StandIn,
    plugins: &mut P,
    mount: &Mount,
    invocation: &Invocation,
) -> Called {
    if !plugins.is_ready(&mount.revision) {
        let why = format!(
            "the plugin {} is still being compiled on this server; try again",
            mount.plugin
        );
        let fault = Fault::new(ErrorCode::PluginNotReady, why);
        return Called {
            result: Err(GuestFailure::Fault(fault)),
            cost: GuestCost::default(),
            log: Vec::new(),
        };
    }
    let read_only = matches!(invocation.entry, GuestEntry::Query { .. });
    let lent = std::mem::replace(world, stand_in.take().unwrap_or_default());
    let session = invocation.caller.session;
    let stage = Box::new(GuestStage::new(lent, mount.clone(), session, read_only));
    let ran = plugins.invoke(invocation, stage);
    let Ok(stage) = ran.stage.into_any().downcast::<GuestStage>() else {
        panic!("the runtime must return the stage it was lent");
    };
    *stand_in = Some(std::mem::replace(world, stage.world));
    Called {
        result: ran.result,
        cost: ran.cost,
        log: stage.log,
    }
}

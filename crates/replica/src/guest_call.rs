//! One guest call: the world is lent to the runtime and comes back. Queries of any server and
//! commands of the leader both come through here. Decides nothing about the result.

use zareba_model::{ErrorCode, Fault, Mount, ZnodePath};

use crate::plugin::{Caller, GuestAnswer, GuestEntry, GuestFailure, Invocation, PluginRuntime};
use crate::stage::GuestStage;
use crate::world::World;

/// A plugin's log line: mount, level, text.
pub(crate) type LogLine = (ZnodePath, u8, String);

/// What stands in for the world while it is lent; kept, so that no call has to make one.
pub(crate) type StandIn = Option<Box<World>>;

/// Runs one call at a mount.
#[expect(
    clippy::too_many_arguments,
    reason = "the caller's own parts, borrowed one by one"
)]
pub(crate) fn run<P: PluginRuntime>(
    world: &mut Box<World>,
    stand_in: &mut StandIn,
    plugins: &mut P,
    mount: &Mount,
    caller: Caller,
    entry: GuestEntry,
    seed: u64,
    log: &mut Vec<LogLine>,
) -> Result<GuestAnswer, GuestFailure> {
    if !plugins.is_ready(&mount.revision) {
        let why = format!(
            "the plugin {} is still being compiled on this server; try again",
            mount.plugin
        );
        return Err(GuestFailure::Fault(Fault::new(
            ErrorCode::PluginNotReady,
            why,
        )));
    }
    let read_only = matches!(entry, GuestEntry::Query { .. });
    let invocation = Invocation {
        revision: mount.revision,
        limits: mount.limits,
        seed: seed ^ world.zxid.to_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15),
        entry,
        caller: caller.clone(),
    };
    let lent = std::mem::replace(world, stand_in.take().unwrap_or_default());
    let stage = Box::new(GuestStage::new(
        lent,
        mount.clone(),
        caller.session,
        read_only,
    ));
    let (stage, result) = plugins.invoke(&invocation, stage);
    let Ok(stage) = stage.into_any().downcast::<GuestStage>() else {
        panic!("the runtime must return the stage it was lent");
    };
    *stand_in = Some(std::mem::replace(world, stage.world));
    let at = &mount.path;
    log.extend(
        stage
            .log
            .into_iter()
            .map(|(level, line)| (at.clone(), level, line)),
    );
    result
}

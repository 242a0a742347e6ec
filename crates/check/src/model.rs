//! The ensemble as the checker sees it: first states, actions, next states, properties. Knows no
//! broadcast.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stateright::{Model, Property};
use zareba_zab::Message;

use crate::action::Action;
use crate::scope::{Scope, Start};
use crate::violation::{Kind, Violation};
use crate::world::World;

/// Three servers within a scope.
#[derive(Clone, Debug)]
pub struct Ensemble {
    scope: Scope,
}

impl Ensemble {
    /// That scope's ensemble.
    pub fn new(scope: Scope) -> Self {
        Self { scope }
    }

    /// The state behind one action. A violation, or a failed assertion of the core, is noted in it
    /// and ends its path.
    fn after(&self, world: &World, action: Action) -> World {
        let mut next = world.clone();
        let step = AssertUnwindSafe(|| next.step(&self.scope, action));
        let result = catch_unwind(step).unwrap_or_else(|panic| {
            let words = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            Err(Violation::new(Kind::Assertion, words.unwrap_or("a panic")))
        });
        next.violation = result.err();
        next
    }

    /// A reign that all have joined. A vote that was lost on a server not looking yet, or no more,
    /// is said again after a while, and so it is here.
    fn reign(&self, cold: World) -> World {
        let mut world = self.settle(cold);
        for server in world.looking() {
            world.left.timeouts += 1;
            world = self.after(&world, Action::Timeout(server));
            world = self.settle(world);
        }
        world
    }

    /// Lets everything happen that is no fault, in a fair order, until nothing is left to happen.
    fn settle(&self, mut world: World) -> World {
        let mut actions = Vec::new();
        loop {
            actions.clear();
            world.actions(&self.scope, &mut actions);
            let calm = actions.iter().copied().filter(|action| {
                matches!(
                    action,
                    Action::Deliver { .. }
                        | Action::Hear { .. }
                        | Action::Persist(_)
                        | Action::Install(_)
                        | Action::Read { gone: false, .. }
                )
            });
            // Each round takes every action that was possible at its beginning and still is.
            let round: Vec<Action> = calm.collect();
            if round.is_empty() {
                return world;
            }
            for action in round {
                actions.clear();
                world.actions(&self.scope, &mut actions);
                if actions.contains(&action) {
                    world = self.after(&world, action);
                }
            }
        }
    }
}

impl Model for Ensemble {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let cold = World::cold(&self.scope);
        match self.scope.start {
            Start::Cold => vec![cold],
            Start::Reign => vec![self.reign(cold)],
        }
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(&self.scope, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        Some(self.after(world, action))
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.newest_epoch() <= self.scope.epochs
    }

    fn properties(&self) -> Vec<Property<Self>> {
        /// True unless `kind` was violated on the way to this state.
        fn holds(world: &World, kind: Kind) -> bool {
            world.violation.as_ref().is_none_or(|it| it.kind != kind)
        }
        macro_rules! always {
            ($($kind:ident),*) => {
                vec![$(Property::always(Kind::$kind.name(), |_, world| holds(world, Kind::$kind))),*]
            };
        }
        let mut properties = always![
            Leadership,
            PrefixConsistency,
            Durability,
            LeaderCompleteness,
            ProcessConsistency,
            Claims,
            MemoryIsDisk,
            SoundWrites,
            Delivery,
            Assertion
        ];
        properties.extend([
            Property::sometimes("a transaction is committed", |_, world: &World| {
                !world.ghost.committed.is_empty()
            }),
            Property::sometimes("a second reign is established", |_, world: &World| {
                world.ghost.reigns.len() > 1
            }),
            Property::sometimes("a second reign commits", |_, world: &World| {
                let first = world.ghost.reigns.first();
                let last = world.ghost.committed.last();
                last.zip(first).is_some_and(|(l, f)| l.zxid.epoch > f.0)
            }),
            Property::sometimes(
                "a change of the ensemble is complete",
                |_, world: &World| world.ghost.version_at(usize::MAX) == 2,
            ),
            Property::sometimes(
                "a later reign ends a change of the ensemble",
                |_, world: &World| world.ghost.is_change_handed_on(),
            ),
            Property::sometimes("a follower truncates its log", |_, world: &World| {
                world.is_said(|message| matches!(message, Message::Trunc { .. }))
            }),
            Property::sometimes(
                "a leader reads its log for a follower",
                |_, world: &World| world.is_reading(),
            ),
            Property::sometimes("a follower takes a snapshot", |_, world: &World| {
                world.is_said(|message| matches!(message, Message::Snap { .. }))
            }),
        ]);
        properties
    }
}

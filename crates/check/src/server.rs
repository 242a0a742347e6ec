//! One server: the real core, its disk, its streams and its clock. Knows no other server.

use std::collections::VecDeque;

use zareba_model::{Ensemble, ServerId, Zxid};
use zareba_zab::{Input, Now, Output, Zab};

use crate::disk::Disk;
use crate::scope::{Scope, TIMEOUT_US};

/// A server that runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) zab: Zab,
    pub(crate) disk: Disk,
    /// How many transactions its tree holds.
    pub(crate) delivered: usize,
    /// Snapshot streams it sends: to whom, from where.
    pub(crate) outgoing: Vec<(ServerId, Zxid)>,
    /// The one it takes: from whom, from where.
    pub(crate) incoming: Option<(ServerId, Zxid)>,
    /// Reads of its log that are under way: for whom, behind what, up to where.
    pub(crate) reads: VecDeque<(ServerId, Zxid, Zxid)>,
    /// Stands still between timeouts.
    clock: Now,
}

impl Server {
    /// Starts with what the disk holds; `delivered` transactions are in the tree, and so is that
    /// ensemble.
    pub(crate) fn start(
        scope: &Scope,
        me: ServerId,
        disk: Disk,
        (delivered, ensemble): (usize, Option<Ensemble>),
    ) -> Self {
        let clock = Now(0);
        Self {
            zab: Zab::new(scope.config(me), disk.recover(ensemble), clock),
            disk,
            delivered,
            outgoing: Vec::new(),
            incoming: None,
            reads: VecDeque::new(),
            clock,
        }
    }

    /// One input and the flush behind it.
    pub(crate) fn input(&mut self, scope: &Scope, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.zab.handle(self.clock, input, &mut outputs);
        self.flush(scope, &mut outputs);
        outputs
    }

    /// Closes the batch.
    pub(crate) fn flush(&mut self, scope: &Scope, outputs: &mut Vec<Output>) {
        self.zab.flush(self.clock, outputs);
        if scope.checks_claims {
            self.zab.check_invariants();
        }
    }

    /// All timers fire.
    pub(crate) fn timeout(&mut self, scope: &Scope) -> Vec<Output> {
        self.clock = Now(self.clock.0 + TIMEOUT_US);
        self.input(scope, Input::Tick)
    }

    /// Streams with `peer` are void.
    pub(crate) fn abandon(&mut self, peer: ServerId) {
        self.outgoing.retain(|(to, _)| *to != peer);
        self.incoming = self.incoming.filter(|(from, _)| *from != peer);
    }
}

//! Who has been left alone by the faults, and for how long: what is judged only in calm weather.

use zareba_model::Epoch;
use zareba_zab::Role;

use super::{Cluster, id_of};
use crate::invariants::steadfastness;
use crate::network::Pair;
use crate::violation::Violation;

/// A server or link that was left alone for so long has nothing to be excused by, microseconds: much
/// more than the time after which silence counts.
const CALM_US: u64 = 1_200_000;

impl Cluster {
    /// A fault strikes a link, or its end does, until then.
    pub(super) fn trouble(&mut self, pair: Pair, until: u64) {
        let known = self.troubled.entry(pair).or_insert(0);
        *known = until.max(*known);
    }

    /// A leader is one no more.
    pub(super) fn judge_resignation(
        &mut self,
        server: usize,
        epoch: Epoch,
    ) -> Result<(), Violation> {
        let Some(replica) = self.servers.get(server).and_then(|it| it.replica.as_ref()) else {
            return Ok(());
        };
        let broadcast = replica.broadcast();
        let followed = |it: zareba_model::ServerId| {
            let place = super::place_of(it);
            it == id_of(server) || self.follows_calmly(place, (server, epoch))
        };
        let is_followed = broadcast.ensemble().is_quorum(followed);
        let promised = |it: &crate::server::Server| {
            let broadcast = it.replica.as_ref().map(|it| it.broadcast());
            broadcast.is_none_or(|it| it.accepted_epoch() > epoch)
        };
        // Who is down may have promised, too.
        let mut present = self.servers.iter().filter(|it| it.boot > 0 && !it.retired);
        let is_outdated = present.any(promised);
        let is_removed = !broadcast.ensemble().may_lead(id_of(server));
        let used_up = broadcast.last_logged().counter >= self.config.counter_max;
        let is_calm = self.is_calm(server);
        steadfastness::check(
            server,
            epoch,
            !is_followed || is_outdated || used_up || !is_calm || is_removed,
        )
    }

    fn is_calm(&self, server: usize) -> bool {
        let it = self.servers.get(server);
        it.is_some_and(|it| it.paused_until.max(it.started_at) + CALM_US < self.now)
    }

    fn follows_calmly(&self, server: usize, (leader, epoch): (usize, Epoch)) -> bool {
        let pair = Pair::of(server, leader);
        let troubled = self.troubled.get(&pair).map_or(0, |until| *until);
        let follows = Role::Following {
            leader: id_of(leader),
            epoch,
        };
        let replica = self.servers.get(server).and_then(|it| it.replica.as_ref());
        replica.is_some_and(|it| it.broadcast().role() == follows)
            && self.is_calm(server)
            && troubled + CALM_US < self.now
            && self.network.stands(pair)
    }
}

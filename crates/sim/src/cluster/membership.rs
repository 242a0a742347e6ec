//! Members come and go: new ones are started once they are known, links follow the ensemble, and who
//! has left stays away.

use std::cmp::Ordering;

use zareba_model::Ensemble;

use super::power::End;
use super::{Cluster, Event, id_of, place_of};
use crate::invariants::removed_servers;
use crate::marks::Mark;
use crate::network::Pair;
use crate::violation::Violation;

/// How long a link outlives its end's membership.
const LINGER_US: u64 = 2_000_000;

impl Cluster {
    /// Members that never were before are started, by somebody who knows the ensemble.
    pub(super) fn welcome_members(&mut self) {
        let ensemble = self.oracle.ensemble.clone();
        for server in ensemble.members.keys() {
            let place = place_of(*server);
            if self.server(place).bootstrap.is_some() {
                continue;
            }
            self.server(place).bootstrap = Some(ensemble.clone());
            self.oracle.marks.reach(Mark::Joined);
            let at = self.now + self.dice.below(300_000);
            self.schedule.at(at, Event::Start(place));
        }
    }

    /// A server holds links to these members from now on; those to others end a little later, so that
    /// they can still be told.
    pub(super) fn follow_ensemble(&mut self, server: usize, ensemble: Ensemble) {
        self.server(server).ensemble = ensemble;
        for pair in self.network.pairs() {
            if pair.has(server) && !self.are_peers(pair) {
                self.schedule.at(self.now + LINGER_US, Event::Part(pair));
            }
        }
    }

    /// Ends a link between servers that are no peers any more.
    pub(super) fn part(&mut self, pair: Pair) {
        if !self.are_peers(pair) {
            self.break_link(pair, None);
        }
    }

    /// True if both have each other as members, as far as they know. One that knows the newer ensemble
    /// decides alone: a server that was away while all it knew were replaced must be let in by those
    /// it does not know.
    pub(super) fn are_peers(&self, Pair(low, high): Pair) -> bool {
        let (Some(one), Some(other)) = (self.servers.get(low), self.servers.get(high)) else {
            return false;
        };
        let one_has = one.ensemble.contains(id_of(high));
        let other_has = other.ensemble.contains(id_of(low));
        match one.ensemble.version.cmp(&other.ensemble.version) {
            Ordering::Greater => one_has,
            Ordering::Equal => one_has && other_has,
            Ordering::Less => other_has,
        }
    }

    /// A server is no member any more, and stops.
    pub(super) fn leaves(&mut self, server: usize) -> Result<(), Violation> {
        removed_servers::of_leaving(&self.oracle.ensemble, id_of(server))?;
        self.oracle.marks.reach(Mark::Left);
        self.server(server).retired = true;
        self.stop(server, End::Kill);
        Ok(())
    }

    /// The places of the members, before and behind a change that is under way.
    pub(super) fn members(&self) -> Vec<usize> {
        let everybody = self.oracle.ensemble.everybody();
        everybody.into_keys().map(place_of).collect()
    }
}

//! The properties, one file each. They judge; they change nothing of what they judge.
//!
//! The numbers are those of the reliability programme; where none is given, the property is our own.
//!
//! | number | file | what it says |
//! |---|---|---|
//! | I1 | `one_leader_synchronizing` | Leadership1: nobody brings others level in somebody else's epoch |
//! | I2 | `one_leader_established` | Leadership2: an epoch has one established leader |
//! | I3 | `prefix_consistency` | what servers have committed agrees up to the shorter |
//! | I4 | `integrity` | what is delivered was broadcast |
//! | I5 | `agreement` | of two servers, one has delivered all that the other has |
//! | I6 | `total_order` | everything is delivered right behind the same |
//! | I7 | `local_primary_order` | a leader's own order is kept |
//! | I8 | `global_primary_order` | earlier epochs first |
//! | I9 | `primary_integrity` | a leader begins with all that is ever delivered of older epochs |
//! | I10 | `committed_log_monotonicity` | what leaders take for committed only grows |
//! | I11 | `process_consistency` | who says that it has the leader's history has it |
//! | I12 | `leader_log_completeness` | who leads has all that was delivered |
//! | I13 | `committed_log_durability` | no truncation or snapshot takes what is committed |
//! | I14 | `during_action` | the five flags: who may say what, and behind what |
//! | I15 | `acked_on_quorum` | delivered, announced, answered: on a quorum's disks |
//! | I16 | `durable_claims` | what a message claims is durable at its sender |
//! | I17 | `epochs` | the epochs page, and the log beside it |
//! | I18 | `contiguous_log` | no hole; an entry has one predecessor everywhere |
//! | I19 | `recovery` | brings back what was durable; twice is once |
//! | I20 | `digests` | equal zxid, equal digest |
//! | I21 | `reference_model` | the tree is the model's |
//! | I22 | `stats` | stats are the model's |
//! | I23 | `multi_atomicity` | all changes or none |
//! | I24 | `ephemerals` | as long as their sessions, no longer |
//! | I25 | `expiry` | no session ends before its time |
//! | | `leases` | a client knows of its session's end before others have what it held |
//! | I26 | `session_end` | nothing of a session behind its end |
//! | I27 | `session_monotonicity` | no session sees an older state than before |
//! | I28 | `session_order` | a session's writes in its order |
//! | I29 | `watches` | exactly what happened, in order, once, before what reveals it, over all connections |
//! | I30 | `watch_owners` | no watch of a dead session |
//! | I31 | `caps` | queues, messages and streams within their limits |
//! | I32 | `election_in_time` | a leader within some election timeouts |
//! | I33 | `convergence` | all servers come to the same state |
//! | I34 | `completion` | every request is answered |
//! | I35 | `crate::marks` | what many runs together must have reached |
//! | | `one_change_at_a_time` | neighbouring ensembles' quorums intersect |
//! | | `removed_servers` | who is removed never leads again |
//! | | `observers` | an observer has what is committed, and no more |
//! | | `steadfastness` | a leader that a quorum follows in calm weather stays |
//! | | `exactly_once` | a request is executed once, a parked call answered once |
//! | | `replies` | a client is told what the history says, in its order |
//! | | `reads` | a read tells what was there |
//! | | `access` | nothing is changed or read without the permission for it |
//! | | `lifetimes` | what ends by itself ends in its time, and does end |
//! | | `quotas` | counted right everywhere, kept, and warned of once |
//! | | `subtrees` | a subtree ends as a whole |
//! | | `local_sessions` | who reads without a leader wants to |
//! | | `locks` | a lock has one holder, and its tokens rise |

pub(crate) mod access;
pub(crate) mod acked_on_quorum;
pub(crate) mod agreement;
pub(crate) mod caps;
pub(crate) mod committed_log_durability;
pub(crate) mod committed_log_monotonicity;
pub(crate) mod completion;
pub(crate) mod contiguous_log;
pub(crate) mod convergence;
pub(crate) mod digests;
pub(crate) mod durable_claims;
pub(crate) mod during_action;
pub(crate) mod election_in_time;
pub(crate) mod ephemerals;
pub(crate) mod epochs;
pub(crate) mod exactly_once;
pub(crate) mod expiry;
pub(crate) mod global_primary_order;
pub(crate) mod integrity;
pub(crate) mod leader_log_completeness;
pub(crate) mod leases;
pub(crate) mod lifetimes;
pub(crate) mod local_primary_order;
pub(crate) mod local_sessions;
pub(crate) mod locks;
pub(crate) mod multi_atomicity;
pub(crate) mod observers;
pub(crate) mod one_change_at_a_time;
pub(crate) mod one_leader_established;
pub(crate) mod one_leader_synchronizing;
pub(crate) mod prefix_consistency;
pub(crate) mod primary_integrity;
pub(crate) mod process_consistency;
pub(crate) mod quotas;
pub(crate) mod reads;
pub(crate) mod recovery;
pub(crate) mod reference_model;
pub(crate) mod removed_servers;
pub(crate) mod replies;
pub(crate) mod session_end;
pub(crate) mod session_monotonicity;
pub(crate) mod session_order;
pub(crate) mod stats;
pub(crate) mod steadfastness;
pub(crate) mod subtrees;
pub(crate) mod total_order;
pub(crate) mod watch_owners;
pub(crate) mod watches;

use crate::violation::Violation;

/// What must still come, once the faults are over; a violation if it does not come in time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Missing(Vec<(&'static str, String)>);

impl Missing {
    pub(crate) fn note(&mut self, invariant: &'static str, what: impl FnOnce() -> String) {
        self.0.push((invariant, what()));
    }

    pub(crate) fn unless(
        &mut self,
        holds: bool,
        invariant: &'static str,
        what: impl FnOnce() -> String,
    ) {
        if !holds {
            self.note(invariant, what);
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// The time in which all had to come right is over.
    pub(crate) fn too_late(self) -> Violation {
        let first = self.0.first().map_or("completion", |(name, _)| name);
        let all: Vec<String> = self.0.into_iter().map(|(_, what)| what).collect();
        Violation::new(first, all.join("; "))
    }
}

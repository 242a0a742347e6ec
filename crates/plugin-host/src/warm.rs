//! Instances that wait for another call. Must never run one.

use std::collections::BTreeMap;
use std::fmt;

use zareba_model::Sha256;

use crate::instance::Instance;

/// Instances kept at once.
const COUNT_MAX: usize = 64;

/// What their memories may have together, bytes.
const BYTES_MAX: u64 = 512 << 20;

/// One instance of a component at most; who has rested longest makes room.
#[derive(Default)]
pub(crate) struct Warm {
    kept: BTreeMap<Sha256, Kept>,
    /// How often one was kept.
    times: u64,
}

struct Kept {
    instance: Instance,
    /// The how-manieth time it was.
    at: u64,
}

impl Warm {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The one of that component, which is not kept any more.
    pub(crate) fn take(&mut self, revision: &Sha256) -> Option<Instance> {
        self.kept.remove(revision).map(|kept| kept.instance)
    }

    /// Keeps one, unless it alone is too large.
    pub(crate) fn keep(&mut self, revision: Sha256, instance: Instance) {
        let own = instance.memory_bytes();
        if own > BYTES_MAX {
            return;
        }
        self.kept.remove(&revision);
        while self.kept.len() >= COUNT_MAX || self.bytes() + own > BYTES_MAX {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.at);
            let Some(oldest) = oldest.map(|(revision, _)| *revision) else {
                break;
            };
            self.kept.remove(&oldest);
        }
        self.times += 1;
        let at = self.times;
        self.kept.insert(revision, Kept { instance, at });
    }

    fn bytes(&self) -> u64 {
        let each = self.kept.values().map(|kept| kept.instance.memory_bytes());
        each.sum()
    }
}

impl fmt::Debug for Warm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.kept.keys()).finish()
    }
}

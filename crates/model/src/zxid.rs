//! Transaction ids and the servers that order them. Knows arithmetic only.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A member's number, unique in its ensemble and named in its certificate.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ServerId(pub u64);

/// One leader's reign. Epoch 0 is the time before any leader.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch after this one; `None` when the 32 bits are used up.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

/// The position of a transaction in the one total order: epoch first, then counter.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Zxid {
    /// The reign it was proposed in.
    pub epoch: Epoch,
    /// Its place in that reign; the first transaction has 1.
    pub counter: u32,
}

impl Zxid {
    /// Before the first transaction.
    pub const ZERO: Self = Self {
        epoch: Epoch(0),
        counter: 0,
    };

    /// The id at a place of an epoch.
    pub const fn new(epoch: u32, counter: u32) -> Self {
        Self {
            epoch: Epoch(epoch),
            counter,
        }
    }

    /// The place before the first transaction of an epoch.
    pub const fn start_of(epoch: Epoch) -> Self {
        Self { epoch, counter: 0 }
    }

    /// The next id of the same epoch; `None` when its counter is used up.
    pub fn next(self) -> Option<Self> {
        self.counter.checked_add(1).map(|counter| Self {
            epoch: self.epoch,
            counter,
        })
    }

    /// True if this id can stand right behind `previous` in a log without a hole.
    pub fn follows(self, previous: Self) -> bool {
        if self.epoch == previous.epoch {
            previous.counter.checked_add(1) == Some(self.counter)
        } else {
            self.epoch > previous.epoch && self.counter == 1
        }
    }

    /// ZooKeeper's packing: epoch in the high half, counter in the low half.
    pub const fn to_u64(self) -> u64 {
        (self.epoch.0 as u64) << 32 | self.counter as u64
    }

    /// The inverse of [`Zxid::to_u64`].
    pub const fn from_u64(packed: u64) -> Self {
        Self {
            epoch: Epoch((packed >> 32) as u32),
            counter: packed as u32,
        }
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_accepts_no_hole_and_no_step_back() {
        assert!(Zxid::new(1, 1).follows(Zxid::ZERO));
        assert!(Zxid::new(1, 3).follows(Zxid::new(1, 2)));
        assert!(Zxid::new(4, 1).follows(Zxid::new(1, 9)));
        assert!(!Zxid::new(1, 4).follows(Zxid::new(1, 2)));
        assert!(!Zxid::new(2, 2).follows(Zxid::new(1, 9)));
        assert!(!Zxid::new(1, 1).follows(Zxid::new(2, 9)));
    }

    #[test]
    fn packing_keeps_order_and_value() {
        let ids = [
            Zxid::ZERO,
            Zxid::new(0, 7),
            Zxid::new(1, 0),
            Zxid::new(u32::MAX, u32::MAX),
        ];
        for pair in ids.windows(2) {
            assert!(pair[0].to_u64() < pair[1].to_u64());
        }
        for id in ids {
            assert_eq!(Zxid::from_u64(id.to_u64()), id);
        }
    }
}

//! How many clients are inside, in all and from each address. Must never know a protocol.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts clients up to its bounds.
#[derive(Debug)]
pub(crate) struct Occupancy {
    max: usize,
    per_address_max: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    total: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// One client's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    occupancy: Arc<Occupancy>,
    address: IpAddr,
}

impl Occupancy {
    pub(crate) fn new(max: usize, per_address_max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            per_address_max,
            inside: Mutex::default(),
        })
    }

    /// A place for a client from that address, unless a bound is reached.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.total >= self.max {
            return None;
        }
        let here = inside.by_address.entry(address).or_default();
        if *here >= self.per_address_max {
            return None;
        }
        *here += 1;
        inside.total += 1;
        Some(Place {
            occupancy: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let inside = &self.occupancy.inside;
        let mut inside = inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.total -= 1;
        if let Some(here) = inside.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                inside.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let occupancy = Occupancy::new(3, 2);
        let first = occupancy.enter(address(1)).unwrap();
        let _second = occupancy.enter(address(1)).unwrap();
        assert!(occupancy.enter(address(1)).is_none());
        let _other = occupancy.enter(address(2)).unwrap();
        assert!(occupancy.enter(address(3)).is_none());
        drop(first);
        assert!(occupancy.enter(address(3)).is_some());
    }

    #[test]
    fn addresses_that_left_are_forgotten() {
        let occupancy = Occupancy::new(3, 2);
        drop(occupancy.enter(address(1)));
        assert!(occupancy.inside.lock().unwrap().by_address.is_empty());
    }
}

//! How much of the leader's time each plugin has had: a share of it is the most that one mount may take,
//! so that no plugin keeps everybody else waiting. Told the time and the cost; reads no clock.

use std::collections::BTreeMap;

use zareba_model::{ErrorCode, Fault, ZnodePath};
use zareba_zab::Now;

use crate::plugin_seen::Spent;

/// What a mount may save up for later, microseconds.
const SAVED_US_MAX: i64 = 250_000;

/// A guest that has to be ended because it runs too long pays its time so many times: it has kept
/// everybody waiting, which others do not.
const TOO_LONG_FACTOR: i64 = 10;

/// The shares of all mounts.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    mounts: BTreeMap<ZnodePath, Share>,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    /// Below 0: what it has had too much.
    left_us: i64,
    at: Now,
}

impl Shares {
    /// Refuses a command at a mount that has had its share of `percent`.
    pub(crate) fn admit(&mut self, mount: &ZnodePath, percent: u8, now: Now) -> Result<(), Fault> {
        let Some(share) = self.mounts.get_mut(mount) else {
            return Ok(());
        };
        let rate = u64::from(percent.max(1));
        let passed = now.0.saturating_sub(share.at.0);
        let earned = passed.saturating_mul(rate) / 100;
        // Only the time that it was earned in is over: what is too little to count is not lost.
        share.at = Now(share.at.0.saturating_add(earned.saturating_mul(100) / rate));
        let earned = i64::try_from(earned).unwrap_or(i64::MAX);
        share.left_us = share.left_us.saturating_add(earned).min(SAVED_US_MAX);
        if share.left_us >= 0 {
            return Ok(());
        }
        let wait_ms = (-share.left_us) / 10 / i64::from(percent.max(1)) + 1;
        let why = format!(
            "the plugin at {mount} has had its share, {percent} % of the leader's time; try again in \
             {wait_ms} ms"
        );
        Err(Fault::new(ErrorCode::Throttled, why))
    }

    /// A mount's guests have taken so much.
    pub(crate) fn charge(&mut self, mount: &ZnodePath, spent: Spent, now: Now) {
        let mut us = i64::try_from(spent.ns / 1_000).unwrap_or(i64::MAX);
        if us == 0 {
            return;
        }
        if spent.too_long {
            us = us.saturating_mul(TOO_LONG_FACTOR);
        }
        let share = self.mounts.entry(mount.clone()).or_insert(Share {
            left_us: SAVED_US_MAX,
            at: now,
        });
        share.left_us = share.left_us.saturating_sub(us);
    }

    /// Forgets mounts that are none any more.
    pub(crate) fn retain(&mut self, is_mount: impl Fn(&ZnodePath) -> bool) {
        self.mounts.retain(|mount, _| is_mount(mount));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Now {
        Now(ms * 1_000)
    }

    fn spent(ms: u64, too_long: bool) -> Spent {
        let ns = ms * 1_000_000;
        Spent { ns, too_long }
    }

    #[test]
    fn a_busy_plugin_gets_its_share_and_no_more() {
        let (mut shares, lock, other) = (
            Shares::default(),
            ZnodePath::parse("/lock").unwrap(),
            ZnodePath::parse("/other").unwrap(),
        );
        let (mut had, end) = (0, 20_000);
        for at in 0..end {
            if shares.admit(&lock, 25, ms(at)).is_ok() {
                shares.charge(&lock, spent(1, false), ms(at));
                had += 1;
            }
            assert!(shares.admit(&other, 25, ms(at)).is_ok());
        }
        assert!((end / 4..end / 4 + 300).contains(&had), "{had} of {end}");
    }

    #[test]
    fn who_must_be_ended_waits_longer() {
        let (mut shares, lock) = (Shares::default(), ZnodePath::parse("/lock").unwrap());
        shares.charge(&lock, spent(50, true), ms(0));
        let refused = shares.admit(&lock, 50, ms(499)).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Throttled);
        assert!(refused.message.contains("again in"), "{refused}");
        assert!(shares.admit(&lock, 50, ms(500)).is_ok());
    }

    #[test]
    fn asking_often_earns_no_less() {
        let (mut shares, lock) = (Shares::default(), ZnodePath::parse("/lock").unwrap());
        shares.charge(&lock, spent(300, false), Now(0));
        let admitted = (0..).find(|at| shares.admit(&lock, 1, Now(*at * 7)).is_ok());
        let at = admitted.unwrap() * 7;
        assert!((5_000_000..5_010_000).contains(&at), "{at}");
    }
}

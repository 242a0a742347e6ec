//! What the operating system says of a process: CPU time and memory. Only Linux says it like this.

use std::iter::Sum;
use std::ops::{Add, Sub};

use anyhow::Context;

/// CPU time used so far, and memory held now; or the difference of two such looks, or the sum over
/// several processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// User and system, microseconds, told in hundredths of a second.
    pub(super) cpu_us: i64,
    /// Resident memory, bytes.
    pub(super) resident: i64,
    /// The part of it that belongs to no file.
    pub(super) anonymous: i64,
}

impl Usage {
    /// Of a process of this machine.
    pub(super) fn of(process: u32) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{process}/{name}");
            std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {path}; only Linux has it"))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        let parsed = parse(&stat, &status);
        parsed.with_context(|| format!("/proc/{process} is written in an unknown way"))
    }

    /// Of this process.
    pub(super) fn own() -> anyhow::Result<Self> {
        Self::of(std::process::id())
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu_us: self.cpu_us + other.cpu_us,
            resident: self.resident + other.resident,
            anonymous: self.anonymous + other.anonymous,
        }
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            cpu_us: self.cpu_us - other.cpu_us,
            resident: self.resident - other.resident,
            anonymous: self.anonymous - other.anonymous,
        }
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), Add::add)
    }
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The command's name stands in brackets and may hold anything, so fields count from behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<i64>().ok();
    let ticks = ticks()? + ticks()?;
    let bytes = |name: &str| {
        let mut lines = status.lines();
        let rest = lines.find_map(|line| line.strip_prefix(name))?;
        let kibibytes: i64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some(Usage {
        cpu_us: ticks * TICK_US,
        resident: bytes("VmRSS:")?,
        anonymous: bytes("RssAnon:")?,
    })
}

/// Linux promises programs 100 ticks a second, whatever the kernel uses inside.
const TICK_US: i64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_memory_are_read_whatever_the_command_is_called() {
        let stat = "1 (a b) c) S 1 2 3 4 5 6 7 8 9 10 120 30 0 0 20 0";
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\n";
        let usage = Usage {
            cpu_us: 1_500_000,
            resident: 2 << 20,
            anonymous: 1 << 20,
        };
        assert_eq!(parse(stat, status), Some(usage));
        assert_eq!(parse("1 (a)", status), None);
        assert_eq!(parse(stat, "VmRSS: 1 kB"), None);
        assert_eq!(usage + usage - usage, usage);
    }
}

//! What the operating system says of this process. Must never know a server.

use zareba_model::ServerStatus;

/// Adds to a server's status what the replica cannot know.
pub(crate) fn describe(status: &mut ServerStatus) {
    status.process = std::process::id();
    status.cpu_us = cpu_us().unwrap_or(0);
}

/// CPU time used so far, user and system; Linux tells it in hundredths of a second.
fn cpu_us() -> Option<u64> {
    parse_cpu_us(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// The command's name stands in brackets and may hold anything, so fields count from behind it.
fn parse_cpu_us(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_US)
}

/// Linux promises programs 100 ticks a second, whatever the kernel uses inside.
const TICK_US: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added_whatever_the_command_is_called() {
        let stat = "1 (a b) c) S 1 2 3 4 5 6 7 8 9 10 120 30 0 0 20 0";
        assert_eq!(parse_cpu_us(stat), Some(1_500_000));
        assert_eq!(parse_cpu_us("1 (a)"), None);
    }
}

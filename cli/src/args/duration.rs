//! Spans of time as people write them.

use std::time::Duration;

/// Reads 30s, 10m, 2h, 1d or "1h 30m"; nothing is no duration.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let expected = "a time with its unit is expected, such as 30s, 10m or 2h";
    let read = humantime::parse_duration(text).map_err(|error| format!("{error}; {expected}"))?;
    if read.is_zero() {
        return Err(format!("it is over at once; {expected}"));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let seconds = |text| duration(text).map(|read| read.as_secs());
        for (text, expected) in [
            ("30s", 30),
            ("10m", 600),
            ("2h", 7_200),
            ("1d", 86_400),
            ("1h 30m", 5_400),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in ["", "10", "m", "0s", "-1s", "10 fortnights"] {
            assert!(seconds(text).unwrap_err().contains("such as 30s"), "{text}");
        }
    }
}

//! `zareba log`: what a stopped server's data directory holds, read where it is. Changes nothing.

use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};
use zareba_client::model::Zxid;
use zareba_server::{LogLine, StoppedData};

use crate::args::{Format, Log};
use crate::{exit, output};

pub(super) fn run(log: &Log, format: Format) -> anyhow::Result<u8> {
    match log {
        Log::Dump { data, from, limit } => dump(data, *from, *limit, format),
        Log::Verify { data } => verify(data, format),
    }
}

fn dump(data: &Path, from: Option<Zxid>, limit: Option<u64>, format: Format) -> anyhow::Result<u8> {
    let from = from.unwrap_or(Zxid::ZERO);
    let mut left = limit.unwrap_or(u64::MAX);
    let mut written = Ok(());
    let report = StoppedData::dump(data, &mut |line| {
        if line.zxid < from || left == 0 || written.is_err() {
            return;
        }
        left -= 1;
        written = match format {
            Format::Text => output::line(record_text(&line)),
            Format::Json => output::line(record_json(&line)),
        };
    })?;
    written?;
    say(&report, format)?;
    Ok(0)
}

fn verify(data: &Path, format: Format) -> anyhow::Result<u8> {
    let report = StoppedData::verify(data)?;
    say(&report, format)?;
    if report.is_damaged() {
        return Ok(exit::FAILED);
    }
    if format == Format::Text {
        output::line("everything is whole")?;
    }
    Ok(0)
}

/// As it is printed: epoch, a dot, counter.
pub(crate) fn zxid(text: &str) -> anyhow::Result<Zxid> {
    let parse = |part: &str| part.parse::<u32>().ok();
    let parts = text.split_once('.');
    let zxid = parts.and_then(|(epoch, counter)| Some(Zxid::new(parse(epoch)?, parse(counter)?)));
    zxid.context("expected EPOCH.COUNTER, for example 3.120")
}

fn record_text(line: &LogLine) -> String {
    let place = format!("{}:{:<10}", line.segment, line.offset);
    let void = if line.is_void { " (void)" } else { "" };
    match (&line.entry, line.committed) {
        (Some(entry), _) => {
            let session = entry.session.as_deref().unwrap_or("-");
            let time = entry.time.unwrap_or(0);
            let effects = entry.effects.join(", ");
            format!(
                "{place} entry {}{void} time={time} session={session} bytes={} {effects}",
                line.zxid, entry.bytes
            )
        }
        (None, Some(committed)) => {
            format!("{place} mark  {} committed={committed}", line.zxid)
        }
        (None, None) => format!("{place} cut   to {}", line.zxid),
    }
}

fn record_json(line: &LogLine) -> Value {
    json!({
        "kind": line.kind,
        "segment": line.segment,
        "offset": line.offset,
        "zxid": line.zxid.to_string(),
        "committed": line.committed.map(|zxid| zxid.to_string()),
        "void": line.is_void,
        "time": line.entry.as_ref().and_then(|entry| entry.time),
        "session": line.entry.as_ref().and_then(|entry| entry.session.clone()),
        "bytes": line.entry.as_ref().map(|entry| entry.bytes),
        "effects": line.entry.as_ref().map(|entry| entry.effects.clone()),
    })
}

/// Everything but the records.
fn say(report: &StoppedData, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Text => say_text(report),
        Format::Json => say_json(report),
    }
}

fn say_json(report: &StoppedData) -> anyhow::Result<()> {
    let log = &report.log;
    let epochs = log.epochs.promised();
    let image = report.image.map(|image| {
        json!({
            "start": image.start.to_string(),
            "end": image.end.to_string(),
            "digest": image.digest.map(|digest| format!("{digest:016x}")),
        })
    });
    let segment = |it: &zareba_server::SegmentFound| {
        json!({
            "file": it.file,
            "length": it.length,
            "base": it.part.map(|(base, _)| base.to_string()),
            "used": it.part.map(|(_, end)| end),
        })
    };
    output::line(json!({
        "kind": "summary",
        "base": log.base.to_string(),
        "last": log.last.to_string(),
        "committed": log.committed.to_string(),
        "accepted_epoch": epochs.map(|epochs| epochs.accepted.0),
        "current_epoch": epochs.map(|epochs| epochs.current.0),
        "image": image,
        "segments": log.segments.iter().map(segment).collect::<Vec<_>>(),
        "findings": report.findings.iter().map(|it| json!({
            "damage": it.is_damage,
            "found": it.found,
            "consequence": it.consequence,
            "advice": it.advice,
        })).collect::<Vec<_>>(),
    }))
}

fn say_text(report: &StoppedData) -> anyhow::Result<()> {
    let log = &report.log;
    for segment in &log.segments {
        output::line(match segment.part {
            Some((base, end)) => format!(
                "{}: {} bytes, used up to {end}, behind {base}",
                segment.file, segment.length
            ),
            None => format!(
                "{}: {} bytes, no part of the log",
                segment.file, segment.length
            ),
        })?;
    }
    output::line(match log.epochs.promised() {
        Some(epochs) => format!(
            "epochs: accepted {}, current {}",
            epochs.accepted, epochs.current
        ),
        None => "epochs: none that can be read".to_owned(),
    })?;
    output::line(match report.image {
        Some(image) if image.end > Zxid::ZERO => {
            format!("image: from {} to {}", image.start, image.end)
        }
        Some(_) => "image: empty, no checkpoint yet".to_owned(),
        None => "image: none".to_owned(),
    })?;
    output::line(format!(
        "log: behind {} up to {}, known to be committed up to {}",
        log.base, log.last, log.committed
    ))?;
    for finding in &report.findings {
        let kind = if finding.is_damage { "DAMAGE" } else { "note" };
        output::line(format!(
            "{kind}: {}\n  the next start: {}\n  to do: {}",
            finding.found, finding.consequence, finding.advice
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zxid_is_read_as_it_is_printed() {
        assert_eq!(zxid("3.120").unwrap(), Zxid::new(3, 120));
        for bad in ["", "3", "3.", "x.1", "3.120.1"] {
            assert!(zxid(bad).unwrap_err().to_string().contains("EPOCH.COUNTER"));
        }
    }
}

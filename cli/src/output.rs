//! What a command says: for people, or as JSON, one value per line. Decides nothing.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use zareba_client::model::{Lifetime, Stat};

use crate::args::Format;

/// Says one thing: `text` to people, `value` to programs.
pub(crate) fn say(
    format: Format,
    text: impl std::fmt::Display,
    value: Value,
) -> anyhow::Result<()> {
    match format {
        Format::Text => line(text),
        Format::Json => line(value),
    }
}

/// One line on standard output. A reader that has gone away is an error like any other.
pub(crate) fn line(text: impl std::fmt::Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}

/// One line on standard error, for people: what is said beside a result.
#[expect(clippy::print_stderr, reason = "a note goes to standard error")]
pub(crate) fn note(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

/// Bytes as they are, without a newline of our own unless it is a terminal's turn.
pub(crate) fn raw(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| {
            if bytes.ends_with(b"\n") {
                Ok(())
            } else {
                out.write_all(b"\n")
            }
        })
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
}

/// Data as JSON: text where it is text, bytes otherwise.
pub(crate) fn data_json(data: &[u8]) -> Value {
    match std::str::from_utf8(data) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from(data.to_vec()),
    }
}

/// How long a node lives, in a few words.
pub(crate) fn lifetime(lifetime: Lifetime) -> String {
    match lifetime {
        Lifetime::Persistent => "persistent".to_owned(),
        Lifetime::Ephemeral(session) => format!("ephemeral of {:x}", session.0),
        Lifetime::Container => "container".to_owned(),
        Lifetime::Ttl(ms) => {
            let ttl = humantime::format_duration(Duration::from_millis(ms));
            format!("ttl {ttl}")
        }
    }
}

/// A stat as JSON, with ZooKeeper's names.
pub(crate) fn stat_json(stat: &Stat) -> Value {
    serde_json::json!({
        "czxid": stat.czxid.to_string(),
        "mzxid": stat.mzxid.to_string(),
        "pzxid": stat.pzxid.to_string(),
        "ctime": stat.ctime,
        "mtime": stat.mtime,
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
        "lifetime": lifetime(stat.lifetime),
        "ephemeralOwner": format!("{:x}", stat.lifetime.owner().0),
        "dataLength": stat.data_length,
        "numChildren": stat.num_children,
    })
}

/// A stat for people.
pub(crate) fn stat_text(stat: &Stat) -> String {
    let rows = [
        ("czxid", stat.czxid.to_string()),
        ("mzxid", stat.mzxid.to_string()),
        ("pzxid", stat.pzxid.to_string()),
        ("ctime", format!("{} ms", stat.ctime)),
        ("mtime", format!("{} ms", stat.mtime)),
        ("version", stat.version.to_string()),
        ("cversion", stat.cversion.to_string()),
        ("aversion", stat.aversion.to_string()),
        ("lifetime", lifetime(stat.lifetime)),
        ("ephemeralOwner", format!("{:x}", stat.lifetime.owner().0)),
        ("dataLength", stat.data_length.to_string()),
        ("numChildren", stat.num_children.to_string()),
    ];
    rows.map(|(name, value)| format!("{name:<15} {value}"))
        .join("\n")
}

/// A table for people.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(header);
    table.add_rows(rows);
    table.trim_fmt()
}

/// A bar on the terminal for what takes long; nothing where nobody looks.
pub(crate) fn progress(what: &'static str, steps: u64) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{msg} {pos}/{len} {wide_bar} {elapsed}");
    let bar = indicatif::ProgressBar::new(steps).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A count on the terminal while something goes on whose end is not known; nothing where nobody
/// looks.
pub(crate) fn counter(what: &'static str) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::no_length().with_message(what);
    let style = indicatif::ProgressStyle::with_template("{spinner} {pos} {msg} {elapsed}");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

//! What a plugin says of itself, as a part of its README, so that the two never differ. Knows no plugin.

use std::fs;
use std::path::Path;

use crate::{OpInfo, Plugin};

/// Where the part begins.
const BEGIN: &str =
    "<!-- described: ZAREBA_WRITE=1 and this plugin's tests write what is here -->\n";
/// Where it ends.
const END: &str = "<!-- end of what is described -->\n";

/// Panics unless the README in that folder holds what the plugin says of itself. With `ZAREBA_WRITE` in the
/// environment it is written there.
#[expect(clippy::panic, reason = "the test's own failure")]
pub fn check<P: Plugin>(folder: &str) {
    let file = Path::new(folder).join("README.md");
    let read = || fs::read_to_string(&file).map_err(|error| error.to_string());
    let result = read().and_then(|text| {
        let (head, rest) = text
            .split_once(BEGIN)
            .ok_or(format!("has no line {BEGIN}"))?;
        let (now, tail) = rest.split_once(END).ok_or(format!("has no line {END}"))?;
        let wanted = described::<P>();
        if now == wanted {
            return Ok(());
        }
        if std::env::var_os("ZAREBA_WRITE").is_none() {
            return Err(format!("says\n{now}\nbut the plugin says\n{wanted}"));
        }
        let text = format!("{head}{BEGIN}{wanted}{END}{tail}");
        fs::write(&file, text).map_err(|error| error.to_string())
    });
    result.unwrap_or_else(|why| panic!("{}: {why}", file.display()));
}

fn described<P: Plugin>() -> String {
    let description = P::describe();
    let mut lines = description.doc.lines();
    let mut text = format!("\n**Promise.** {}\n\n", lines.next().unwrap_or_default());
    text.push_str("| op | input | answer | what it does |\n|---|---|---|---|\n");
    for op in &description.ops {
        text.push_str(&row(op));
    }
    let faults: Vec<&str> = lines.filter(|line| line.starts_with("Fault ")).collect();
    if !faults.is_empty() {
        text.push_str("\nFaults of its own:\n\n");
        for fault in faults {
            text.push_str(&format!("- {}\n", fault.trim_start_matches("Fault ")));
        }
    }
    text.push('\n');
    text
}

fn row(op: &OpInfo) -> String {
    let kind = match (op.read_only, op.may_park) {
        (true, _) => " (query)",
        (_, true) => " (may wait)",
        _ => "",
    };
    let cell = |text: &str| text.replace('|', "\\|");
    format!(
        "| `{}`{kind} | `{}` | `{}` | {} |\n",
        op.name,
        cell(&op.input),
        cell(&op.output),
        cell(&op.doc)
    )
}

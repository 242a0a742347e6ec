//! `zareba bench restart`: how long a server with many nodes takes until it serves again, after a
//! clean end, after a kill, and with an empty disk; and where that time goes. The parts are read
//! from what the server logs, with the times it logs.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::json;
use zareba_client::model::ServerId;

use super::fill;
use super::journal::Journal;
use super::own_ensemble::OwnEnsemble;
use super::quantiles::{self, HEADER};
use crate::args::{Format, Restart};
use crate::output;

/// How a server went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Clean,
    Killed,
    Wiped,
}

/// The steps of a start, by the first words of what a server logs when each is over.
const STEPS: [(&str, &str); 5] = [
    (
        "process started, disk opened, image loaded",
        "the image is loaded",
    ),
    ("log replayed", "the log is replayed"),
    ("tree finished, digest checked", "recovered applied="),
    (
        "snapshot from the leader in place",
        "a snapshot from the leader is in place",
    ),
    ("found, caught up, serving", SERVING),
];

/// A server's words when it serves behind a leader.
const SERVING: &str = "following leader=";

/// Samples by what ended the server and by step, microseconds.
type Samples = BTreeMap<(End, &'static str), Vec<u64>>;

pub(super) async fn run(restart: Restart, format: Format) -> anyhow::Result<()> {
    let mut ensemble = OwnEnsemble::start(&restart.own).await?;
    let filled = fill::fill(ensemble.profile(), &restart.fill).await?;
    let mut samples = Samples::new();
    let mut bytes = Vec::new();
    for end in [End::Clean, End::Killed, End::Wiped] {
        for _ in 0..restart.rounds {
            let leader = ensemble.serving().await?;
            let other = ensemble.members().map(|it| it.place.id);
            let id = other
                .filter(|id| *id != leader)
                .max()
                .context("no follower")?;
            bytes.push(round(&mut ensemble, id, end, &mut samples).await?);
        }
    }
    report(&restart, filled, &samples, &bytes, format)
}

/// One follower goes down and comes back. Returns the bytes of its data.
async fn round(
    ensemble: &mut OwnEnsemble,
    id: ServerId,
    end: End,
    samples: &mut Samples,
) -> anyhow::Result<u64> {
    let member = ensemble.member(id)?;
    match end {
        End::Clean => member.stop().await?,
        End::Killed | End::Wiped => {
            member.kill()?;
            member.bury().await?;
        }
    }
    if end == End::Wiped {
        member.wipe()?;
    }
    let started = member.start().await?;
    let served = member.journal.until(started, SERVING).await?;
    let mut before = started;
    for (name, words) in STEPS {
        let Some(at) = said_until(&member.journal, started, served, words) else {
            continue;
        };
        let taken = at.saturating_sub(before);
        samples.entry((end, name)).or_default().push(taken);
        before = at;
    }
    let whole = served.saturating_sub(started);
    samples.entry((end, WHOLE)).or_default().push(whole);
    member.data_bytes()
}

/// The whole of a start.
const WHOLE: &str = "start to serving";

fn said_until(journal: &Journal, from: u64, to: u64, words: &str) -> Option<u64> {
    journal.first(from, words).filter(|at| *at <= to)
}

fn report(
    restart: &Restart,
    filled: f64,
    samples: &Samples,
    bytes: &[u64],
    format: Format,
) -> anyhow::Result<()> {
    let title = |end| match end {
        End::Clean => "clean end",
        End::Killed => "kill -9",
        End::Wiped => "empty disk",
    };
    let rows = samples
        .iter()
        .map(|((end, step), samples)| quantiles::row(&format!("{}: {step}", title(*end)), samples));
    let table = output::table(HEADER, rows.collect());
    let largest = bytes.iter().max().copied().unwrap_or(0);
    let steps = samples.iter().map(|((end, step), samples)| {
        json!({ "end": title(*end), "step": step, "us": quantiles::json(samples) })
    });
    let value = json!({
        "znodes": restart.fill.znodes,
        "value_size": restart.fill.value_size,
        "per_write": restart.fill.per_write,
        "filled_s": filled,
        "data_bytes": largest,
        "steps": steps.collect::<Vec<_>>(),
    });
    let text = format!(
        "{table}\n\n{} nodes of {} bytes, filled in {filled:.1} s; {:.0} MB on a server's disk",
        restart.fill.znodes,
        restart.fill.value_size,
        largest as f64 / 1e6
    );
    output::say(format, text, value)
}

//! `zareba bench restart`: how long a server with many nodes takes until it serves again, after a
//! clean end, after a kill, and with an empty disk; and where that time goes. The parts are read
//! from what the server logs, with the times it logs.

use std::collections::BTreeMap;

use anyhow::Context;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;
use zareba_client::model::{CreateMode, ServerId};
use zareba_client::{Client, Multi, Profile};

use super::journal::Journal;
use super::own_ensemble::OwnEnsemble;
use super::quantiles::{self, HEADER};
use crate::args::{Format, Restart};
use crate::{clock, output};

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
    let filled = fill(ensemble.profile(), &restart).await?;
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

/// Fills the ensemble; returns the seconds it took.
async fn fill(profile: Profile, restart: &Restart) -> anyhow::Result<f64> {
    let started = clock::now();
    let client = Client::builder().profile(profile).connect().await?;
    let data = Bytes::from(vec![b'x'; restart.value_size]);
    let folders = restart.znodes.div_ceil(PER_FOLDER);
    let progress = output::progress("nodes", restart.znodes as u64);
    let batches = (0..folders).map(|folder| {
        let (client, data, progress) = (client.clone(), data.clone(), progress.clone());
        let count = PER_FOLDER.min(restart.znodes - folder * PER_FOLDER);
        async move {
            // The folder is one of the nodes.
            let parent = format!("/fill-{folder:06}");
            let created = client.create(parent.as_str(), "", CreateMode::Persistent);
            created.await?;
            let nodes: Vec<_> = (1..count).collect();
            let writes = nodes.chunks(usize::from(restart.per_write)).map(|nodes| {
                let mut write = Multi::new();
                for node in nodes {
                    let path = format!("{parent}/node-{node:04}");
                    write = write.create(path, data.clone(), CreateMode::Persistent);
                }
                client.multi(write)
            });
            futures::future::try_join_all(writes).await?;
            progress.inc(count as u64);
            anyhow::Ok(())
        }
    });
    let filling = stream::iter(batches).buffer_unordered(BATCHES);
    filling.try_collect::<()>().await?;
    progress.finish_and_clear();
    client.close().await?;
    Ok(started.elapsed().as_secs_f64())
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
        "znodes": restart.znodes,
        "value_size": restart.value_size,
        "per_write": restart.per_write,
        "filled_s": filled,
        "data_bytes": largest,
        "steps": steps.collect::<Vec<_>>(),
    });
    let text = format!(
        "{table}\n\n{} nodes of {} bytes, filled in {filled:.1} s; {:.0} MB on a server's disk",
        restart.znodes,
        restart.value_size,
        largest as f64 / 1e6
    );
    output::say(format, text, value)
}

/// Nodes of one folder, itself included.
const PER_FOLDER: usize = 500;

/// Such folders at work.
const BATCHES: usize = 4;

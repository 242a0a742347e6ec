//! `zareba bench hostile`: native writers alone, and beside each kind of guest that misbehaves: what the
//! guest's callers got, and what the writers felt of it.

mod attacks;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use zareba_client::{Client, CreateMode};

use self::attacks::{AFTERWARDS, ATTACKS, Attack, Got, Guests};
use super::own_ensemble::OwnEnsemble;
use super::quantiles::quantile;
use super::timetable::{Cycle, Timetable};
use crate::args::{Format, Hostile};
use crate::output;

/// All that takes part.
struct Stage {
    ensemble: OwnEnsemble,
    operator: Client,
    writers: Vec<Client>,
    callers: usize,
    guests: Arc<Guests>,
    seconds: Duration,
}

/// What the writers felt.
#[derive(Clone, Copy, Debug)]
struct Felt {
    per_second: f64,
    /// Of one write, microseconds: median, p99, the longest.
    latency_us: [Option<u64>; 3],
}

/// One attack.
struct Row {
    attack: &'static str,
    got: Got,
    per_second: f64,
    alone: Felt,
    beside: Felt,
}

pub(super) async fn run(hostile: Hostile, format: Format) -> anyhow::Result<()> {
    let seconds = Duration::try_from_secs_f64(hostile.seconds).unwrap_or_default();
    if seconds.is_zero() || hostile.writers == 0 || hostile.callers == 0 {
        bail!("seconds are more than 0, writers and callers at least 1");
    }
    let stage = Stage::prepare(&hostile, seconds).await?;
    let mut rows = Vec::new();
    let progress = output::progress("attacks", ATTACKS.len() as u64 + 1);
    for attack in ATTACKS.into_iter().chain([AFTERWARDS]) {
        let row = stage.suffer(attack).await;
        rows.push(row.with_context(|| format!("beside one who {}", attack.name))?);
        progress.inc(1);
    }
    progress.finish_and_clear();
    let value = json!({
        "writers": hostile.writers,
        "callers": hostile.callers,
        "seconds": seconds.as_secs_f64(),
        "mounts": hostile.mounts,
        "attacks": rows.iter().map(Row::json).collect::<Vec<Value>>(),
    });
    let table = output::table(HEADER, rows.iter().map(Row::cells).collect());
    output::say(format, table, value)
}

impl Stage {
    async fn prepare(hostile: &Hostile, seconds: Duration) -> anyhow::Result<Self> {
        let ensemble = OwnEnsemble::start(&hostile.own).await?;
        let profile = ensemble.profile();
        let operator = Client::builder().profile(profile.clone()).connect().await?;
        let guests = Guests::push(&operator, &hostile.guests, hostile.mounts).await?;
        let writers = super::connect(&profile, hostile.writers).await?;
        for number in 0..writers.len() {
            let path = node(number);
            operator.create(path, "", CreateMode::Persistent).await?;
        }
        Ok(Self {
            ensemble,
            operator,
            writers,
            callers: hostile.callers,
            guests: Arc::new(guests),
            seconds,
        })
    }

    /// The writers alone, and right behind it beside the attack.
    async fn suffer(&self, attack: Attack) -> anyhow::Result<Row> {
        attack.prepare(&self.operator, &self.guests).await?;
        let times = self.timetable();
        let alone = felt(self.write(times), &times).await?;
        // Sessions of its own: what they leave behind ends with them.
        let callers = super::connect(&self.ensemble.profile(), self.callers).await?;
        let times = self.timetable();
        let calls: Vec<JoinHandle<Got>> = callers
            .iter()
            .map(|client| {
                let (client, guests) = (client.clone(), Arc::clone(&self.guests));
                tokio::spawn(async move { attack.go_on(&client, &guests, times).await })
            })
            .collect();
        let beside = felt(self.write(times), &times).await?;
        let mut got = Got::default();
        for call in calls {
            let call = tokio::time::timeout(PATIENCE, call).await;
            got.add(call.context("a call was never answered")??);
        }
        for client in callers {
            client.close().await?;
        }
        attack.clean_up(&self.operator).await?;
        ensure!(got.total() > 0, "its callers got nothing at all");
        Ok(Row {
            attack: attack.name,
            per_second: got.total() as f64 / times.measured().as_secs_f64(),
            got,
            alone,
            beside,
        })
    }

    fn timetable(&self) -> Timetable {
        Timetable::now(self.seconds / 4, self.seconds)
    }

    /// Each writer sets its own node, one write after the other.
    fn write(&self, times: Timetable) -> Vec<JoinHandle<anyhow::Result<Vec<Cycle>>>> {
        let writers = self.writers.iter().enumerate();
        let spawn = |(number, client): (usize, &Client)| {
            // What a leader that lost its office refuses is a longer write, not a failed one.
            let client = client.resending(PATIENCE);
            tokio::spawn(async move {
                let (path, data) = (node(number), Bytes::from(vec![b'x'; VALUE_BYTES]));
                let mut cycles = Vec::new();
                loop {
                    let began = times.time();
                    client.set(path.as_str(), data.clone(), None).await?;
                    let ended = times.time();
                    cycles.push(Cycle { began, ended });
                    if times.is_over() {
                        return Ok(cycles);
                    }
                }
            })
        };
        writers.map(spawn).collect()
    }
}

async fn felt(
    writers: Vec<JoinHandle<anyhow::Result<Vec<Cycle>>>>,
    times: &Timetable,
) -> anyhow::Result<Felt> {
    let mut cycles = Vec::new();
    for writer in writers {
        cycles.extend(writer.await.context("a writer has panicked")??);
    }
    let (durations, seconds) = times.durations(&cycles);
    Ok(Felt {
        per_second: durations.len() as f64 / seconds,
        latency_us: [0.5, 0.99, 1.0].map(|part| quantile(&durations, part)),
    })
}

impl Felt {
    fn cells(&self) -> [String; 4] {
        let ms =
            |us: Option<u64>| us.map_or("-".to_owned(), |us| format!("{:.2}", us as f64 / 1e3));
        let [median, p99, max] = self.latency_us.map(ms);
        [format!("{:.0}", self.per_second), median, p99, max]
    }

    fn json(&self) -> Value {
        let [median, p99, max] = self.latency_us;
        json!({
            "per_second": self.per_second,
            "latency_us": { "median": median, "p99": p99, "max": max },
        })
    }
}

impl Row {
    fn cells(&self) -> [String; 11] {
        let answers = self.got.answers.iter();
        let answers: Vec<String> = answers.map(|(it, times)| format!("{it} {times}")).collect();
        let [rate, median, p99, max] = self.alone.cells();
        let [rate_beside, median_beside, p99_beside, max_beside] = self.beside.cells();
        [
            self.attack.to_owned(),
            answers.join(", "),
            format!("{:.0}", self.per_second),
            rate,
            rate_beside,
            median,
            median_beside,
            p99,
            p99_beside,
            max,
            max_beside,
        ]
    }

    fn json(&self) -> Value {
        json!({
            "attack": self.attack,
            "got": self.got.answers,
            "words": self.got.words,
            "per_second": self.per_second,
            "alone": self.alone.json(),
            "beside": self.beside.json(),
        })
    }
}

/// The heads of the columns. Milliseconds of a native write, alone and beside.
const HEADER: [&str; 11] = [
    "the guest",
    "its callers got",
    "calls/s",
    "writes/s alone",
    "beside",
    "median alone",
    "beside",
    "p99 alone",
    "beside",
    "max alone",
    "beside",
];

fn node(writer: usize) -> String {
    format!("/native-{writer}")
}

/// Bytes of data of each write.
const VALUE_BYTES: usize = 1024;

/// How long a call of a guest, or a write, may take: many wait in line for a deadline each.
const PATIENCE: Duration = Duration::from_secs(60);

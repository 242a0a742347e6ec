//! `zareba bench watchers`: many sessions watch one node; how long after its change all of them
//! know, and what that costs. Beside it the floor: each session reads the node, which takes as many
//! messages to the sessions, and as many the other way.

use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};
use zareba_client::Client;
use zareba_client::model::CreateMode;

use super::crowd::{Crowd, Opening};
use super::own_ensemble::OwnEnsemble;
use super::quantiles::{self, HEADER};
use super::usage::Usage;
use crate::args::{Format, Watchers};
use crate::{clock, output};

/// The node that all watch.
const NODE: &str = "/watched";

/// What happens in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The node is set while nobody watches it.
    Unwatched,
    /// Each session reads the node; nothing is set.
    Reads,
    /// The node is set under one-time watches.
    OneTime,
    /// The node is set under persistent watches.
    Persistent,
}

/// The rounds of one kind.
struct Rounds {
    kind: Kind,
    /// Microseconds from the beginning of each round.
    answered: Vec<u64>,
    first: Vec<u64>,
    half: Vec<u64>,
    last: Vec<u64>,
    /// CPU microseconds of the servers and of the sessions, above what they use when nothing
    /// happens; all rounds together.
    cpu_us: [f64; 2],
    told: usize,
}

/// All that takes part.
struct Stage {
    ensemble: OwnEnsemble,
    crowd: Crowd,
    writer: Client,
    each: usize,
    /// CPU microseconds a second of the servers and of the sessions when nothing happens.
    idle_us: [f64; 2],
}

pub(super) async fn run(watchers: Watchers, format: Format) -> anyhow::Result<()> {
    if watchers.sessions == 0 || watchers.each == 0 || watchers.rounds == 0 {
        bail!("sessions, watches of each and rounds are at least 1");
    }
    let mut stage = Stage::prepare(&watchers).await?;
    let mut all = Vec::new();
    for kind in [
        Kind::Unwatched,
        Kind::Reads,
        Kind::OneTime,
        Kind::Persistent,
    ] {
        all.push(stage.play(kind, watchers.rounds).await?);
    }
    let moved = stage.crowd.count_moved().await?;
    report(&watchers, &all, stage.idle_us, moved, format)
}

impl Stage {
    async fn prepare(watchers: &Watchers) -> anyhow::Result<Self> {
        let ensemble = OwnEnsemble::start(&watchers.own).await?;
        let profile = ensemble.profile();
        let mut crowd = Crowd::start(watchers.crowd.processes)?;
        let opening = Opening {
            sessions: watchers.sessions,
            endpoints: profile.endpoints.clone(),
            ca_pem: profile.ca_pem.clone(),
            timeout_ms: TIMEOUT_MS,
            local: false,
        };
        crowd.open(&opening).await?;
        let writer = Client::builder().profile(profile).connect().await?;
        writer.create(NODE, "", CreateMode::Persistent).await?;
        let mut stage = Self {
            ensemble,
            crowd,
            writer,
            each: watchers.each,
            idle_us: [0.0; 2],
        };
        tokio::time::sleep(REST).await;
        let (before, began) = (stage.usage()?, clock::now());
        tokio::time::sleep(IDLE).await;
        let (after, seconds) = (stage.usage()?, began.elapsed().as_secs_f64());
        stage.idle_us = difference(after, before).map(|us| us / seconds);
        Ok(stage)
    }

    /// So many rounds of a kind.
    async fn play(&mut self, kind: Kind, count: usize) -> anyhow::Result<Rounds> {
        let mut rounds = Rounds {
            kind,
            answered: Vec::new(),
            first: Vec::new(),
            half: Vec::new(),
            last: Vec::new(),
            cpu_us: [0.0; 2],
            told: 0,
        };
        if kind == Kind::Persistent {
            self.crowd.watch(NODE, true, self.each).await?;
        }
        for _ in 0..count {
            if kind == Kind::OneTime {
                self.crowd.watch(NODE, false, self.each).await?;
            }
            self.round(&mut rounds).await?;
        }
        Ok(rounds)
    }

    async fn round(&mut self, rounds: &mut Rounds) -> anyhow::Result<()> {
        tokio::time::sleep(REST).await;
        let (before, began) = (self.usage()?, clock::now());
        let from = clock::unix_us();
        if rounds.kind != Kind::Reads {
            self.writer.set(NODE, "", None).await?;
            rounds.answered.push(clock::unix_us().saturating_sub(from));
        }
        let moments = match rounds.kind {
            Kind::Unwatched => Vec::new(),
            Kind::Reads => self.crowd.read(NODE).await?,
            Kind::OneTime | Kind::Persistent => self.crowd.await_events().await?,
        };
        // What follows the last of them, such as acknowledgements, belongs to the cost.
        tokio::time::sleep(REST).await;
        let (after, seconds) = (self.usage()?, began.elapsed().as_secs_f64());
        let spent = difference(after, before);
        for ((sum, spent), idle) in rounds.cpu_us.iter_mut().zip(spent).zip(self.idle_us) {
            *sum += spent - idle * seconds;
        }
        let at = |moment: Option<&u64>| moment.map(|moment| moment.saturating_sub(from));
        rounds.first.extend(at(moments.first()));
        rounds.half.extend(at(moments.get(moments.len() / 2)));
        rounds.last.extend(at(moments.last()));
        rounds.told += moments.len();
        Ok(())
    }

    /// What the servers and the sessions have used.
    fn usage(&self) -> anyhow::Result<[Usage; 2]> {
        Ok([self.ensemble.usage()?, self.crowd.usage()? + Usage::own()?])
    }
}

fn difference(after: [Usage; 2], before: [Usage; 2]) -> [f64; 2] {
    let [servers, sessions] = after;
    let [servers_before, sessions_before] = before;
    [servers - servers_before, sessions - sessions_before].map(|used| used.cpu_us as f64)
}

impl Kind {
    fn title(self) -> &'static str {
        match self {
            Self::Unwatched => "nobody watches",
            Self::Reads => "floor: each session reads",
            Self::OneTime => "one-time watches",
            Self::Persistent => "persistent watches",
        }
    }
}

impl Rounds {
    /// CPU time for each message to a session, or, without any, for each round.
    fn cost_us(&self) -> [f64; 2] {
        let share = match self.told {
            0 => self.answered.len().max(1),
            told => told,
        };
        self.cpu_us.map(|us| us / share as f64)
    }

    fn rows(&self) -> Vec<[String; 5]> {
        let steps = [
            ("set answered", &self.answered),
            ("first session", &self.first),
            ("half of the sessions", &self.half),
            ("last session", &self.last),
        ];
        let steps = steps.iter().filter(|(_, samples)| !samples.is_empty());
        let title = self.kind.title();
        let row = |(step, samples): &(&str, &Vec<u64>)| {
            quantiles::row(&format!("{title}: {step}"), samples)
        };
        steps.map(row).collect()
    }

    fn json(&self) -> Value {
        let [servers, sessions] = self.cost_us();
        json!({
            "kind": self.kind.title(),
            "told": self.told,
            "us": {
                "set_answered": quantiles::json(&self.answered),
                "first": quantiles::json(&self.first),
                "half": quantiles::json(&self.half),
                "last": quantiles::json(&self.last),
            },
            "cpu_us_each": { "servers": servers, "sessions": sessions },
        })
    }
}

fn report(
    watchers: &Watchers,
    all: &[Rounds],
    idle_us: [f64; 2],
    moved: usize,
    format: Format,
) -> anyhow::Result<()> {
    let times = output::table(HEADER, all.iter().flat_map(Rounds::rows).collect());
    let costs = all.iter().map(|rounds| {
        let [servers, sessions] = rounds.cost_us().map(|us| format!("{us:.1}"));
        let each = match rounds.told {
            0 => "a set",
            _ => "one told",
        };
        let title = format!("{}: {each}", rounds.kind.title());
        [title, servers, sessions]
    });
    let costs = output::table(
        ["CPU, microseconds", "servers", "sessions"],
        costs.collect(),
    );
    let [servers, sessions] = idle_us.map(|us| us / 1_000.0);
    let text = format!(
        "{times}\n\n{costs}\n\n{} sessions with {} watches each; {moved} changed their server; idle \
         they cost the servers {servers:.0} ms of CPU a second and themselves {sessions:.0} ms, \
         which is not counted above",
        watchers.sessions, watchers.each
    );
    let value = json!({
        "sessions": watchers.sessions,
        "watches_each": watchers.each,
        "rounds": watchers.rounds,
        "moved": moved,
        "idle_cpu_ms_per_second": { "servers": servers, "sessions": sessions },
        "kinds": all.iter().map(Rounds::json).collect::<Vec<_>>(),
    });
    output::say(format, text, value)
}

/// The sessions' timeout: long, so that heartbeats do not blur what is measured.
const TIMEOUT_MS: u64 = 60_000;

/// Before and behind each round.
const REST: Duration = Duration::from_millis(300);

/// How long it is looked at what idling costs.
const IDLE: Duration = Duration::from_secs(10);

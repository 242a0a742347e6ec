//! `zareba bench recipes`: the standard recipes beside the client library's own, on one ensemble, in one
//! run, in turn. Each run proves that what it measured was done right, or there is no figure.

mod figures;
mod sides;
mod work;

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use zareba_client::Client;

use self::figures::{Comparison, Figures, Goal, Spent};
use self::sides::{PLUGINS, Side};
use self::work::Lane;
use super::own_ensemble::OwnEnsemble;
use super::timetable::Timetable;
use super::usage::Usage;
use crate::args::{Format, RecipeBench, Recipes};
use crate::command::dev::recipes as standard;
use crate::output;

/// All that takes part.
struct Stage {
    ensemble: OwnEnsemble,
    clients: Vec<Client>,
    seconds: Duration,
    in_flight: u16,
}

pub(super) async fn run(recipes: Recipes, format: Format) -> anyhow::Result<()> {
    let seconds = Duration::try_from_secs_f64(recipes.seconds);
    let seconds = seconds
        .ok()
        .filter(|it| !it.is_zero() && *it <= SECONDS_MAX);
    let Some(seconds) = seconds.filter(|_| recipes.rounds > 0) else {
        bail!("seconds are more than 0 and at most {SECONDS_MAX:?}, rounds at least 1");
    };
    let wanted = |what: &RecipeBench| recipes.only.is_empty() || recipes.only.contains(what);
    let all: Vec<RecipeBench> = ALL.into_iter().filter(wanted).collect();
    let most = all.iter().map(|it| it.clients()).max().unwrap_or(1);
    let ensemble = OwnEnsemble::start(&recipes.own).await?;
    let clients = super::connect(&ensemble.profile(), most.max(SERVERS)).await?;
    let first = clients.first().context("there is no session")?;
    standard::mount_those(first, |name| PLUGINS.contains(&name)).await?;
    let stage = Stage {
        ensemble,
        clients,
        seconds,
        in_flight: recipes.in_flight,
    };
    let (set, comparisons) = stage.play(&all, recipes.rounds).await?;
    let mut value = figures::json(&set, &comparisons);
    if let (Some(object), Value::Object(settings)) = (
        value.as_object_mut(),
        json!({
            "seconds": seconds.as_secs_f64(),
            "rounds": recipes.rounds,
            "in_flight": recipes.in_flight,
        }),
    ) {
        object.extend(settings);
    }
    output::say(format, figures::text(&set, &comparisons), value)
}

impl Stage {
    /// All rounds: the median of a set, and what was measured on both sides.
    async fn play(
        &self,
        all: &[RecipeBench],
        rounds: usize,
    ) -> anyhow::Result<(Figures, Vec<Comparison>)> {
        let mut sets = Vec::new();
        let compare = |what: &RecipeBench| what.comparison(self.in_flight);
        let mut comparisons: Vec<Comparison> = all.iter().map(compare).collect();
        let progress = output::progress("runs", (rounds * (1 + 2 * all.len())) as u64);
        for round in 0..rounds {
            sets.push(self.set(round).await?);
            progress.inc(1);
            for (what, comparison) in all.iter().zip(&mut comparisons) {
                let mut sides = [Side::Plugin, Side::ClientSide];
                sides.rotate_left(round % 2);
                for side in sides {
                    let figures = self.recipe(*what, side, round).await;
                    let figures = figures.with_context(|| format!("{what:?}, {side:?}"))?;
                    match side {
                        Side::Plugin => comparison.plugin.push(figures),
                        Side::ClientSide => comparison.client_side.push(figures),
                    }
                    progress.inc(1);
                }
            }
        }
        progress.finish_and_clear();
        Ok((Figures::median(&sets), comparisons))
    }

    async fn set(&self, round: usize) -> anyhow::Result<Figures> {
        let clients = self.some(1, round)?;
        let client = clients.first().context("there is no session")?;
        self.measured(clients, async |times| work::set(client, times).await)
            .await
    }

    async fn recipe(&self, what: RecipeBench, side: Side, round: usize) -> anyhow::Result<Figures> {
        let clients = self.some(what.clients(), round)?;
        let name = format!("{what:?}-{round}").to_lowercase();
        let in_flight = self.in_flight;
        self.measured(clients, async |times| match what {
            RecipeBench::Lock | RecipeBench::Lock10 | RecipeBench::Lock50 => {
                work::lock(side, clients, &name, times).await
            }
            RecipeBench::Counter => work::counter(side, clients, in_flight, &name, times).await,
            RecipeBench::Queue => work::queue(side, clients, in_flight, &name, times).await,
            RecipeBench::Barrier50 | RecipeBench::Barrier200 => {
                work::barrier(side, clients, &name, times).await
            }
        })
        .await
    }

    /// So many sessions. One alone is at another server each round, as it may be at the leader or not.
    fn some(&self, count: usize, round: usize) -> anyhow::Result<&[Client]> {
        let from = if count == 1 { round % SERVERS } else { 0 };
        let clients = self.clients.get(from..from + count);
        clients.context("there are too few sessions")
    }

    /// One run, and what it took of requests and CPU time.
    async fn measured(
        &self,
        clients: &[Client],
        work: impl AsyncFnOnce(Timetable) -> anyhow::Result<Lane>,
    ) -> anyhow::Result<Figures> {
        let requests = || clients.iter().map(Client::requests_made).sum::<u64>();
        let (sent, usage) = (requests(), self.usage()?);
        let times = Timetable::now(self.seconds / 4, self.seconds);
        let lane = work(times).await?;
        let [servers, own] = self.usage()?;
        let spent = Spent {
            requests: requests() - sent,
            cpu_us: [(servers - usage[0]).cpu_us, (own - usage[1]).cpu_us],
        };
        Ok(Figures::of(&lane, &times, spent))
    }

    /// Of the servers, and of this process.
    fn usage(&self) -> anyhow::Result<[Usage; 2]> {
        Ok([self.ensemble.usage()?, Usage::own()?])
    }
}

impl RecipeBench {
    fn clients(self) -> usize {
        match self {
            Self::Lock => 1,
            Self::Lock10 => 10,
            Self::Lock50 | Self::Counter | Self::Barrier50 => 50,
            Self::Queue => 8,
            Self::Barrier200 => 200,
        }
    }

    fn comparison(self, in_flight: u16) -> Comparison {
        let clients = self.clients();
        let each = match in_flight {
            1 => String::new(),
            many => format!(" x {many}"),
        };
        let name = match self {
            Self::Lock => "lock, alone".to_owned(),
            Self::Lock10 | Self::Lock50 => format!("lock, {clients} contend"),
            Self::Counter => format!("counter, {clients}{each}"),
            Self::Queue => format!("queue, {0} + {0}{each}", clients / 2),
            Self::Barrier50 | Self::Barrier200 => format!("double barrier of {clients}"),
        };
        let goal = match self {
            Self::Lock => Goal::None,
            Self::Lock10 | Self::Lock50 => Goal::HandOff { sets: 1.3 },
            Self::Counter => Goal::Rate {
                per_second: 20_000.0,
                each: 1.0,
                what: "additions",
            },
            Self::Queue => Goal::Rate {
                per_second: 20_000.0,
                each: 1.0,
                what: "items",
            },
            Self::Barrier50 | Self::Barrier200 => Goal::Rate {
                per_second: 40_000.0,
                each: 2.0,
                what: "entries and exits",
            },
        };
        Comparison {
            name,
            clients,
            goal,
            plugin: Vec::new(),
            client_side: Vec::new(),
        }
    }
}

/// In the order of the table.
const ALL: [RecipeBench; 7] = [
    RecipeBench::Lock,
    RecipeBench::Lock10,
    RecipeBench::Lock50,
    RecipeBench::Counter,
    RecipeBench::Queue,
    RecipeBench::Barrier50,
    RecipeBench::Barrier200,
];

/// Servers of an ensemble of a measurement's own.
const SERVERS: usize = 3;

/// Longest run of one side.
const SECONDS_MAX: Duration = Duration::from_secs(300);

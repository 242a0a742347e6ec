//! `zareba bench`: drives a running ensemble and prints throughput, latency and CPU time; or makes
//! one of its own and does to it what is not done to a running one.

mod crowd;
mod crowd_member;
mod failover;
mod fill;
mod hostile;
mod idle_sessions;
mod journal;
mod load;
mod member;
mod own_ensemble;
mod quantiles;
mod recipes;
mod report;
mod restart;
mod timetable;
mod usage;
mod watchers;
mod writers;
mod znodes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use zareba_client::model::{CreateMode, ErrorCode};
use zareba_client::{Client, Profile};

use self::load::{Load, Tally};
use self::report::{Cpu, Report};
use crate::args::{Bench, BenchLoad, Ensemble, Format, OwnBench};
use crate::{clock, output, profile};

/// Nodes of the load lie below this one.
const ROOT: &str = "/bench";

pub(super) async fn run(bench: Bench, ensemble: &Ensemble, format: Format) -> anyhow::Result<()> {
    match bench.own {
        None => drive(bench.load, ensemble, format).await,
        Some(OwnBench::Failover(failover)) => failover::run(failover, format).await,
        Some(OwnBench::Restart(restart)) => restart::run(restart, format).await,
        Some(OwnBench::Watchers(watchers)) => watchers::run(watchers, format).await,
        Some(OwnBench::IdleSessions(idle)) => idle_sessions::run(idle, format).await,
        Some(OwnBench::Znodes(znodes)) => znodes::run(znodes, format).await,
        Some(OwnBench::Recipes(recipes)) => recipes::run(recipes, format).await,
        Some(OwnBench::Hostile(hostile)) => hostile::run(hostile, format).await,
        Some(OwnBench::Crowd) => crowd_member::run().await,
    }
}

/// The load on a running ensemble.
async fn drive(bench: BenchLoad, ensemble: &Ensemble, format: Format) -> anyhow::Result<()> {
    if bench.sessions == 0 || bench.keys == 0 || bench.seconds == 0 || bench.locks == 0 {
        bail!("sessions, keys, seconds and locks are at least 1");
    }
    let profile = profile::load(ensemble)?;
    let clients = connect(&profile, bench.sessions).await?;
    let first = clients.first().context("there is no session")?;
    prepare(first, &bench).await?;
    let load = Arc::new(Load::new(&bench)?);
    let counting = Arc::new(AtomicBool::new(false));
    let stopping = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for (number, client) in clients.iter().enumerate() {
        for lane in 0..load.lanes() {
            let seed = (number * 1_000 + lane) as u64;
            let (client, load) = (client.clone(), Arc::clone(&load));
            let (counting, stopping) = (Arc::clone(&counting), Arc::clone(&stopping));
            tasks.push(tokio::spawn(async move {
                load.run(&client, number, seed, &counting, &stopping).await
            }));
        }
    }
    tokio::time::sleep(Duration::from_secs(bench.warm_up)).await;
    let (cpu, started) = (Cpu::read(&profile).await?, clock::now());
    counting.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(bench.seconds)).await;
    counting.store(false, Ordering::Relaxed);
    let elapsed = started.elapsed();
    let cpu = Cpu::read(&profile).await?.since(&cpu);
    stopping.store(true, Ordering::Relaxed);
    let mut tally = Tally::default();
    for task in tasks {
        tally.add(task.await.context("a lane of the load has panicked")??);
    }
    let report = Report::new(&bench, &tally, elapsed, cpu);
    match format {
        Format::Text => output::line(report.text())?,
        Format::Json => output::line(report.json())?,
    }
    for client in clients {
        client.close().await?;
    }
    Ok(())
}

/// Sessions spread evenly: each begins its search at another server.
async fn connect(profile: &Profile, sessions: usize) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(sessions);
    for number in 0..sessions {
        let mut own = profile.clone();
        let shift = number % own.endpoints.len().max(1);
        own.endpoints.rotate_left(shift);
        own.endpoints.truncate(1);
        clients.push(Client::builder().profile(own).connect().await?);
    }
    Ok(clients)
}

async fn prepare(client: &Client, bench: &BenchLoad) -> anyhow::Result<()> {
    let data = Bytes::from(vec![b'x'; bench.value_size]);
    create(client, ROOT.to_owned(), Bytes::new()).await?;
    let nodes = (0..bench.keys).map(|key| create(client, load::key_path(key), data.clone()));
    for node in futures::future::join_all(nodes).await {
        node?;
    }
    Ok(())
}

async fn create(client: &Client, path: String, data: Bytes) -> anyhow::Result<()> {
    match client
        .create(path.as_str(), data.clone(), CreateMode::Persistent)
        .await
    {
        Err(error) if error.is(ErrorCode::NodeExists) => {
            client.set(path.as_str(), data, None).await?;
        }
        other => drop(other?),
    }
    Ok(())
}

//! What the load's lanes do, one request after the other, and what they count.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use bytes::Bytes;
use hdrhistogram::Histogram;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use zareba_client::Client;
use zareba_client::model::ZnodePath;

use super::ROOT;
use crate::args::BenchLoad;
use crate::clock;

/// Longest latency told apart, microseconds.
const LATENCY_US_MAX: u64 = 60_000_000;

/// The kind of load.
pub(super) struct Load {
    kind: Kind,
    in_flight: usize,
}

enum Kind {
    /// Sets and gets of nodes.
    Nodes {
        paths: Vec<ZnodePath>,
        reads: u8,
        data: Bytes,
    },
    /// Calls of a plugin.
    Calls {
        mount: ZnodePath,
        op: String,
        input: String,
    },
    /// Locks taken and given back.
    Locks { mount: ZnodePath, locks: usize },
}

/// What was counted.
pub(super) struct Tally {
    pub(super) latency_us: Histogram<u64>,
    pub(super) failed: u64,
    pub(super) first_failure: Option<String>,
}

impl Default for Tally {
    fn default() -> Self {
        let latency_us = Histogram::new_with_max(LATENCY_US_MAX, 3);
        let Ok(latency_us) = latency_us else {
            panic!("three digits up to a minute must fit")
        };
        Self {
            latency_us,
            failed: 0,
            first_failure: None,
        }
    }
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        let added = self.latency_us.add(&other.latency_us);
        assert!(added.is_ok(), "histograms of one shape must add up");
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
    }
}

/// A node of the load.
pub(super) fn key_path(key: usize) -> String {
    format!("{ROOT}/key-{key:06}")
}

impl Load {
    pub(super) fn new(bench: &BenchLoad) -> anyhow::Result<Self> {
        let in_flight = usize::from(bench.in_flight);
        if let Some(mount) = &bench.lock {
            let kind = Kind::Locks {
                mount: mount.clone(),
                locks: bench.locks,
            };
            return Ok(Self { kind, in_flight: 1 });
        }
        let kind = match &bench.call {
            Some(call) => {
                let mut parts = call.splitn(3, ':');
                let (mount, op) = (parts.next().unwrap_or_default(), parts.next());
                let Some(op) = op else {
                    bail!("--call is MOUNT:OP:INPUT, unlike {call:?}")
                };
                Kind::Calls {
                    mount: mount.parse().context("the mount of --call")?,
                    op: op.to_owned(),
                    input: parts.next().unwrap_or("{}").to_owned(),
                }
            }
            None => Kind::Nodes {
                paths: (0..bench.keys)
                    .map(|key| key_path(key).parse())
                    .collect::<Result<_, _>>()?,
                reads: bench.reads,
                data: Bytes::from(vec![b'y'; bench.value_size]),
            },
        };
        Ok(Self { kind, in_flight })
    }

    /// Requests each session keeps in flight.
    pub(super) fn lanes(&self) -> usize {
        self.in_flight
    }

    /// One lane: one request at a time until it is told to stop.
    pub(super) async fn run(
        &self,
        client: &Client,
        session: usize,
        seed: u64,
        counting: &AtomicBool,
        stopping: &AtomicBool,
    ) -> anyhow::Result<Tally> {
        let mut tally = Tally::default();
        let mut random = SmallRng::seed_from_u64(seed);
        while !stopping.load(Ordering::Relaxed) {
            let counted = counting.load(Ordering::Relaxed);
            let started = clock::now();
            let result = self.request(client, session, &mut random).await;
            if !counted || !counting.load(Ordering::Relaxed) {
                continue;
            }
            match result {
                Ok(()) => {
                    let us = u64::try_from(started.elapsed().as_micros()).unwrap_or(LATENCY_US_MAX);
                    tally.latency_us.saturating_record(us.max(1));
                }
                Err(error) => {
                    tally.failed += 1;
                    tally.first_failure.get_or_insert_with(|| error.to_string());
                }
            }
        }
        Ok(tally)
    }

    async fn request(
        &self,
        client: &Client,
        session: usize,
        random: &mut SmallRng,
    ) -> Result<(), zareba_client::Error> {
        match &self.kind {
            Kind::Nodes { paths, reads, data } => {
                let index = random.random_range(0..paths.len());
                let Some(path) = paths.get(index) else {
                    return Ok(());
                };
                if random.random_range(0..100) < *reads {
                    client.get(path).await.map(drop)
                } else {
                    client.set(path, data.clone(), None).await.map(drop)
                }
            }
            Kind::Calls { mount, op, input } => {
                let input = input.replace("{session}", &session.to_string());
                client
                    .call(mount, op.as_str(), input.into_bytes())
                    .await
                    .map(drop)
            }
            Kind::Locks { mount, locks } => {
                let name = format!("bench-{}", random.random_range(0..*locks));
                let guard = client.lock(mount, name)?.acquire().await?;
                guard.release().await
            }
        }
    }
}

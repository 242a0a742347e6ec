//! What is done again and again while it is measured, and each time the proof that it was done right: a
//! figure of something that breaks its promise is none. Knows not which side does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use zareba_client::{Client, CreateMode, ErrorCode};

use super::sides::{AnyBarrier, AnyCounter, AnyLock, AnyQueue, Side};
use crate::command::bench::timetable::{Cycle, Timetable};

/// What one lane of a run has done, or all of them together.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Each cycle that a client went through.
    pub(super) cycles: Vec<Cycle>,
    /// From a holder's release to the next one's word that it holds the lock, if that one waited.
    pub(super) hand_offs: Vec<Cycle>,
    /// Cycles for which requests were sent, also those that nobody measured.
    pub(super) done: u64,
}

impl Lane {
    fn went_through(&mut self, began: u64, ended: u64) {
        self.cycles.push(Cycle { began, ended });
        self.done += 1;
    }

    fn add(&mut self, other: Self) {
        self.cycles.extend(other.cycles);
        self.hand_offs.extend(other.hand_offs);
        self.done += other.done;
    }
}

/// One client sets a node, again and again: what one write in a quorum takes.
pub(super) async fn set(client: &Client, times: Timetable) -> anyhow::Result<Lane> {
    let data = Bytes::from(vec![b'x'; SET_BYTES]);
    let created = client.create(SET_NODE, data.clone(), CreateMode::Persistent);
    match created.await {
        Err(error) if error.is(ErrorCode::NodeExists) => {}
        other => drop(other?),
    }
    let mut lane = Lane::default();
    loop {
        let began = times.time();
        client.set(SET_NODE, data.clone(), None).await?;
        lane.went_through(began, times.time());
        if times.is_over() {
            return Ok(lane);
        }
    }
}

/// What a lock protects: it notices when two are in it, and when a later holder has no greater token.
#[derive(Debug, Default)]
struct Protected {
    is_held: AtomicBool,
    token: AtomicU64,
    /// When the last holder began to give it back.
    released: AtomicU64,
}

impl Protected {
    /// Returns when the last holder began to give it back.
    fn enter(&self, token: u64) -> anyhow::Result<u64> {
        let is_held = self.is_held.swap(true, Ordering::SeqCst);
        ensure!(!is_held, "two clients hold one lock, one by token {token}");
        let last = self.token.swap(token, Ordering::SeqCst);
        ensure!(token > last, "token {token} was given out behind {last}");
        Ok(self.released.load(Ordering::SeqCst))
    }

    fn leave(&self, at: u64) {
        self.released.store(at, Ordering::SeqCst);
        self.is_held.store(false, Ordering::SeqCst);
    }
}

/// Each client takes the lock and gives it back.
pub(super) async fn lock(
    side: Side,
    clients: &[Client],
    name: &str,
    times: Timetable,
) -> anyhow::Result<Lane> {
    let protected = Arc::new(Protected::default());
    let mut lanes = Vec::new();
    for client in clients {
        let lock = AnyLock::new(side, client, name)?;
        let protected = Arc::clone(&protected);
        lanes.push(tokio::spawn(async move {
            let mut lane = Lane::default();
            loop {
                let asked = times.time();
                let guard = lock.acquire().await?;
                let given = times.time();
                let released = protected.enter(guard.token())?;
                if asked < released {
                    let (began, ended) = (released, given);
                    lane.hand_offs.push(Cycle { began, ended });
                }
                protected.leave(times.time());
                guard.release().await?;
                lane.went_through(asked, times.time());
                if times.is_over() {
                    return anyhow::Ok(lane);
                }
            }
        }));
    }
    together(lanes).await
}

/// Each client adds to the counter, so many times at once.
pub(super) async fn counter(
    side: Side,
    clients: &[Client],
    in_flight: u16,
    name: &str,
    times: Timetable,
) -> anyhow::Result<Lane> {
    let mut lanes = Vec::new();
    for client in clients {
        for _ in 0..in_flight {
            let counter = AnyCounter::new(side, client, name)?;
            lanes.push(tokio::spawn(async move {
                let (mut lane, mut sums) = (Lane::default(), Vec::new());
                loop {
                    let began = times.time();
                    sums.push(counter.add().await?);
                    lane.went_through(began, times.time());
                    if times.is_over() {
                        return anyhow::Ok((lane, sums));
                    }
                }
            }));
        }
    }
    let (mut all, mut sums) = (Lane::default(), Vec::new());
    for (lane, told) in joined(lanes).await? {
        all.add(lane);
        sums.extend(told);
    }
    let client = clients.first().context("nobody counts")?;
    // What others were told may not be here yet.
    client.sync().await?;
    let value = AnyCounter::new(side, client, name)?.get().await?;
    let adds = i64::try_from(all.done)?;
    ensure!(value == adds, "after {adds} additions of 1 it is {value}");
    sums.sort_unstable();
    ensure!(
        sums.into_iter().eq(1..=adds),
        "two additions were told the same sum"
    );
    Ok(all)
}

/// How a queue is worked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes {
    /// Requests that each client has under way.
    pub(super) in_flight: u16,
    /// Items in each.
    pub(super) batch: usize,
}

/// The first half of the clients puts, the other takes; a cycle is an item taken. Puts wait while as many items
/// as [`BACKLOG`] for each that is under way are there.
pub(super) async fn queue(
    side: Side,
    clients: &[Client],
    Lanes { in_flight, batch }: Lanes,
    name: &str,
    times: Timetable,
) -> anyhow::Result<Lane> {
    let (producers, consumers) = clients.split_at(clients.len() / 2);
    let room = Arc::new(Semaphore::new(BACKLOG * usize::from(in_flight) * batch));
    let next = Arc::new(AtomicU64::new(0));
    let (mut puts, mut takes) = (Vec::new(), Vec::new());
    for client in producers.iter().flat_map(|it| repeat(it, in_flight)) {
        let queue = AnyQueue::new(side, client, name, batch)?;
        let (room, next) = (Arc::clone(&room), Arc::clone(&next));
        puts.push(tokio::spawn(async move {
            loop {
                room.acquire_many(u32::try_from(batch)?).await?.forget();
                let first = next.fetch_add(batch as u64, Ordering::Relaxed);
                let items = (first..first + batch as u64).map(|it| format!("{it:0ITEM_BYTES$}"));
                queue.put(items.collect()).await?;
                if times.is_over() {
                    return anyhow::Ok(());
                }
            }
        }));
    }
    for client in consumers.iter().flat_map(|it| repeat(it, in_flight)) {
        let queue = AnyQueue::new(side, client, name, batch)?;
        let room = Arc::clone(&room);
        takes.push(tokio::spawn(consume(queue, room, times)));
    }
    joined(puts).await?;
    let client = clients.first().context("nobody puts")?;
    let last = AnyQueue::new(side, client, name, 1)?;
    for _ in &takes {
        last.put(vec![END.to_owned()]).await?;
    }
    let (mut all, mut numbers) = (Lane::default(), Vec::new());
    for (lane, taken) in joined(takes).await? {
        all.add(lane);
        numbers.extend(taken);
    }
    numbers.sort_unstable();
    let put = next.load(Ordering::Relaxed);
    ensure!(
        numbers.into_iter().eq(0..put),
        "of {put} items some were taken twice or never"
    );
    Ok(all)
}

/// Takes until it meets the end: what it went through, and which items it had.
async fn consume(
    mut queue: AnyQueue,
    room: Arc<Semaphore>,
    times: Timetable,
) -> anyhow::Result<(Lane, Vec<u64>)> {
    let (mut lane, mut numbers) = (Lane::default(), Vec::new());
    loop {
        let began = times.time();
        let items = queue.take().await?;
        let ended = times.time();
        let (ends, items): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item == END);
        room.add_permits(items.len());
        for item in items {
            lane.went_through(began, ended);
            numbers.push(item.parse()?);
        }
        if !ends.is_empty() {
            lane.done += 1;
            queue.finish().await?;
            // Each taker needs one.
            for end in ends.into_iter().skip(1) {
                queue.put(vec![end]).await?;
            }
            return Ok((lane, numbers));
        }
    }
}

/// Who is in a double barrier, as its members see it.
#[derive(Debug, Default)]
struct Meeting {
    arrived: AtomicU64,
    left: AtomicU64,
    /// The round that is the last; 0 while that is not known.
    last: AtomicU64,
}

/// All clients enter and leave the barrier, round after round.
pub(super) async fn barrier(
    side: Side,
    clients: &[Client],
    name: &str,
    times: Timetable,
) -> anyhow::Result<Lane> {
    let members = clients.len();
    let meeting = Arc::new(Meeting::default());
    let mut lanes = Vec::new();
    for (number, client) in clients.iter().enumerate() {
        let barrier = AnyBarrier::new(side, client, name, members)?;
        let meeting = Arc::clone(&meeting);
        lanes.push(tokio::spawn(async move {
            let mut lane = Lane::default();
            for round in 1.. {
                let all = round * members as u64;
                let began = times.time();
                meeting.arrived.fetch_add(1, Ordering::SeqCst);
                let pass = barrier.enter().await?;
                let arrived = meeting.arrived.load(Ordering::SeqCst);
                ensure!(
                    arrived >= all,
                    "one entered when {arrived} of {all} were there"
                );
                // Nobody is told that all have left before this one has, so that all know by then.
                if number == 0 && times.is_over() {
                    meeting.last.store(round, Ordering::SeqCst);
                }
                meeting.left.fetch_add(1, Ordering::SeqCst);
                pass.leave().await?;
                let left = meeting.left.load(Ordering::SeqCst);
                ensure!(left >= all, "one left for good when {left} of {all} had");
                lane.went_through(began, times.time());
                if meeting.last.load(Ordering::SeqCst) == round {
                    break;
                }
            }
            anyhow::Ok(lane)
        }));
    }
    together(lanes).await
}

fn repeat(client: &Client, times: u16) -> impl Iterator<Item = &Client> {
    (0..times).map(move |_| client)
}

async fn together(lanes: Vec<JoinHandle<anyhow::Result<Lane>>>) -> anyhow::Result<Lane> {
    let mut all = Lane::default();
    for lane in joined(lanes).await? {
        all.add(lane);
    }
    Ok(all)
}

/// Waits for all; the first that fails is what is told, for others may wait for it in vain.
async fn joined<T>(lanes: Vec<JoinHandle<anyhow::Result<T>>>) -> anyhow::Result<Vec<T>> {
    // Not in their order: the first might wait for one behind it that has failed.
    let lanes: FuturesUnordered<_> = lanes
        .into_iter()
        .map(async |lane| lane.await.context("a lane of the load has panicked")?)
        .collect();
    let all = lanes.try_collect();
    match tokio::time::timeout(PATIENCE, all).await {
        Ok(all) => all,
        Err(_) => bail!("the load did not come to its end within {PATIENCE:?}"),
    }
}

/// The node that is set.
const SET_NODE: &str = "/set";

/// Bytes of its data.
const SET_BYTES: usize = 1024;

/// Bytes of an item, and its number's digits.
const ITEM_BYTES: usize = 100;

/// Items that a queue holds at once, at most, for each request that a client has in flight: a list of
/// them stays short, as on the day on which others' queues were measured.
const BACKLOG: usize = 64;

/// The item behind which there is none.
const END: &str = "end";

/// Longest run.
const PATIENCE: Duration = Duration::from_secs(600);

//! The ticker that ends guests which run too long. The only owner of time in this room; it must
//! never know which guest runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::EngineWeak;

/// One tick of the engine's epoch: the grain of a guest's wall time.
pub(crate) const TICK_MS: u64 = 1;

/// Ticks without a call after which the ticker sleeps until the next one: a server whose plugins
/// are idle must not be woken a thousand times a second, and one whose plugins are busy must not
/// pay for waking the ticker with every call.
const IDLE_TICKS: u64 = 100;

/// Ticks while guests run; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    /// Calls ever begun.
    begun: AtomicU64,
    running: AtomicU64,
    asleep: AtomicBool,
    ended: AtomicBool,
}

/// A guest runs as long as this lives.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a Shared);

impl Ticker {
    /// Starts the thread.
    pub(crate) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let handle = thread::Builder::new()
            .name("plugin-ticker".into())
            .spawn(move || tick(&engine, &own))?;
        let thread = handle.thread().clone();
        Ok(Self { shared, thread })
    }

    /// A guest begins to run, and has to be ended in time.
    pub(crate) fn run(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        self.shared.begun.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(&self.shared)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this file is the room's clock: its tick is time itself"
)]
fn tick(engine: &EngineWeak, shared: &Shared) {
    let (mut seen, mut idle) = (0, 0);
    while !shared.ended.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(TICK_MS));
        let Some(engine) = engine.upgrade() else {
            return;
        };
        engine.increment_epoch();
        let begun = shared.begun.load(Ordering::SeqCst);
        let busy = begun != seen || shared.running.load(Ordering::SeqCst) > 0;
        (seen, idle) = (begun, if busy { 0 } else { idle + 1 });
        if idle >= IDLE_TICKS {
            sleep_until_called(shared, seen);
            idle = 0;
        }
    }
}

/// Parks until a guest runs. A call that begins meanwhile is either counted before this thread
/// looks again, or sees that it is asleep and wakes it.
fn sleep_until_called(shared: &Shared, seen: u64) {
    shared.asleep.store(true, Ordering::SeqCst);
    while shared.begun.load(Ordering::SeqCst) == seen && !shared.ended.load(Ordering::SeqCst) {
        thread::park();
    }
    shared.asleep.store(false, Ordering::SeqCst);
}

/// A moment, to tell how long something took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(std::time::Instant);

impl Moment {
    /// This one.
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is the room's clock; what it tells is shown to operators and decides nothing"
    )]
    pub(crate) fn now() -> Self {
        Self(std::time::Instant::now())
    }

    /// Nanoseconds since then.
    pub(crate) fn elapsed_ns(self) -> u64 {
        let passed = Self::now().0.saturating_duration_since(self.0);
        u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// What a guest may take of a processor's time.
///
/// The ticker ends a slice of it; then it is asked how much of that time the thread really ran. A guest that
/// had to wait for a processor, or whose machine stood still, is not ended for it, and one that is done
/// within its first slice, as nearly all are, costs no look at a clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Ticks of a slice.
    slice: u64,
    /// Behind the first slice, which counts in full.
    rest: Duration,
    /// The thread's time when that was over.
    since: Option<Duration>,
}

impl Allowance {
    pub(crate) fn new(time_ms_max: u32) -> Self {
        let all = u64::from(time_ms_max);
        let slice = (all / SLICES).max(1);
        Self {
            slice: slice / TICK_MS,
            rest: Duration::from_millis(all.saturating_sub(slice)),
            since: None,
        }
    }

    /// Ticks until the guest is looked at first: the one under way counts for nothing.
    pub(crate) fn first_slice(&self) -> u64 {
        self.slice + 1
    }

    /// A slice is over when its thread has had that much of a processor. Ticks of the next one; nothing if its
    /// time is over, or nobody knows what it has had.
    pub(crate) fn next_slice(&mut self, thread_time: Option<Duration>) -> Option<u64> {
        let thread_time = thread_time?;
        let since = *self.since.get_or_insert(thread_time);
        let had = thread_time.saturating_sub(since);
        (had < self.rest).then_some(self.slice)
    }
}

/// Slices of an allowance: the more, the less a guest can take too much.
const SLICES: u64 = 4;

/// What this thread has had of a processor, where the system tells.
pub(crate) fn thread_time() -> Option<Duration> {
    let time = cpu_time::ThreadTime::try_now().ok()?;
    Some(time.as_duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            thread::yield_now();
        }
    }

    #[test]
    fn the_ticker_sleeps_when_nothing_runs_and_wakes_for_a_call() {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start(engine.weak()).unwrap();
        let asleep = || ticker.shared.asleep.load(Ordering::SeqCst);
        until(asleep);
        let running = ticker.run();
        until(|| !asleep());
        drop(running);
        until(asleep);
    }

    #[test]
    fn only_time_on_a_processor_ends_a_guest() {
        let ms = Duration::from_millis;
        let mut waits = Allowance::new(50);
        assert_eq!(waits.first_slice(), 13);
        for had in [100, 100, 101, 137] {
            assert_eq!(waits.next_slice(Some(ms(had))), Some(12));
        }
        assert_eq!(waits.next_slice(Some(ms(138))), None);
        let mut shortest = Allowance::new(1);
        assert_eq!(shortest.first_slice(), 2);
        assert_eq!(shortest.next_slice(Some(ms(7))), None);
        assert_eq!(Allowance::new(50).next_slice(None), None);
    }

    #[test]
    fn a_thread_that_works_has_had_time() {
        let begun = thread_time().unwrap();
        until(|| thread_time().unwrap() > begun);
    }
}

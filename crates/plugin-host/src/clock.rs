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

/// The deadline of a call that starts now, in ticks: the tick under way counts for nothing.
pub(crate) fn deadline_ticks(time_ms_max: u32) -> u64 {
    u64::from(time_ms_max) / TICK_MS + 1
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
}

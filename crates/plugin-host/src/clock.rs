//! The ticker that ends guests which run too long. The only owner of time in this room; it must
//! never know which guest runs.

use std::thread;
use std::time::Duration;

use wasmtime::EngineWeak;

/// One tick of the engine's epoch: the grain of a guest's wall time.
pub(crate) const TICK_MS: u64 = 1;

/// Starts a thread that ticks as long as the engine lives.
#[expect(
    clippy::disallowed_methods,
    reason = "this file is the room's clock: its tick is time itself"
)]
pub(crate) fn start_ticker(engine: EngineWeak) -> std::io::Result<()> {
    thread::Builder::new()
        .name("plugin-ticker".into())
        .spawn(move || {
            loop {
                thread::sleep(Duration::from_millis(TICK_MS));
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
    Ok(())
}

/// The deadline of a call that starts now, in ticks: the tick under way counts for nothing.
pub(crate) fn deadline_ticks(time_ms_max: u32) -> u64 {
    u64::from(time_ms_max) / TICK_MS + 1
}

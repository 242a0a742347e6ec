//! The loop: one task, sole owner of the replica, on a thread that it shares with the links to peers. Inputs are taken in batches, outputs are
//! carried out after each batch. Must never decide what an input means.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use zareba_model::{PluginDescription, Sha256};

use zareba_plugin_host::{Compiled, PluginHost};
use zareba_replica::{Input, Now, Output, Replica};

use crate::clock::Clock;
use crate::config::TICK_MS;
use crate::error::ServerError;
use crate::event::Event;
use crate::metrics::Metrics;
use crate::queue::{Receiver, Taken};
use crate::shell::Shell;

/// What the loop owns: the replica, or what stands for it in a test.
pub(crate) trait Brain {
    /// One thing happened.
    fn handle(&mut self, now: Now, input: Input, outputs: &mut Vec<Output>);
    /// A batch is over.
    fn flush(&mut self, now: Now, outputs: &mut Vec<Output>);
    /// A component can be run from now on.
    fn install(&mut self, sha256: Sha256, component: Arc<Compiled>) -> PluginDescription;
}

impl Brain for Replica<PluginHost> {
    fn handle(&mut self, now: Now, input: Input, outputs: &mut Vec<Output>) {
        Self::handle(self, now, input, outputs);
    }

    fn flush(&mut self, now: Now, outputs: &mut Vec<Output>) {
        Self::flush(self, now, outputs);
    }

    fn install(&mut self, sha256: Sha256, component: Arc<Compiled>) -> PluginDescription {
        let description = component.description().clone();
        self.plugins_mut().install(sha256, component);
        description
    }
}

/// The loop.
pub(crate) struct MainLoop<B> {
    brain: B,
    shell: Shell,
    events: Receiver<Event>,
    /// Taken from the queue and not handled yet.
    taken: Taken<Event>,
    clock: Clock,
    next_tick: zareba_zab::Now,
    outputs: Vec<Output>,
    metrics: Arc<Metrics>,
}

/// The loop is over; the error, if it is not because the operator wished it.
type End = Result<(), ServerError>;

/// Picks one of the two lanes.
type Lane = fn(&mut Taken<Event>) -> &mut VecDeque<Event>;

impl<B: Brain> MainLoop<B> {
    /// `outputs` are those of the replica's beginning.
    pub(crate) fn new(
        brain: B,
        shell: Shell,
        events: Receiver<Event>,
        clock: Clock,
        metrics: Arc<Metrics>,
        outputs: Vec<Output>,
    ) -> Self {
        Self {
            brain,
            shell,
            events,
            taken: Taken::default(),
            next_tick: clock.now().monotonic,
            clock,
            outputs,
            metrics,
        }
    }

    /// Runs until the end.
    pub(crate) async fn run(mut self) -> End {
        let mut ticks = tokio::time::interval(Duration::from_millis(TICK_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.shell.carry_out(&mut self.outputs);
        loop {
            if let Some(end) = self.turn() {
                self.shell.clients.say_goodbye();
                return end;
            }
            if !self.wait(&mut ticks).await {
                // Every sender is gone, so nobody is left to serve.
                return Ok(());
            }
        }
    }

    /// One batch: what is queued now, up to a bound, then the outputs.
    fn turn(&mut self) -> Option<End> {
        let now = self.clock.now();
        if now.monotonic >= self.next_tick {
            self.next_tick = now.monotonic.after_ms(TICK_MS);
            self.brain.handle(now, Input::Tick, &mut self.outputs);
        }
        let lanes: [Lane; 2] = [|taken| &mut taken.first, |taken| &mut taken.second];
        for lane in lanes {
            if let Some(end) = self.drain(now, lane) {
                return Some(end);
            }
        }
        self.brain.flush(now, &mut self.outputs);
        self.shell.carry_out(&mut self.outputs);
        self.metrics.batches.add(1);
        self.shell.removed.take().map(Err)
    }

    fn drain(&mut self, now: Now, lane: Lane) -> Option<End> {
        let mut inputs = 0;
        while inputs < BATCH_INPUTS_MAX {
            let Some(event) = lane(&mut self.taken).pop_front() else {
                break;
            };
            match self.take(now, event) {
                Ok(more) => inputs += more,
                Err(end) => return Some(end),
            }
        }
        None
    }

    /// Takes one event and says how many inputs it was.
    fn take(&mut self, now: Now, event: Event) -> Result<usize, End> {
        match event {
            Event::Requests { inputs, credit } => {
                // From here the connection may send more, while this batch is at work.
                drop(credit);
                let count = inputs.len();
                self.metrics.client_messages.add(count);
                for input in inputs {
                    self.brain.handle(now, input, &mut self.outputs);
                }
                return Ok(count);
            }
            Event::Connected { connection, handle } => self.shell.clients.add(connection, handle),
            Event::Disconnected { connection } => {
                self.shell.clients.remove(connection);
                let input = Input::Disconnected { connection };
                self.brain.handle(now, input, &mut self.outputs);
            }
            Event::Input(input) => self.brain.handle(now, input, &mut self.outputs),
            Event::Compiled { sha256, result } => {
                let result = result.map(|component| self.brain.install(sha256, component));
                let input = Input::Compiled { sha256, result };
                self.brain.handle(now, input, &mut self.outputs);
            }
            Event::Fatal(error) => return Err(Err(error)),
            Event::Shutdown => return Err(Ok(())),
        }
        Ok(1)
    }

    /// Takes what has come, and if that is nothing waits for the next event or tick, whichever is
    /// first. False if no event can come any more.
    async fn wait(&mut self, ticks: &mut Interval) -> bool {
        if self.events.try_take(&mut self.taken) {
            // Links to peers live on the same thread; a busy loop lets them have their turn.
            tokio::task::yield_now().await;
            return true;
        }
        tokio::select! {
            biased;
            there = self.events.take_async(&mut self.taken) => there,
            _ = ticks.tick() => true,
        }
    }
}

/// Inputs of one batch from each lane: more would only make the first of them wait.
const BATCH_INPUTS_MAX: usize = 4_096;

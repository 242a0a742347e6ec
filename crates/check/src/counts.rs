//! What an exploration came to, in words. Knows no state.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use stateright::report::{ReportData, ReportDiscovery, Reporter};
use stateright::{DiscoveryClassification, Model};
use zareba_check::{Action, Ensemble};

/// How far it came.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Generated, repeats included.
    pub(crate) states: usize,
    unique: usize,
    depth: usize,
    took: Duration,
    /// When progress was last told, seconds.
    said: u64,
    /// Properties that do not hold.
    pub(crate) failures: usize,
}

impl Reporter<Ensemble> for Counts {
    fn report_checking(&mut self, data: ReportData) {
        self.states = data.total_states;
        self.unique = data.unique_states;
        self.depth = data.max_depth;
        self.took = data.duration;
        let seconds = self.took.as_secs();
        if !data.done && seconds >= self.said + 10 {
            self.said = seconds;
            println!(
                "... {} states generated, {} unique, depth {}, {seconds} s",
                self.states, self.unique, self.depth
            );
        }
    }

    fn report_discoveries(
        &mut self,
        _: &Ensemble,
        discoveries: BTreeMap<&'static str, ReportDiscovery<Ensemble>>,
    ) where
        Action: Debug + PartialEq,
        <Ensemble as Model>::State: Debug + Hash + PartialEq,
    {
        for (name, discovery) in discoveries {
            let last = discovery.path.last_state().violation().cloned();
            let actions = discovery.path.into_actions();
            match discovery.classification {
                DiscoveryClassification::Example => {
                    println!("seen: {name}");
                }
                DiscoveryClassification::Counterexample => {
                    self.failures += 1;
                    for action in &actions {
                        println!("  {action:?}");
                    }
                    if let Some(violation) = last {
                        println!("{violation}");
                    }
                }
            }
        }
    }

    fn delay(&self) -> Duration {
        Duration::from_millis(200)
    }
}

impl Counts {
    /// The last words.
    pub(crate) fn report(&self, cut_short: bool) {
        let seconds = self.took.as_secs_f64();
        let rate = self.states as f64 / seconds.max(0.001);
        let verdict = match (self.failures, cut_short) {
            (0, false) => "complete, no violation",
            (0, true) => "cut short, no violation so far",
            _ => "a property does not hold",
        };
        println!(
            "{} states generated, {} unique, depth {}, {seconds:.1} s, {rate:.0} a second: {verdict}",
            self.states, self.unique, self.depth
        );
    }
}

//! From cycles to figures, from rounds to medians, and how they are shown beside the goals. Knows no
//! recipe.

use serde_json::{Value, json};

use super::work::Lane;
use crate::command::bench::quantiles::quantile;
use crate::command::bench::timetable::Timetable;
use crate::output;

/// One side of a measurement, in one round or as the median of all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) per_second: f64,
    /// Of one cycle of one client, microseconds.
    pub(super) median_us: f64,
    pub(super) p99_us: f64,
    /// Requests sent for each cycle, by all clients together.
    pub(super) requests: f64,
    /// From a holder's release to the next one's word, median, microseconds.
    pub(super) hand_off_us: Option<f64>,
    /// CPU time for each cycle: servers, clients; microseconds.
    pub(super) cpu_us: [f64; 2],
}

/// What a run used beside time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) requests: u64,
    /// Servers, clients; microseconds.
    pub(super) cpu_us: [i64; 2],
}

/// What a measurement shall reach, and how to say how far it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    None,
    /// A hand-off in so many medians of a set.
    HandOff {
        sets: f64,
    },
    /// So many of something in a second, of which a cycle has `each`.
    Rate {
        per_second: f64,
        each: f64,
        what: &'static str,
    },
}

/// Both sides of a measurement.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    pub(super) name: String,
    pub(super) clients: usize,
    pub(super) goal: Goal,
    pub(super) plugin: Vec<Figures>,
    pub(super) client_side: Vec<Figures>,
}

impl Figures {
    pub(super) fn of(lane: &Lane, times: &Timetable, spent: Spent) -> Self {
        let (durations, seconds) = times.durations(&lane.cycles);
        let at = |part| quantile(&durations, part).map_or(f64::NAN, |us| us as f64);
        let hand_offs = times.within(&lane.hand_offs);
        let each = |spent: f64| spent / lane.done as f64;
        Self {
            per_second: durations.len() as f64 / seconds,
            median_us: at(0.5),
            p99_us: at(0.99),
            requests: each(spent.requests as f64),
            hand_off_us: quantile(&hand_offs, 0.5).map(|us| us as f64),
            cpu_us: spent.cpu_us.map(|us| each(us as f64)),
        }
    }

    /// Of each figure the median over the rounds.
    pub(super) fn median(rounds: &[Self]) -> Self {
        let over = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        let hand_offs: Vec<f64> = rounds.iter().filter_map(|it| it.hand_off_us).collect();
        Self {
            per_second: over(|it| it.per_second),
            median_us: over(|it| it.median_us),
            p99_us: over(|it| it.p99_us),
            requests: over(|it| it.requests),
            hand_off_us: (!hand_offs.is_empty()).then(|| median(hand_offs)),
            cpu_us: [over(|it| it.cpu_us[0]), over(|it| it.cpu_us[1])],
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "per_second": self.per_second,
            "median_us": self.median_us,
            "p99_us": self.p99_us,
            "requests": self.requests,
            "hand_off_us": self.hand_off_us,
            "cpu_us": { "servers": self.cpu_us[0], "clients": self.cpu_us[1] },
        })
    }

    fn cells(&self) -> [String; 6] {
        [
            whole(self.per_second),
            milliseconds(self.median_us),
            milliseconds(self.p99_us),
            self.hand_off_us.map_or(String::new(), milliseconds),
            format!("{:.1}", self.requests),
            format!("{:.0} + {:.0}", self.cpu_us[0], self.cpu_us[1]),
        ]
    }
}

impl Goal {
    /// What shall be reached, and what is.
    fn text(&self, plugin: &Figures, set_us: f64) -> [String; 2] {
        match self.reached(plugin, set_us) {
            None => [String::new(), String::new()],
            Some(reached) => match self {
                Self::None => [String::new(), String::new()],
                Self::HandOff { sets } => [
                    format!("hand-off <= {sets:.1} sets"),
                    format!("{reached:.2}"),
                ],
                Self::Rate {
                    per_second, what, ..
                } => [
                    format!("{what} >= {}/s", whole(*per_second)),
                    format!("{}/s", whole(reached)),
                ],
            },
        }
    }

    fn reached(&self, plugin: &Figures, set_us: f64) -> Option<f64> {
        match self {
            Self::None => None,
            Self::HandOff { .. } => plugin.hand_off_us.map(|us| us / set_us),
            Self::Rate { each, .. } => Some(plugin.per_second * each),
        }
    }

    fn json(&self, plugin: &Figures, set_us: f64) -> Value {
        let reached = self.reached(plugin, set_us);
        match self {
            Self::None => Value::Null,
            Self::HandOff { sets } => json!({ "hand_off_sets_max": sets, "reached": reached }),
            Self::Rate {
                per_second, what, ..
            } => json!({ "per_second_min": per_second, "of": what, "reached": reached }),
        }
    }
}

impl Comparison {
    /// How many times as fast the plugin is: the median of the rounds' ratios, since both sides of a
    /// round saw the same machine.
    fn ratio(&self) -> f64 {
        let rounds = self.plugin.iter().zip(&self.client_side);
        median(
            rounds
                .map(|(plugin, client)| plugin.per_second / client.per_second)
                .collect(),
        )
    }

    /// Two rows of the table.
    fn rows(&self, set_us: f64) -> [[String; 11]; 2] {
        let sides = [("plugin", &self.plugin), ("client-side", &self.client_side)];
        let plugin = Figures::median(&self.plugin);
        sides.map(|(side, rounds)| {
            let [rate, median, p99, hand_off, requests, cpu] = Figures::median(rounds).cells();
            let is_plugin = side == "plugin";
            let only = |text: String| if is_plugin { text } else { String::new() };
            let [goal, reached] = self.goal.text(&plugin, set_us);
            [
                only(self.name.clone()),
                side.to_owned(),
                rate,
                only(format!("{:.2}", self.ratio())),
                median,
                p99,
                hand_off,
                requests,
                cpu,
                only(goal),
                only(reached),
            ]
        })
    }

    fn json(&self, set_us: f64) -> Value {
        let side = |rounds: &[Figures]| {
            let all: Vec<Value> = rounds.iter().map(Figures::json).collect();
            json!({ "median": Figures::median(rounds).json(), "rounds": all })
        };
        json!({
            "name": self.name,
            "clients": self.clients,
            "plugin": side(&self.plugin),
            "client_side": side(&self.client_side),
            "ratio": self.ratio(),
            "goal": self.goal.json(&Figures::median(&self.plugin), set_us),
        })
    }
}

/// The table for people.
pub(super) fn text(set: &Figures, comparisons: &[Comparison]) -> String {
    let set_us = set.median_us;
    let rows = comparisons.iter().flat_map(|it| it.rows(set_us)).collect();
    let table = output::table(HEADER, rows);
    let [rate, median, p99, _, requests, cpu] = set.cells();
    format!(
        "{table}\n\na set of 1 KiB, one client alone: {rate}/s, median {median} ms, p99 {p99} ms, \
         {requests} requests, CPU {cpu} us"
    )
}

/// The same for programs.
pub(super) fn json(set: &Figures, comparisons: &[Comparison]) -> Value {
    let each = comparisons.iter().map(|it| it.json(set.median_us));
    json!({ "set": set.json(), "measurements": each.collect::<Vec<Value>>() })
}

/// The heads of the columns.
const HEADER: [&str; 11] = [
    "",
    "side",
    "cycles/s",
    "ratio",
    "median ms",
    "p99 ms",
    "hand-off ms",
    "requests",
    "CPU us",
    "goal",
    "reached",
];

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => f64::NAN,
        (Some(upper), 1) => *upper,
        (Some(upper), _) => values
            .get(middle - 1)
            .map_or(*upper, |lower| (lower + upper) / 2.0),
    }
}

fn whole(number: f64) -> String {
    format!("{number:.0}")
}

fn milliseconds(us: f64) -> String {
    format!("{:.2}", us / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::command::bench::timetable::Cycle;

    #[test]
    fn figures_are_those_of_the_measured_time_and_requests_those_of_all() {
        let times = Timetable::now(Duration::from_millis(1), Duration::from_millis(10));
        let cycle = |began, ended| Cycle { began, ended };
        let lane = Lane {
            cycles: vec![
                cycle(0, 900),
                cycle(900, 1_100),
                cycle(1_100, 11_000),
                cycle(2_000, 11_001),
            ],
            hand_offs: vec![cycle(1_000, 1_200)],
            done: 4,
        };
        let spent = Spent {
            requests: 10,
            cpu_us: [400, 40],
        };
        let figures = Figures::of(&lane, &times, spent);
        assert_eq!(figures.per_second, 200.0);
        assert_eq!((figures.median_us, figures.p99_us), (200.0, 9_900.0));
        assert_eq!(figures.requests, 2.5);
        assert_eq!(figures.hand_off_us, Some(200.0));
        assert_eq!(figures.cpu_us, [100.0, 10.0]);
        let goal = Goal::HandOff { sets: 1.3 };
        assert_eq!(goal.reached(&figures, 100.0), Some(2.0));
    }

    #[test]
    fn a_run_too_short_for_a_cycle_is_measured_to_its_end() {
        let times = Timetable::now(Duration::from_millis(1), Duration::from_millis(1));
        let lane = Lane {
            cycles: vec![Cycle {
                began: 0,
                ended: 500_000,
            }],
            hand_offs: Vec::new(),
            done: 1,
        };
        let spent = Spent {
            requests: 1,
            cpu_us: [0, 0],
        };
        let figures = Figures::of(&lane, &times, spent);
        assert_eq!((figures.per_second, figures.median_us), (2.0, 500_000.0));
    }

    #[test]
    fn the_ratio_is_that_of_pairs() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }
}

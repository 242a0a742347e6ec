//! The measurements that make an ensemble of their own, run as small as they go: that they come to their
//! end and say what they shall. Their figures are nobody's here. Must never use the client library.

use harness::{plugin, within};
use serde_json::Value;

use crate::local::run;

#[tokio::test(flavor = "multi_thread")]
async fn recipes_are_measured_on_both_sides_in_one_run() {
    let value = measure(&["recipes", "--seconds", "0.1", "--rounds", "2"]).await;
    assert_eq!(value["rounds"], 2);
    let measurements = value["measurements"].as_array().unwrap();
    let names: Vec<_> = measurements
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    let expected = [
        "lock, alone",
        "lock, 10 contend",
        "lock, 50 contend",
        "counter, 50",
        "queue, 4 + 4",
        "queue, 4 + 4, by 16",
        "double barrier of 50",
        "double barrier of 200",
    ];
    assert_eq!(names, expected);
    // One call for each step, or for 16 of them; who is turned away meanwhile calls again.
    let calls = [2.0, 2.0, 2.0, 1.0, 3.0, 2.0 / 16.0, 2.0, 2.0];
    for (measurement, calls) in measurements.iter().zip(calls) {
        let figure = |side: &str, what: &str| {
            let figure = measurement[side]["median"][what].as_f64();
            figure.unwrap_or_else(|| panic!("no {what} of {side} in {measurement}"))
        };
        for side in ["plugin", "client_side"] {
            assert_eq!(measurement[side]["rounds"].as_array().unwrap().len(), 2);
            assert!(figure(side, "per_second") > 0.0, "{measurement}");
            assert!(figure(side, "p99_us") >= figure(side, "median_us"));
        }
        assert!(figure("plugin", "requests") >= calls, "{measurement}");
        assert!(figure("client_side", "requests") > calls, "{measurement}");
        assert!(
            measurement["ratio"].as_f64().unwrap() > 0.0,
            "{measurement}"
        );
    }
    assert!(value["set"]["median_us"].as_f64().unwrap() > 0.0);
    assert!(measurements[3]["goal"]["reached"].as_f64().unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_recipes_that_are_named_are_measured_and_people_are_shown_a_table() {
    let only = [
        "bench",
        "recipes",
        "--only",
        "counter",
        "--seconds",
        "0.1",
        "--rounds",
        "1",
    ];
    let said = within("the measurement", run(&only)).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    for words in [
        "counter, 50",
        "client-side",
        "additions >= 20000/s",
        "a set of 1 KiB",
    ] {
        assert!(said.output.contains(words), "{}", said.output);
    }
    assert!(!said.output.contains("queue"), "{}", said.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn native_writers_are_measured_beside_every_hostile_guest() {
    let guests = plugin::component_path("guests/dist");
    let mut arguments = vec!["hostile", "--guests", guests.to_str().unwrap()];
    arguments.extend(["--seconds", "0.2", "--mounts", "20"]);
    arguments.extend(["--writers", "2", "--callers", "1"]);
    let value = measure(&arguments).await;
    let attacks = value["attacks"].as_array().unwrap();
    let expected = [
        ("spins", "PLUGIN_DEADLINE"),
        ("recurses", "PLUGIN_TRAP"),
        ("traps", "PLUGIN_TRAP"),
        ("floods changes", "PLUGIN_LIMIT"),
        ("parks for ever", "parked"),
        ("traps in migrate", "PLUGIN_TRAP"),
        ("spins in migrate", "PLUGIN_DEADLINE"),
        ("wrong types: input", "BAD_ARGUMENTS"),
        ("wrong types: component", "PLUGIN_REFUSED"),
        ("is called everywhere", "ok"),
    ];
    for (attack, code) in expected {
        let row = attacks.iter().find(|it| it["attack"] == attack);
        let row = row.unwrap_or_else(|| panic!("no {attack} in {value}"));
        assert!(row["got"][code].as_u64().unwrap_or(0) > 0, "{row}");
        assert!(row["alone"]["latency_us"]["median"].is_u64(), "{row}");
    }
    assert_eq!(attacks.len(), 18);
}

/// A measurement's JSON.
async fn measure(arguments: &[&str]) -> Value {
    let arguments = [&["--output", "json", "bench"], arguments].concat();
    let said = within("the measurement", run(&arguments)).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    serde_json::from_str(&said.output).unwrap()
}

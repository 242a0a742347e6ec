//! The host with real components: the committed lock, and the guest that misbehaves on demand.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod golden;
mod stage;

use std::time::{Duration, Instant};

use bytes::Bytes;
use stage::MemoryStage;
use zareba_model::{CallId, ErrorCode, GuestCost, Limits, Principal, SessionId, Sha256};
use zareba_plugin_host::{CompileError, CompileLimits, PluginEngine, PluginHost, compile};
use zareba_replica::plugin::{
    Caller, GuestAnswer, GuestEntry, GuestEvent, GuestFailure, Invocation, ParkedView,
    PluginRuntime, Stage,
};

const LOCK: &[u8] = include_bytes!("../../../../plugins/dist/lock.wasm");
const FIXTURES: &[u8] = include_bytes!("../../../../tests/guests/dist/fixtures.wasm");
const WASI: &[u8] = include_bytes!("../../../../tests/guests/dist/wasi.wasm");
const REVISION: Sha256 = Sha256([7; 32]);

/// One guest over one stage.
struct Bench {
    host: PluginHost,
    stage: MemoryStage,
    limits: Limits,
    /// What the last run took.
    cost: GuestCost,
}

type Answer = Result<GuestAnswer, GuestFailure>;

impl Bench {
    fn new(component: &[u8]) -> Self {
        let engine = PluginEngine::new().unwrap();
        let compiled = compile(&engine, component, &CompileLimits::default()).unwrap();
        let mut host = PluginHost::new(engine);
        assert!(!host.is_ready(&REVISION));
        host.install(REVISION, compiled);
        assert!(host.is_ready(&REVISION));
        let sessions = (1..10).map(SessionId).collect();
        // Ample: a busy machine must not end a call that is not meant to end.
        let limits = Limits {
            time_ms_max: 10_000,
            ..Limits::default()
        };
        let stage = MemoryStage {
            sessions,
            ..MemoryStage::default()
        };
        Self {
            host,
            stage,
            limits,
            cost: GuestCost::default(),
        }
    }

    fn invoke(&mut self, session: u64, entry: GuestEntry) -> Answer {
        self.stage.transaction += 1;
        self.stage.caller = SessionId(session);
        let call = CallId(self.stage.transaction().to_u64());
        let invocation = Invocation {
            revision: REVISION,
            limits: self.limits,
            caller: Caller {
                session: SessionId(session),
                principals: vec![Principal {
                    scheme: "x509".into(),
                    id: "CN=app".into(),
                }],
                call,
            },
            seed: 42,
            entry: entry.clone(),
        };
        let stage = Box::new(std::mem::take(&mut self.stage));
        let ran = self.host.invoke(&invocation, stage);
        let (stage, answer) = (ran.stage, ran.result);
        self.cost = ran.cost;
        self.stage = MemoryStage::of(stage);
        if let (Ok(GuestAnswer::Park { tag, .. }), GuestEntry::Command { op, .. }) =
            (&answer, entry)
        {
            let parked = ParkedView {
                id: call,
                session: SessionId(session),
                op,
                tag: tag.clone(),
                since: 0,
            };
            self.stage.parked.insert(call, parked);
        }
        answer
    }

    fn command(&mut self, session: u64, op: &str, input: &str) -> Answer {
        let input = Bytes::copy_from_slice(input.as_bytes());
        let op = op.to_owned();
        self.invoke(session, GuestEntry::Command { op, input })
    }

    fn query(&mut self, op: &str, input: &str) -> Answer {
        let input = Bytes::copy_from_slice(input.as_bytes());
        let op = op.to_owned();
        self.invoke(1, GuestEntry::Query { op, input })
    }

    fn broken(&mut self, op: &str, input: &str) -> (ErrorCode, String) {
        match self.command(1, op, input) {
            Err(GuestFailure::Broken(fault)) => (fault.code, fault.message),
            other => panic!("not broken: {other:?}"),
        }
    }
}

fn text(answer: Answer) -> String {
    match answer.unwrap() {
        GuestAnswer::Done(value) => String::from_utf8(value.to_vec()).unwrap(),
        parked @ GuestAnswer::Park { .. } => panic!("{parked:?}"),
    }
}

fn is_parked(answer: &Answer) -> bool {
    matches!(answer, Ok(GuestAnswer::Park { .. }))
}

#[test]
fn the_committed_lock_parks_and_grants_on_release_and_on_a_sessions_end() {
    let mut bench = Bench::new(LOCK);
    let db = r#"{"name":"db"}"#;
    assert_eq!(
        text(bench.command(1, "acquire", db)),
        r#"{"name":"db","token":4294967297,"holds":1}"#
    );
    assert!(is_parked(&bench.command(2, "acquire", db)));
    assert!(is_parked(&bench.command(3, "acquire", db)));
    match bench.command(3, "try", db) {
        Err(GuestFailure::Fault(fault)) => assert_eq!(fault.code, ErrorCode::Plugin(1)),
        other => panic!("{other:?}"),
    }
    assert_eq!(text(bench.command(1, "release", db)), r#"{"holds":0}"#);
    let second = CallId((1 << 32) + 2);
    let granted = bench.stage.answers[&second].clone().unwrap();
    assert_eq!(granted, r#"{"name":"db","token":4294967301,"holds":1}"#);
    assert_eq!(bench.stage.nodes["db"].1.lifetime.owner(), SessionId(2));

    // The kernel ends session 2: its node goes, then the plugin is told.
    let (data, _) = bench.stage.nodes.remove("db").unwrap();
    bench.stage.sessions.remove(&SessionId(2));
    let event = GuestEvent::Deleted {
        path: "db".into(),
        session: SessionId(2),
        data,
    };
    bench.invoke(0, GuestEntry::Event(vec![event])).unwrap();
    assert_eq!(bench.stage.nodes["db"].1.lifetime.owner(), SessionId(3));
    assert!(bench.stage.answers[&CallId((1 << 32) + 3)].is_ok());
    assert!(bench.stage.parked.is_empty());
    let holders = text(bench.query("holders", "{}"));
    assert!(holders.contains(r#""session":3"#), "{holders}");
}

#[test]
fn a_description_is_read_at_compilation() {
    let bench = Bench::new(LOCK);
    let description = bench.host.description(&REVISION).unwrap();
    assert_eq!(description.state_version, 2);
    assert!(description.op("acquire").unwrap().may_park);
    assert!(description.op("holders").unwrap().read_only);
    assert_eq!(description.watches[0].kinds, 4);
}

#[test]
fn a_guest_that_spins_is_ended_in_time() {
    let mut bench = Bench::new(FIXTURES);
    bench.limits.time_ms_max = 20;
    #[expect(clippy::disallowed_methods, reason = "the test measures a deadline")]
    let start = Instant::now();
    let (code, message) = bench.broken("spin", "");
    assert_eq!(code, ErrorCode::PluginDeadline, "{message}");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(15), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_guest_that_allocates_without_end_is_ended_by_the_memory_limit() {
    let mut bench = Bench::new(FIXTURES);
    bench.limits.memory_bytes_max = 8 << 20;
    let (code, message) = bench.broken("allocate", "");
    assert_eq!(code, ErrorCode::PluginLimit);
    assert!(message.contains("memory limit of 8388608"), "{message}");
}

#[test]
fn a_panic_after_staging_is_broken_and_says_why_and_where() {
    let mut bench = Bench::new(FIXTURES);
    let (code, message) = bench.broken("trap", "pepper");
    assert_eq!(code, ErrorCode::PluginTrap);
    assert!(message.contains("as asked: pepper"), "{message}");
    assert!(message.contains("fixtures/src/lib.rs"), "{message}");
    // What was staged is the caller's to roll back, and the log is kept.
    assert!(bench.stage.nodes.contains_key("staged"));
    assert_eq!(bench.stage.log[0].0, 1);
}

#[test]
fn a_guests_own_fault_keeps_its_number() {
    let mut bench = Bench::new(FIXTURES);
    match bench.command(1, "fault", "no luck") {
        Err(GuestFailure::Fault(fault)) => {
            assert_eq!(fault.code, ErrorCode::Plugin(7));
            assert_eq!(fault.message, "no luck");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn host_calls_ops_and_bytes_are_limited() {
    let mut bench = Bench::new(FIXTURES);
    bench.limits.host_calls_max = 100;
    let cases = [("flood", "calls", "host-call limit of 100")];
    for (op, input, expected) in cases {
        let (code, message) = bench.broken(op, input);
        assert_eq!(code, ErrorCode::PluginLimit);
        assert!(message.contains(expected), "{message}");
    }
    bench.limits.ops_max = 50;
    assert!(bench.broken("flood", "ops").1.contains("op limit of 50"));
    bench.limits.bytes_max = 10_000;
    assert!(text(bench.command(1, "large", "9000")).is_empty());
    assert!(
        bench
            .broken("large", "11000")
            .1
            .contains("byte limit of 10000")
    );
    let long = "x".repeat(10_001);
    assert!(
        bench
            .broken("echo", &long)
            .1
            .contains("answer limit of 10000")
    );
}

#[test]
fn log_lines_are_cut_and_dropped_beyond_the_limit_and_metrics_are_kept() {
    let mut bench = Bench::new(FIXTURES);
    bench.limits.log_lines_max = 3;
    text(bench.command(1, "shout", "10"));
    assert_eq!(bench.stage.log.len(), 4);
    assert_eq!(bench.stage.log[0].1.len(), 1024);
    assert!(bench.stage.log[3].1.contains("dropped"));
    let metrics = bench.host.metrics(&REVISION);
    let lines = metrics.iter().find(|metric| metric.name == "lines");
    assert_eq!(lines.unwrap().sum, 10.0);
}

#[test]
fn what_a_run_took_is_told() {
    let mut bench = Bench::new(FIXTURES);
    // The first run of a host is one whose host calls are timed.
    text(bench.command(1, "write", "node"));
    let cost = bench.cost;
    assert_eq!((cost.changes, cost.host_ns.is_some()), (1, true));
    assert!(cost.host_calls >= 1 && cost.bytes > 0, "{cost:?}");
    assert!(cost.memory_bytes >= 64 << 10, "{cost:?}");
    assert!(cost.guest_ns >= cost.host_ns.unwrap(), "{cost:?}");
    text(bench.command(1, "write", "other"));
    assert_eq!((bench.cost.changes, bench.cost.host_ns), (1, None));
}

#[test]
fn a_query_reads_and_cannot_write() {
    let mut bench = Bench::new(FIXTURES);
    text(bench.command(1, "write", "node"));
    assert_eq!(text(bench.query("read", "node")), "written");
    match bench.query("sneak", "") {
        Err(GuestFailure::Fault(fault)) => {
            assert_eq!(fault.code, ErrorCode::BadArguments);
            assert!(fault.message.contains("a query writes nothing"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.stage.nodes.len(), 1);
}

#[test]
fn a_fresh_instance_forgets_and_a_warm_one_remembers_until_a_trap() {
    let mut bench = Bench::new(FIXTURES);
    for _ in 0..2 {
        assert_eq!(text(bench.command(1, "remember", "")), "1");
    }
    bench.limits.warm = true;
    for expected in ["1", "2", "3"] {
        assert_eq!(text(bench.command(1, "remember", "")), expected);
    }
    assert_eq!(bench.host.warm_count(), 1);
    bench.broken("trap", "");
    assert_eq!(bench.host.warm_count(), 0);
    assert_eq!(text(bench.command(1, "remember", "")), "1");
}

#[test]
fn the_environment_is_the_invocations_and_random_numbers_the_seeds() {
    let mut bench = Bench::new(FIXTURES);
    bench.stage.config.insert("key".into(), "value".into());
    let first = text(bench.command(3, "about", ""));
    for part in [
        r#""session":3"#,
        r#""principals":["x509:CN=app"]"#,
        r#""call":4294967297"#,
        r#""transaction":4294967297"#,
        r#""now":1700000000000"#,
        r#""config":"value""#,
        r#""alive":true"#,
    ] {
        assert!(first.contains(part), "{part} is not in {first}");
    }
    let random = |text: &str| text.split("\"random\":").nth(1).unwrap().to_owned();
    let again = text(bench.command(3, "about", ""));
    assert_eq!(random(&first)[..40], random(&again)[..40]);
}

#[test]
fn events_migrations_and_savepoints_reach_the_guest() {
    let mut bench = Bench::new(FIXTURES);
    let event = GuestEvent::Cancelled {
        call: CallId(9),
        session: SessionId(4),
        tag: "t".into(),
    };
    bench.invoke(0, GuestEntry::Event(vec![event])).unwrap();
    assert_eq!(bench.stage.nodes["seen"].0, r#"[8,"",4,9,"t"]"#);
    bench.invoke(0, GuestEntry::Migrate { stored: 2 }).unwrap();
    assert_eq!(bench.stage.nodes["migrated"].0, "2");
    assert_eq!(
        text(bench.command(1, "undo", "")),
        r#"["kept","migrated","seen"]"#
    );
}

#[test]
fn only_operations_declared_to_park_may_park() {
    let mut bench = Bench::new(FIXTURES);
    let parked = GuestAnswer::Park {
        tag: "here".into(),
        timeout_ms: Some(1234),
    };
    assert_eq!(bench.command(1, "park", "here"), Ok(parked));
    assert!(bench.broken("sulk", "here").1.contains("does not say"));
    assert!(
        bench
            .broken("park", &"x".repeat(1025))
            .1
            .contains("tag limit")
    );
}

#[test]
fn a_revision_that_is_not_installed_is_a_fault_that_says_try_again() {
    let mut bench = Bench::new(FIXTURES);
    bench.host.forget(&REVISION);
    match bench.command(1, "echo", "") {
        Err(GuestFailure::Fault(fault)) => assert_eq!(fault.code, ErrorCode::PluginNotReady),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_plugin_is_refused_with_the_reason() {
    let engine = PluginEngine::new().unwrap();
    let limits = CompileLimits::default();
    let refusal =
        |bytes: &[u8], limits: &CompileLimits| compile(&engine, bytes, limits).unwrap_err();
    let wasi = refusal(WASI, &limits);
    assert!(
        wasi.to_string().contains("wasi:cli/environment@0.2.3"),
        "{wasi}"
    );
    assert!(
        wasi.to_string().contains("without a system interface"),
        "{wasi}"
    );
    assert_eq!(
        refusal(b"\0asm\x01\0\0\0", &limits),
        CompileError::CoreModule
    );
    assert!(matches!(
        refusal(b"hello", &limits),
        CompileError::Invalid(_)
    ));
    // The smallest component there is: it offers nothing.
    assert!(matches!(
        refusal(b"\0asm\x0d\0\x01\0", &limits),
        CompileError::NoGuest(_)
    ));
    let small = CompileLimits {
        component_bytes_max: 1000,
        ..limits
    };
    assert!(matches!(
        refusal(LOCK, &small),
        CompileError::TooLarge { max: 1000, .. }
    ));
    let narrow = CompileLimits {
        memory_bytes_max: 65_536,
        ..limits
    };
    assert!(matches!(
        refusal(LOCK, &narrow),
        CompileError::Resources { .. }
    ));
}

#[test]
fn a_component_compiles_on_another_thread() {
    let engine = PluginEngine::new().unwrap();
    let elsewhere = engine.clone();
    let compiling = std::thread::spawn(move || {
        compile(&elsewhere, FIXTURES, &CompileLimits::default()).unwrap()
    });
    let mut host = PluginHost::new(engine);
    host.install(REVISION, compiling.join().unwrap());
    assert_eq!(host.description(&REVISION).unwrap().state_version, 3);
}

//! The simulator's command: many seeds, or one again. It must never know what a seed decides.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut seed = None;
    let mut seeds = 100u64;
    let mut start = 0u64;
    let mut calm = false;
    let mut trace = false;
    let mut args = std::env::args().skip(1);
    while let Some(a) = args.next() {
        match a.as_str() {
            "--seed" => seed = args.next().and_then(|v| v.parse().ok()),
            "--seeds" => seeds = args.next().and_then(|v| v.parse().ok()).unwrap_or(100),
            "--start" => start = args.next().and_then(|v| v.parse().ok()).unwrap_or(0),
            "--calm" => calm = true,
            "--trace" => trace = true,
            _ => {}
        }
    }
    let (start, seeds) = seed.map_or((start, seeds), |s| (s, 1));
    std::panic::set_hook(Box::new(|_| {}));
    let mut total = zareba_sim::Counts::default();
    let mut bad = 0;
    for s in start..start + seeds {
        let config = if calm {
            zareba_sim::Config::calm(s)
        } else {
            zareba_sim::Config::of(s)
        };
        let report = zareba_sim::run(config, trace);
        for l in &report.lines {
            println!("{l}");
        }
        total.add(&report.counts);
        if let Some(v) = report.violation {
            bad += 1;
            println!(
                "seed {s}: {}",
                v.to_string().chars().take(600).collect::<String>()
            );
        }
    }
    println!("{total}{bad} bad");
    if bad > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

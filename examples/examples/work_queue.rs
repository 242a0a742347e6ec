//! A queue between those who have work and those who do it. Start `zareba dev`, then as many workers as
//! you like, then put something to do:
//!
//! ```text
//! cargo run --release -p zareba-examples --example work_queue -- work
//! cargo run --release -p zareba-examples --example work_queue -- put "wash the car" "feed the cat"
//! ```
//!
//! `work 2` ends after two jobs.

#![allow(clippy::print_stdout, reason = "a person reads it")]

use anyhow::bail;
use zareba_client::recipes::{Counter, Queue};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let client = zareba_examples::connect().await?;
    // All of it lies below one prefix, which the code below does not have to repeat.
    let own = client.chroot("/examples/work")?;
    let queue = Queue::new(&own, "/queue")?;
    let done = Counter::new(&own, "/done")?;
    match command.as_deref() {
        Some("put") => {
            for job in arguments {
                queue.put(job.clone()).await?;
                println!("put {job:?}; {} to do", queue.len().await?);
            }
        }
        Some("work") => {
            let jobs = arguments.next().map(|text| text.parse::<u64>());
            for _ in 0..jobs.transpose()?.unwrap_or(u64::MAX) {
                // Each job comes to one worker. Should this one die now, its job dies with it.
                let job = queue.take().await?;
                let total = done.add(1).await?;
                println!(
                    "did {:?}, job number {total}",
                    String::from_utf8_lossy(&job)
                );
            }
        }
        _ => bail!("say `put JOB...` or `work [HOW MANY]`"),
    }
    client.close().await?;
    Ok(())
}

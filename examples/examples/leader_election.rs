//! Several of this program, of which one works and the others stand by. Start `zareba dev`, then this in
//! two terminals, and end the one that leads: the other takes over, at once after Ctrl-C, after the
//! session timeout after `kill -9`.
//!
//! ```text
//! cargo run --release -p zareba-examples --example leader_election -- alice
//! cargo run --release -p zareba-examples --example leader_election -- bob
//! ```
//!
//! A second argument says after how many steps of work it resigns.

#![allow(clippy::print_stdout, reason = "a person reads it")]

use std::time::Duration;

use zareba_client::recipes::Election;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let name = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "somebody".to_owned());
    let steps = std::env::args().nth(2).map(|text| text.parse::<u64>());
    let steps = steps.transpose()?.unwrap_or(u64::MAX);
    let client = zareba_examples::connect().await?;
    let election = Election::new(&client, "/examples/election")?;
    if let Some((leader, _)) = election.leader().await? {
        println!("{} leads; standing by", String::from_utf8_lossy(&leader));
    }
    let work = async {
        let office = election.campaign(name.clone()).await?;
        println!("{name} leads, with token {}", office.token());
        // The work is dropped where it is as soon as the office is lost, also while no server answers.
        match office.while_leading(work(steps)).await {
            Some(()) => office.resign().await?,
            None => println!("{name} leads no more"),
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::select! {
        done = work => done?,
        // What was begun is dropped, which withdraws or resigns.
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    client.close().await?;
    Ok(())
}

async fn work(steps: u64) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    for step in 1..=steps {
        second.tick().await;
        println!("step {step} of the leader's work");
    }
}

//! A program that is told when its configuration changes. Start `zareba dev`, then this; then change the
//! configuration as often as you like:
//!
//! ```text
//! cargo run --release -p zareba-examples --example config_watcher
//! zareba set /examples/config '{"colour": "green"}'
//! ```
//!
//! An argument says after how many versions it ends.

#![allow(clippy::print_stdout, reason = "a person reads it")]

use zareba_client::ErrorCode;

const PATH: &str = "/examples/config";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let versions = std::env::args().nth(1).map(|text| text.parse::<u64>());
    let versions = versions.transpose()?.unwrap_or(u64::MAX);
    let client = zareba_examples::connect().await?;
    let default = client.create_node(PATH).data(r#"{"colour": "red"}"#);
    match default.parents().await {
        // Somebody has configured it already.
        Err(error) if error.is(ErrorCode::NodeExists) => {}
        created => println!("made {} with the default", created?.0),
    }
    for _ in 0..versions {
        // The watch is left by the same read that tells the data: no change falls between the two. Of
        // several changes before the next read, the last one is seen.
        let (data, stat, watch) = client.get_and_watch(PATH).await?;
        println!(
            "version {}: {}",
            stat.version,
            String::from_utf8_lossy(&data)
        );
        // Also if the session moves to another server meanwhile.
        watch.await?;
    }
    client.close().await?;
    Ok(())
}

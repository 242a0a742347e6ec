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
    // The watch comes first: no change falls between it and the data. It stays, also if the session moves
    // to another server meanwhile; a resync is one more reason to read again.
    let mut changes = client.watch(PATH).await?;
    let (mut shown, mut left) = (None, versions);
    while left > 0 {
        let (data, stat) = client.get(PATH).await?;
        // Of several changes before the read, the last one is seen, and their events still come.
        if shown != Some(stat.mzxid) {
            let text = String::from_utf8_lossy(&data);
            println!("version {}: {text}", stat.version);
            shown = Some(stat.mzxid);
            left -= 1;
        }
        if left > 0
            && let Some(event) = changes.next().await
        {
            event?;
        }
    }
    client.close().await?;
    Ok(())
}

//! A lock, and a store that is safe even from a holder who overslept. Start `zareba dev`, then this as
//! often as you like, at once or one after the other; stop one with Ctrl-Z for longer than its session's
//! ten seconds, and see its late write refused.
//!
//! ```text
//! cargo run --release -p zareba-examples --example fenced_lock -- alice
//! ```

#![allow(clippy::print_stdout, reason = "a person reads it")]

use std::time::Duration;

use zareba_client::recipes::Lock;
use zareba_client::{Client, ErrorCode};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let name = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "somebody".to_owned());
    let client = zareba_examples::connect().await?;
    // The store is another system's: it knows nothing of the lock's session.
    let store = Store {
        client: zareba_examples::connect().await?,
    };
    // `client.lock("/locks", "store")` asks the plugin for the same in one round trip.
    let lock = Lock::new(&client, "/examples/lock")?;
    let guard = lock.acquire().await?;
    println!("{name} holds the lock, with token {}", guard.token());
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(2)) => {}
        () = guard.lost() => println!("{name} has lost the lock, and tries to write all the same"),
    }
    match store.write(&name, guard.token()).await? {
        true => println!("{name} has written"),
        false => println!("{name} was refused: somebody with a later token has written"),
    }
    if let Err(error) = guard.release().await {
        println!("{name} had nothing to release: {error}");
    }
    store.client.close().await?;
    client.close().await?;
    Ok(())
}

/// Something that the lock protects. It remembers the greatest token that it has seen: that, and not the
/// lock, is what keeps an old holder out.
struct Store {
    client: Client,
}

impl Store {
    const PATH: &str = "/examples/store";

    /// False if the token is older than that of the last write.
    async fn write(&self, words: &str, token: u64) -> anyhow::Result<bool> {
        loop {
            let entry = format!("{token} {words}");
            let written = match self.client.get(Self::PATH).await {
                Ok((last, _)) if token_of(&last) > token => return Ok(false),
                Ok((_, stat)) => {
                    let set = self.client.set(Self::PATH, entry, Some(stat.version));
                    set.await.map(drop)
                }
                Err(error) if error.is(ErrorCode::NoNode) => {
                    let create = self.client.create_node(Self::PATH).data(entry);
                    create.parents().await.map(drop)
                }
                Err(error) => return Err(error.into()),
            };
            match written {
                Ok(()) => return Ok(true),
                // Somebody else wrote between the look and the write: look again.
                Err(error) if error.is(ErrorCode::BadVersion) => {}
                Err(error) if error.is(ErrorCode::NodeExists) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn token_of(entry: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(entry);
    let token = text.split(' ').next().and_then(|token| token.parse().ok());
    token.unwrap_or_default()
}

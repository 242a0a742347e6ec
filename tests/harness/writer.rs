//! A client that writes without end, one node after the other, and remembers what was
//! acknowledged and how long it had to wait.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use zareba_client::{Client, CreateMode, ErrorCode};

use crate::within;

/// A writer at work.
#[derive(Debug)]
pub struct Writer {
    stop: watch::Sender<bool>,
    count: watch::Receiver<u64>,
    task: JoinHandle<Written>,
}

/// What a writer has done.
#[derive(Debug, Default)]
pub struct Written {
    /// Paths of the nodes whose creation was acknowledged.
    pub acknowledged: BTreeSet<String>,
    /// Writes that were refused, by a leader that was none any more, and asked for again.
    pub refused: u64,
    /// The longest wait for one write, refusals included.
    pub slowest: Duration,
}

impl Writer {
    /// Begins to create sequential nodes below `parent`, which is made if it is not there.
    pub async fn start(client: Client, parent: &str) -> Self {
        match client.create(parent, "", CreateMode::Persistent).await {
            Err(error) if error.is(ErrorCode::NodeExists) => {}
            other => drop(other.unwrap()),
        }
        let (stop, stopped) = watch::channel(false);
        let (counted, count) = watch::channel(0);
        let prefix = format!("{parent}/n-");
        let task = tokio::spawn(async move {
            let mut written = Written::default();
            while !*stopped.borrow() {
                let asked = Instant::now();
                let path = create(&client, prefix.clone(), &mut written.refused).await;
                written.slowest = written.slowest.max(asked.elapsed());
                assert!(
                    written.acknowledged.insert(path.clone()),
                    "{path} was created twice"
                );
                counted.send_replace(written.acknowledged.len() as u64);
            }
            written
        });
        Self { stop, count, task }
    }

    /// Waits until so many more writes are acknowledged.
    pub async fn goes_on(&mut self, more: u64) {
        let goal = *self.count.borrow() + more;
        let reached = self.count.wait_for(|count| *count >= goal);
        within("writes to go on", reached).await.unwrap();
    }

    /// Lets it finish the write it is at.
    pub async fn stop(self) -> Written {
        self.stop.send_replace(true);
        within("the last write", self.task).await.unwrap()
    }

    /// Leaves the write it is at; returns how many were acknowledged, at least.
    pub fn abandon(self) -> u64 {
        self.task.abort();
        *self.count.borrow()
    }
}

async fn create(client: &Client, prefix: String, refused: &mut u64) -> String {
    loop {
        let created = client.create(prefix.clone(), "", CreateMode::PersistentSequential);
        match within("a create", created).await {
            Ok(path) => return path.to_string(),
            Err(error) if error.is(ErrorCode::NotServing) => *refused += 1,
            Err(error) => panic!("a create failed: {error}"),
        }
    }
}

impl Written {
    /// Demands that the nodes below `parent` are the acknowledged ones, each once and no more.
    pub async fn verify(&self, client: &Client, parent: &str) {
        client.sync().await.unwrap();
        let names = client.children(parent).await.unwrap();
        let found: BTreeSet<_> = names
            .into_iter()
            .map(|it| format!("{parent}/{it}"))
            .collect();
        let lost: Vec<_> = self.acknowledged.difference(&found).collect();
        let surplus: Vec<_> = found.difference(&self.acknowledged).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        assert!(surplus.is_empty(), "there and never reported: {surplus:?}");
    }
}

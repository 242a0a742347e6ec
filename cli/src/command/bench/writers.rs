//! Sessions that write without end and note when each write was acknowledged, and where each
//! session stands. Knows no server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use tokio::task::JoinHandle;
use zareba_client::model::{CreateMode, ErrorCode, ServerId, ZnodePath};
use zareba_client::{Client, Profile, Status};

use crate::clock;

/// One acknowledged write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    /// When, microseconds since 1970.
    pub(super) at: u64,
    pub(super) session: usize,
}

/// A session that a server has let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attachment {
    pub(super) at: u64,
    pub(super) session: usize,
    pub(super) server: ServerId,
}

/// What was noted so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    pub(super) acks: Vec<Ack>,
    pub(super) attachments: Vec<Attachment>,
    /// Writes that a server refused, to be asked for again.
    pub(super) refused: u64,
}

/// The sessions.
pub(super) struct Writers {
    clients: Vec<Client>,
    notes: Arc<Mutex<Notes>>,
    stopping: Arc<AtomicBool>,
    lanes: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Writers {
    /// Begins to write: `in_flight` requests at a time in each session.
    pub(super) async fn start(
        profile: Profile,
        sessions: usize,
        in_flight: u16,
        value_size: usize,
    ) -> anyhow::Result<Self> {
        let mut writers = Self {
            clients: Vec::new(),
            notes: Arc::default(),
            stopping: Arc::default(),
            lanes: Vec::new(),
        };
        let data = Bytes::from(vec![b'x'; value_size]);
        for session in 0..sessions {
            let client = Client::builder().profile(profile.clone()).connect().await?;
            let path = ZnodePath::parse(&format!("/failover-{session}"))?;
            let created = client.create(&path, data.clone(), CreateMode::Persistent);
            match created.await {
                Err(error) if error.is(ErrorCode::NodeExists) => {}
                other => drop(other?),
            }
            tokio::spawn(note_attachments(
                client.clone(),
                session,
                Arc::clone(&writers.notes),
            ));
            for _ in 0..in_flight {
                writers.lanes.push(tokio::spawn(write(
                    client.clone(),
                    session,
                    path.clone(),
                    data.clone(),
                    Arc::clone(&writers.notes),
                    Arc::clone(&writers.stopping),
                )));
            }
            writers.clients.push(client);
        }
        Ok(writers)
    }

    /// Which sessions a server holds.
    pub(super) fn held_by(&self, server: ServerId) -> Vec<usize> {
        let held = |client: &Client| *client.status().borrow() == Status::Attached(server);
        let clients = self.clients.iter().enumerate();
        let held = clients.filter(|(_, client)| held(client));
        held.map(|(session, _)| session).collect()
    }

    /// Waits until every session had a write acknowledged that was sent after `from`.
    pub(super) async fn all_write_after(&self, from: u64) -> anyhow::Result<()> {
        let deadline = clock::now() + PATIENCE;
        let all = self.clients.len();
        loop {
            let written = |session| {
                let notes = lock(&self.notes);
                let mut later = notes.acks.iter().rev().take_while(|ack| ack.at > from);
                later.any(|ack| ack.session == session)
            };
            if (0..all).all(written) {
                return Ok(());
            }
            if clock::now() > deadline {
                bail!("not every session could write within {PATIENCE:?}");
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Takes what was noted since the last time.
    pub(super) fn take_notes(&self) -> Notes {
        std::mem::take(&mut *lock(&self.notes))
    }

    /// Lets every lane finish what it is at, and closes the sessions.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.stopping.store(true, Ordering::Relaxed);
        for lane in self.lanes {
            lane.await.context("a lane of the load has panicked")??;
        }
        for client in self.clients {
            client.close().await?;
        }
        Ok(())
    }
}

/// One lane.
async fn write(
    client: Client,
    session: usize,
    path: ZnodePath,
    data: Bytes,
    notes: Arc<Mutex<Notes>>,
    stopping: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    while !stopping.load(Ordering::Relaxed) {
        match client.set(&path, data.clone(), None).await {
            Ok(_) => {
                let at = clock::unix_us();
                lock(&notes).acks.push(Ack { at, session });
            }
            Err(error) if error.is(ErrorCode::NotServing) => {
                lock(&notes).refused += 1;
                tokio::time::sleep(ASK_AGAIN).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn note_attachments(client: Client, session: usize, notes: Arc<Mutex<Notes>>) {
    let mut status = client.status();
    drop(client);
    while status.changed().await.is_ok() {
        if let Status::Attached(server) = *status.borrow_and_update() {
            let at = clock::unix_us();
            lock(&notes).attachments.push(Attachment {
                at,
                session,
                server,
            });
        }
    }
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longest wait for a write of each session.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Wait before a refused write is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(1);

//! `zareba bench crowd`: a process that holds sessions of a measurement and does with them what the
//! lines of its standard input say, until that ends. Measures nothing but when things happened.

use std::pin::Pin;
use std::time::Duration;

use anyhow::Context;
use futures::future::try_join_all;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use zareba_client::model::Event;
use zareba_client::{Client, Profile, Status};

use super::crowd::{Answer, Opening, Order};
use crate::{clock, output};

/// Carries out orders until there are no more.
pub(super) async fn run() -> anyhow::Result<()> {
    let mut member = Member::default();
    while let Some(line) = next_line().await? {
        let order = serde_json::from_str(&line).context("an order cannot be read")?;
        let answer = member.carry_out(order).await;
        let answer = answer.unwrap_or_else(|error| Answer::Failed(format!("{error:#}")));
        output::line(serde_json::to_string(&answer)?)?;
    }
    Ok(())
}

async fn next_line() -> anyhow::Result<Option<String>> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = read.await?.context("cannot read standard input")?;
    Ok((!line.is_empty()).then_some(line))
}

/// The events of one watch, of either kind.
type Events = Pin<Box<dyn Stream<Item = Result<Event, zareba_client::Error>> + Send>>;

/// The sessions of this process, and its watches.
#[derive(Default)]
struct Member {
    sessions: Vec<Session>,
    /// Each waits for one event of one watch.
    waiting: JoinSet<anyhow::Result<(u64, Events)>>,
    /// The watches stay.
    stay: bool,
}

struct Session {
    client: Client,
    /// Changes when the session has to look for another server.
    status: watch::Receiver<Status>,
}

impl Member {
    async fn carry_out(&mut self, order: Order) -> anyhow::Result<Answer> {
        match order {
            Order::Open(opening) => self.open(&opening).await,
            Order::Watch { path, stay, each } => self.watch(&path, stay, each).await,
            Order::AwaitEvents => {
                let waiting = tokio::time::timeout(PATIENCE, self.await_events());
                let answer = waiting.await;
                answer.with_context(|| format!("not every watch told an event in {PATIENCE:?}"))?
            }
            Order::Read { path } => self.read(&path).await,
            Order::CountMoved => {
                let moved = |it: &&Session| it.status.has_changed().unwrap_or(true);
                Ok(Answer::Count(self.sessions.iter().filter(moved).count()))
            }
        }
    }

    async fn open(&mut self, opening: &Opening) -> anyhow::Result<Answer> {
        let progress = output::progress("sessions", opening.sessions as u64);
        let timeout = Duration::from_millis(opening.timeout_ms);
        let opened = (0..opening.sessions).map(|number| {
            let turn = number % opening.endpoints.len().max(1);
            let endpoint = opening.endpoints.get(turn).cloned();
            let mut builder = Client::builder()
                .profile(Profile::new(endpoint, &opening.ca_pem))
                .session_timeout(timeout);
            if opening.local {
                builder = builder.local();
            }
            async {
                let client = builder.connect().await;
                let client = client.context("cannot open another session")?;
                let mut status = client.status();
                status.mark_unchanged();
                progress.inc(1);
                anyhow::Ok(Session { client, status })
            }
        });
        let opened = stream::iter(opened).buffer_unordered(AT_ONCE);
        self.sessions.extend(opened.try_collect::<Vec<_>>().await?);
        progress.finish_and_clear();
        Ok(Answer::Done)
    }

    async fn watch(&mut self, path: &str, stay: bool, each: usize) -> anyhow::Result<Answer> {
        let clients = self.sessions.iter().map(|it| &it.client);
        let clients = clients.flat_map(|client| std::iter::repeat_n(client, each));
        let left = clients.map(async |client| -> anyhow::Result<Events> {
            let events: Events = if stay {
                Box::pin(client.watch(path).await?)
            } else {
                Box::pin(client.exists_and_watch(path).await?.1)
            };
            Ok(events)
        });
        let left = stream::iter(left).buffer_unordered(AT_ONCE);
        let left: Vec<_> = left.try_collect().await.context("cannot leave a watch")?;
        self.stay = stay;
        for events in left {
            self.waiting.spawn(next_event(events));
        }
        Ok(Answer::Done)
    }

    async fn await_events(&mut self) -> anyhow::Result<Answer> {
        let (mut moments, mut staying) = (Vec::new(), Vec::new());
        while let Some(told) = self.waiting.join_next().await {
            let (at, events) = told??;
            moments.push(at);
            if self.stay {
                staying.push(events);
            }
        }
        for events in staying {
            self.waiting.spawn(next_event(events));
        }
        Ok(Answer::Moments(moments))
    }

    async fn read(&self, path: &str) -> anyhow::Result<Answer> {
        let answered = self.sessions.iter().map(async |session| {
            session.client.exists(path).await?;
            anyhow::Ok(clock::unix_us())
        });
        let answered = tokio::time::timeout(PATIENCE, try_join_all(answered)).await;
        let moments = answered.context("not every session was answered in time")??;
        Ok(Answer::Moments(moments))
    }
}

async fn next_event(mut events: Events) -> anyhow::Result<(u64, Events)> {
    let event = events.next().await;
    let at = clock::unix_us();
    event.context("a watch has ended without an event")??;
    Ok((at, events))
}

/// Sessions that enter, or watches that are left, at the same time.
const AT_ONCE: usize = 64;

/// Longest wait until all sessions have been told or answered.
const PATIENCE: Duration = Duration::from_secs(60);

//! Clients at work, each in a runtime of its own that can be thrown away, as a process is killed: no
//! word of farewell leaves it. Half of them reach the servers by ways that can be cut. Knows no
//! operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use harness::{Ensemble, Ways, within};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zareba_client::{Client, Error, Profile, Status};

/// What a client does until it is told to stop.
pub(crate) type Job = Arc<dyn Fn(Post) -> BoxFuture<'static, ()> + Send + Sync>;

/// How a client is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) session_timeout: Duration,
    pub(crate) request_timeout: Option<Duration>,
}

/// A client's place in the crew, which outlives it.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) number: usize,
    /// How many had this place before.
    pub(crate) life: u64,
    profile: Profile,
    follow_members: bool,
    manner: Manner,
    done: Arc<watch::Sender<u64>>,
    server: Arc<AtomicU64>,
    stopped: watch::Receiver<bool>,
}

impl Post {
    /// A session, as soon as a server lets it in.
    pub(crate) async fn connect(&self) -> Client {
        loop {
            let mut builder = Client::builder()
                .profile(self.profile.clone())
                .follow_members(self.follow_members)
                .session_timeout(self.manner.session_timeout);
            if let Some(timeout) = self.manner.request_timeout {
                builder = builder.request_timeout(timeout);
            }
            match builder.connect().await {
                Ok(client) => return client,
                Err(Error::Unreachable { .. } | Error::SessionExpired) => {}
                Err(error) => panic!("client {} is not let in: {error}", self.number),
            }
        }
    }

    /// Notes that an operation is done, and where the next one goes.
    pub(crate) fn has_done(&self, client: &Client) {
        if let Status::Attached(server) = *client.status().borrow() {
            self.server.store(server.0, Ordering::Relaxed);
        }
        self.done.send_modify(|done| *done += 1);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }
}

struct Hand {
    post: Post,
    ways: Option<Ways>,
    runtime: Runtime,
    task: JoinHandle<()>,
}

/// See the file's head.
pub(crate) struct Crew {
    hands: Vec<Hand>,
    job: Job,
    stop: watch::Sender<bool>,
}

impl Crew {
    /// Sets so many clients to work, first at one server each, the others in its absence.
    pub(crate) async fn start(
        ensemble: &Ensemble,
        manners: &[Manner],
        job: impl Fn(Post) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let job: Job = Arc::new(job);
        let mut hands = Vec::new();
        for (number, manner) in manners.iter().enumerate() {
            let first = number as u64 % 3 + 1;
            // Every other: numbers 1, 3, ... begin at all servers, too.
            let (ways, profile) = match number % 2 {
                0 => (None, ensemble.profile_from(first)),
                _ => {
                    let ways = ensemble.ways().await;
                    let profile = ensemble.profile_by(&ways, first);
                    (Some(ways), profile)
                }
            };
            let post = Post {
                number,
                life: 0,
                profile,
                follow_members: ways.is_none(),
                manner: *manner,
                done: Arc::new(watch::Sender::new(0)),
                server: Arc::new(AtomicU64::new(first)),
                stopped: stopped.clone(),
            };
            let (runtime, task) = set_to_work(&job, &post);
            hands.push(Hand {
                post,
                ways,
                runtime,
                task,
            });
        }
        Self { hands, job, stop }
    }

    /// The numbers of all clients.
    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.hands.len()).collect()
    }

    /// The numbers of the clients whose ways can be cut.
    pub(crate) fn behind_relays(&self) -> Vec<usize> {
        let mut all = self.all();
        all.retain(|number| self.hands[*number].ways.is_some());
        all
    }

    /// A client's ways, if it has any.
    pub(crate) fn ways(&self, number: usize) -> &Ways {
        self.hands[number].ways.as_ref().unwrap()
    }

    /// The server that a client was last known to be at.
    pub(crate) fn server_of(&self, number: usize) -> u64 {
        self.hands[number].post.server.load(Ordering::Relaxed)
    }

    /// Operations done by all.
    pub(crate) fn done(&self) -> u64 {
        let done = |hand: &Hand| *hand.post.done.borrow();
        self.hands.iter().map(done).sum()
    }

    /// Waits until each of these has done so many operations more.
    pub(crate) async fn go_on(&self, numbers: &[usize], more: u64) {
        let waits = numbers.iter().map(|number| {
            let mut done = self.hands[*number].post.done.subscribe();
            let now = *done.borrow();
            async move {
                let what = format!("client {number} to go on");
                // Patience is with each operation: how long all of them take is the machine's affair.
                for goal in now + 1..=now + more {
                    let reached = done.wait_for(|done| *done >= goal);
                    within(&what, reached).await.unwrap();
                }
            }
        });
        futures::future::join_all(waits.collect::<Vec<_>>()).await;
    }

    /// Throws a client away in the middle of its work and sets another one to its place.
    pub(crate) fn kill(&mut self, number: usize) {
        let hand = &mut self.hands[number];
        hand.post.life += 1;
        let (runtime, task) = set_to_work(&self.job, &hand.post);
        hand.task = task;
        std::mem::replace(&mut hand.runtime, runtime).shutdown_background();
    }

    /// Lets everybody finish the operation they are at.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        for hand in self.hands {
            let what = format!("the last operation of client {}", hand.post.number);
            within(&what, hand.task).await.unwrap();
            hand.runtime.shutdown_background();
        }
    }
}

fn set_to_work(job: &Job, post: &Post) -> (Runtime, JoinHandle<()>) {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
    let task = runtime.spawn(job(post.clone()));
    (runtime, task)
}

//! What each kind of hostile guest is made to do, again and again, and what its callers got for it. Knows
//! nothing of who suffers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::json;
use zareba_client::model::{Limits, Sha256};
use zareba_client::{Client, CreateMode, Error};

use crate::command::bench::timetable::Timetable;
use crate::command::dev::recipes as standard;

/// One kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attack {
    pub(super) name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Call an operation of the guest.
    Call {
        op: &'static str,
        input: &'static str,
    },
    /// Call one that never answers, and do not wait for it.
    Linger,
    /// Call the standard lock with what is no name.
    WrongInput,
    /// Set timers of a guest that fails to react to them.
    Event { how: &'static str },
    /// Activate a revision that fails to migrate.
    Migrate { how: &'static str },
    /// Push components that are none, each one another.
    Push,
    /// Mount the guest at one more path.
    Mount,
    /// Call it at one mount after the other.
    EveryMount,
}

/// All of them. Mounts come last, for they stay.
pub(super) const ATTACKS: [Attack; 17] = [
    call("spins", "spin", ""),
    call("allocates", "allocate", ""),
    call("recurses", "recurse", ""),
    call("traps", "trap", "as asked"),
    call("floods host calls", "flood", "calls"),
    call("floods changes", "flood", "ops"),
    call("floods bytes", "flood", "bytes"),
    call("floods the log", "flood", "log"),
    call("answers 2 MiB", "answer", "2097152"),
    attack("parks for ever", Kind::Linger),
    attack("traps in events", Kind::Event { how: "trap" }),
    attack("spins in events", Kind::Event { how: "spin" }),
    attack("traps in migrate", Kind::Migrate { how: "trap" }),
    attack("spins in migrate", Kind::Migrate { how: "spin" }),
    attack("wrong types: input", Kind::WrongInput),
    attack("wrong types: component", Kind::Push),
    attack("is mounted everywhere", Kind::Mount),
];

/// What follows when it is.
pub(super) const AFTERWARDS: Attack = attack("is called everywhere", Kind::EveryMount);

const fn attack(name: &'static str, kind: Kind) -> Attack {
    Attack { name, kind }
}

const fn call(name: &'static str, op: &'static str, input: &'static str) -> Attack {
    attack(name, Kind::Call { op, input })
}

/// What the callers got: how often each answer, and the words of the first refusal.
#[derive(Clone, Debug, Default)]
pub(super) struct Got {
    pub(super) answers: BTreeMap<String, u64>,
    pub(super) words: Option<String>,
}

impl Got {
    fn note<T>(&mut self, result: Result<T, Error>) {
        let answer = match result {
            Ok(_) => "ok".to_owned(),
            Err(error) => {
                let code = error.code().map(|code| code.to_string());
                let words = error.to_string();
                self.words.get_or_insert_with(|| words.clone());
                code.unwrap_or(words)
            }
        };
        *self.answers.entry(answer).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        for (answer, times) in other.answers {
            *self.answers.entry(answer).or_default() += times;
        }
        self.words = self.words.take().or(other.words);
    }

    pub(super) fn total(&self) -> u64 {
        self.answers.values().sum()
    }
}

/// The components, pushed, and what is counted over all callers.
pub(super) struct Guests {
    fixtures: Sha256,
    wrong_types: Vec<u8>,
    pushed: AtomicUsize,
    /// Mounts that there shall be.
    mounts: usize,
    /// Mounts begun, and then calls of them.
    next: AtomicUsize,
}

impl Guests {
    /// Reads the components and pushes what all attacks need.
    pub(super) async fn push(
        client: &Client,
        folder: &Path,
        mounts: usize,
    ) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let component = read("fixtures.wasm")?;
        let fixtures = client
            .push_plugin(PLUGIN, component.clone(), |_, _| {})
            .await?;
        client.activate_breaking_plugin(PLUGIN, fixtures).await?;
        standard::mount_those(client, |name| name == "lock").await?;
        // One plugin whose next revision will not take over the nodes of the first.
        let lock = standard::component("lock").context("there is no standard lock")?;
        let lock = client.push_plugin(SHIFTY, lock, |_, _| {}).await?;
        client.activate_breaking_plugin(SHIFTY, lock).await?;
        client.push_plugin(SHIFTY, component, |_, _| {}).await?;
        for path in [ROOT, CROWD] {
            client.create(path, "", CreateMode::Persistent).await?;
        }
        Ok(Self {
            fixtures,
            wrong_types: read("wrong-types.wasm")?,
            pushed: AtomicUsize::new(0),
            mounts,
            next: AtomicUsize::new(0),
        })
    }
}

impl Attack {
    fn mount(&self) -> String {
        format!("{ROOT}/{}", self.name.replace([' ', ':'], "-"))
    }

    /// Mounts what it needs.
    pub(super) async fn prepare(&self, client: &Client, guests: &Guests) -> anyhow::Result<()> {
        let limits = Limits {
            parked_calls_max: PARKED_MAX,
            ..Limits::default()
        };
        let mount = async |plugin| {
            let mounted = client.mount_plugin(plugin, self.mount(), BTreeMap::new(), limits);
            mounted.await
        };
        match self.kind {
            Kind::Call { .. } | Kind::Linger => mount(PLUGIN).await?,
            Kind::Event { how } => {
                mount(PLUGIN).await?;
                client.call(self.mount(), "poison", how).await?;
            }
            Kind::Migrate { how } => {
                mount(SHIFTY).await?;
                // A lock's node holds what its holder said: here it becomes the next revision's poison.
                let input = json!({ "name": "poison", "data": how }).to_string();
                client.call(self.mount(), "try", input).await?;
            }
            Kind::EveryMount => while self.mount_next(client, guests).await?.is_some() {},
            Kind::WrongInput | Kind::Push | Kind::Mount => {}
        }
        Ok(())
    }

    /// Takes off what a later one would stumble over.
    pub(super) async fn clean_up(&self, client: &Client) -> anyhow::Result<()> {
        match self.kind {
            Kind::Call { .. } | Kind::Linger | Kind::Event { .. } | Kind::Migrate { .. } => {
                client.unmount_plugin(self.mount()).await?;
            }
            Kind::WrongInput | Kind::Push | Kind::Mount | Kind::EveryMount => {}
        }
        Ok(())
    }

    /// Does it until the time is over.
    pub(super) async fn go_on(&self, client: &Client, guests: &Guests, times: Timetable) -> Got {
        if matches!(self.kind, Kind::Linger) {
            return self.linger(client, times).await;
        }
        let mut got = Got::default();
        loop {
            let result = match self.kind {
                Kind::Mount => match self.mount_next(client, guests).await {
                    Ok(None) => return got,
                    other => other.map(drop),
                },
                _ => self.once(client, guests).await,
            };
            got.note(result);
            if times.is_over() {
                return got;
            }
        }
    }

    async fn once(&self, client: &Client, guests: &Guests) -> Result<(), Error> {
        match self.kind {
            Kind::Call { op, input } => client.call(self.mount(), op, input).await.map(drop),
            Kind::WrongInput => client
                .call("/locks", "acquire", r#"{"name":7}"#)
                .await
                .map(drop),
            Kind::Event { .. } => client.call(self.mount(), "alarm", "now").await.map(drop),
            Kind::Migrate { .. } => {
                client
                    .activate_breaking_plugin(SHIFTY, guests.fixtures)
                    .await
            }
            Kind::Push => {
                let number = guests.pushed.fetch_add(1, Ordering::Relaxed);
                let component = renamed(&guests.wrong_types, number);
                client
                    .push_plugin("none", component, |_, _| {})
                    .await
                    .map(drop)
            }
            Kind::EveryMount => {
                let number = guests.next.fetch_add(1, Ordering::Relaxed);
                let path = format!("{CROWD}/{}", number % guests.mounts.max(1));
                client.call(path, "echo", "").await.map(drop)
            }
            Kind::Linger | Kind::Mount => Ok(()),
        }
    }

    /// Nothing once there are as many mounts as there shall be.
    async fn mount_next(&self, client: &Client, guests: &Guests) -> Result<Option<()>, Error> {
        let number = guests.next.fetch_add(1, Ordering::Relaxed);
        if number >= guests.mounts {
            return Ok(None);
        }
        let path = format!("{CROWD}/{number}");
        let mounted = client.mount_plugin(PLUGIN, path, BTreeMap::new(), Limits::default());
        mounted.await.map(Some)
    }

    async fn linger(&self, client: &Client, times: Timetable) -> Got {
        let mut got = Got::default();
        let mut parked = FuturesUnordered::new();
        loop {
            while parked.len() < LINGERING {
                parked.push(client.call(self.mount(), "linger", "for ever"));
            }
            if times.is_over() {
                break;
            }
            if let Ok(Some(result)) = tokio::time::timeout(GLANCE, parked.next()).await {
                got.note(result);
            }
        }
        got.answers.insert("parked".to_owned(), parked.len() as u64);
        got
    }
}

/// The same component with a custom section that says nothing: another address.
fn renamed(component: &[u8], number: usize) -> Vec<u8> {
    let name = format!("{number:016}");
    let mut renamed = component.to_vec();
    // Section 0: its length, its name's length, its name. All lengths fit into one byte.
    renamed.extend([0, 17, 16]);
    renamed.extend(name.as_bytes());
    renamed
}

/// The guest that misbehaves on demand.
const PLUGIN: &str = "fixtures";

/// A plugin whose second revision has another layout than its first.
const SHIFTY: &str = "shifty";

/// Mounts of the attacks lie below this node.
const ROOT: &str = "/hostile";

/// Mounts without number lie below this one.
const CROWD: &str = "/crowd";

/// Calls that may be parked at a mount.
const PARKED_MAX: u32 = 1_000;

/// Calls that one caller leaves waiting.
const LINGERING: usize = 1_000;

/// How long a caller waits for an answer before it looks at the time.
const GLANCE: Duration = Duration::from_millis(10);

//! A client that asks for one thing after the other of the znodes that are in use, and writes down
//! what it was told. Knows no fault: it takes what comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use zareba_client::{Acl, Client, CreateMode, Error, ErrorCode, Stat, Zxid};

use crate::crew::Post;
use crate::history::{History, Object};
use crate::znode::{Answer, Call};

/// Znodes in use at a time.
const KEYS: u64 = 5;

/// Operations of a round: as many as make histories of a few hundred for each znode.
const ROUND: u64 = 1_500;

/// What the clients share.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) history: History,
    seed: u64,
    /// Numbers of operations, which are their values, too: no value is written twice.
    tickets: AtomicU64,
    /// Sessions that ended without being closed.
    pub(crate) expired: AtomicU64,
}

/// How a call ended for the client's session.
enum Session {
    Holds,
    IsOver,
}

impl Work {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            history: History::default(),
            seed,
            tickets: AtomicU64::new(0),
            expired: AtomicU64::new(0),
        }
    }

    /// Works until it is told to stop.
    pub(crate) async fn go(self: Arc<Self>, post: Post) {
        let own = (post.number as u64) << 32 | post.life;
        let mut rng = StdRng::seed_from_u64(self.seed ^ own);
        let mut seen = BTreeMap::new();
        while !post.is_stopped() {
            let client = post.connect().await;
            while !post.is_stopped() {
                let done = self.one(&client, &post, &mut rng, &mut seen).await;
                if let Session::IsOver = done {
                    self.expired.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                post.has_done(&client);
            }
            if post.is_stopped() {
                // A session that ended meanwhile is as good as closed.
                let _closed = client.close().await;
            }
        }
    }

    /// All znodes that were in use.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + use<> {
        let rounds = self.tickets.load(Ordering::Relaxed).div_ceil(ROUND);
        (0..rounds).flat_map(|round| (0..KEYS).map(move |key| Object { round, key }))
    }

    /// Reads a znode for the last time.
    pub(crate) async fn read_last(&self, client: &Client, number: usize, object: Object) {
        self.ask(client, number, object, Call::Get).await.unwrap();
    }

    async fn one(
        &self,
        client: &Client,
        post: &Post,
        rng: &mut StdRng,
        seen: &mut BTreeMap<Object, u64>,
    ) -> Session {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let object = Object {
            round: ticket / ROUND,
            key: rng.random_range(0..KEYS),
        };
        seen.retain(|it, _| it.round == object.round);
        let version = Some(seen.get(&object).copied().unwrap_or(0));
        let call = match rng.random_range(0..100) {
            0..20 => Call::Get,
            20..28 => Call::Exists,
            28..33 => Call::Check { version },
            33..63 => Call::Set {
                value: ticket,
                version,
            },
            63..78 => Call::Set {
                value: ticket,
                version: None,
            },
            78..94 => Call::Create { value: ticket },
            94..98 => Call::Delete { version },
            _ => Call::Delete { version: None },
        };
        match self.ask(client, post.number, object, call).await {
            Ok(Some(Answer::Version(version) | Answer::Data { version, .. })) => {
                seen.insert(object, version);
                Session::Holds
            }
            Ok(Some(_) | None) | Err(Error::Timeout) => Session::Holds,
            Err(Error::SessionExpired) => Session::IsOver,
            Err(error) => panic!("client {}, {object}, {call:?}: {error}", post.number),
        }
    }

    /// Asks and writes down. No answer if it was refused without an effect.
    async fn ask(
        &self,
        client: &Client,
        number: usize,
        object: Object,
        call: Call,
    ) -> Result<Option<Answer>, Error> {
        let entry = self.history.asks(number, object, call);
        let (answer, mzxid) = match carry_out(client, object, call).await {
            Ok(told) => told,
            Err(error) => match refusal(&error) {
                Some(answer) => (answer, None),
                None if error.is(ErrorCode::NotServing) => {
                    self.history.is_refused(entry);
                    return Ok(None);
                }
                None => return Err(error),
            },
        };
        self.history.is_answered(entry, answer, mzxid);
        Ok(Some(answer))
    }
}

async fn carry_out(
    client: &Client,
    object: Object,
    call: Call,
) -> Result<(Answer, Option<Zxid>), Error> {
    let path = object.to_string();
    let of = |stat: Stat| (Answer::Version(stat.version), Some(stat.mzxid));
    match call {
        Call::Create { value } => {
            let data = value.to_string();
            let created = client.create_with(path, data, CreateMode::Persistent, Acl::open());
            let (_, stat) = created.await?;
            assert_eq!(stat.czxid, stat.mzxid);
            Ok(of(stat))
        }
        Call::Set { value, version } => {
            Ok(of(client.set(path, value.to_string(), version).await?))
        }
        Call::Delete { version } => {
            client.delete(path, version).await?;
            Ok((Answer::Done, None))
        }
        Call::Check { version } => {
            client.check(path, version).await?;
            Ok((Answer::Done, None))
        }
        Call::Get => {
            let (data, stat) = client.linearizable().get(path).await?;
            let value = std::str::from_utf8(&data).unwrap().parse().unwrap();
            let version = stat.version;
            Ok((Answer::Data { value, version }, Some(stat.mzxid)))
        }
        Call::Exists => {
            let found = client.linearizable().exists(path).await?;
            Ok(found.map_or((Answer::Absent, None), of))
        }
    }
}

/// Refusals that say how the znode is.
fn refusal(error: &Error) -> Option<Answer> {
    match error.code()? {
        ErrorCode::NoNode => Some(Answer::NoNode),
        ErrorCode::NodeExists => Some(Answer::NodeExists),
        ErrorCode::BadVersion => Some(Answer::BadVersion),
        _ => None,
    }
}

//! One leader among candidates. Knows nothing of what the leader does.

use bytes::Bytes;
use zareba_model::{ErrorCode, ZnodePath};

use super::place::{Place, fired};
use super::steady;
use crate::{Client, Error, IntoPath};

/// What the candidates' nodes begin with.
const PREFIX: &str = "candidate-";

/// An election at a path: one leader at a time, then the next candidate in the order of standing. The
/// line of the ZooKeeper paper's lock (section 2.4), in which each node carries its candidate's words.
///
/// **Promises** what [`Lock`](super::Lock) does, token included; that everybody can read who leads; and
/// that a leader is told as soon as this client knows that it is none any more, also while no server
/// answers: [`Leadership::lost`], [`Leadership::while_leading`].
///
/// **Does not promise** that there is never a moment with two who believe to lead: one that stands still
/// for longer than its session's timeout believes it until it runs again. What a leader does to the outside
/// must carry [`Leadership::token`]. A careful leader also rests while its session is
/// [`Lost`](crate::Status::Lost), before it expires.
///
/// **Costs** what [`Lock`](super::Lock) does.
///
/// ```no_run
/// # async fn serve() {}
/// # async fn example(client: zareba_client::Client) -> Result<(), zareba_client::Error> {
/// use zareba_client::recipes::Election;
///
/// let election = Election::new(&client, "/election")?;
/// let leadership = election.campaign("host-7:4000").await?;
/// match leadership.while_leading(serve()).await {
///     Some(()) => leadership.resign().await,
///     None => Ok(()), // somebody else leads, or will
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Election {
    client: Client,
    path: ZnodePath,
}

/// An office that is held until it is resigned or the session ends. Dropping it resigns, without waiting.
#[derive(Debug)]
#[must_use = "the leader resigns when this is dropped"]
pub struct Leadership {
    place: Place,
}

impl Election {
    /// An election at a path. Its node and those above it are created when somebody first stands.
    pub fn new(client: &Client, path: impl IntoPath) -> Result<Self, Error> {
        Ok(Self {
            client: steady(client),
            path: path.into_path()?,
        })
    }

    /// Stands, with words for the others such as an address, and waits until elected. Dropping the
    /// future withdraws.
    ///
    /// Errors: as those of [`Lock::acquire`](super::Lock::acquire).
    pub async fn campaign(&self, words: impl Into<Bytes>) -> Result<Leadership, Error> {
        let place = Place::take(&self.client, &self.path, PREFIX, words.into()).await?;
        place.come_first(|_| true).await?;
        Ok(Leadership { place })
    }

    /// The leader's words and token, or nothing if nobody stands. It may be none any more when this
    /// returns. Two reads; linearizable if the handle is.
    pub async fn leader(&self) -> Result<Option<(Bytes, u64)>, Error> {
        loop {
            let Some(leader) = self.first().await? else {
                return Ok(None);
            };
            match self.client.get(leader).await {
                // It has just gone: another one is first.
                Err(error) if error.is(ErrorCode::NoNode) => {}
                found => return found.map(|(words, stat)| Some((words, stat.czxid.to_u64()))),
            }
        }
    }

    /// Waits until somebody leads whose token is greater than `token`, and returns its words and token.
    /// With 0, whoever leads; with the last one's, the next. All who wait so are woken by each change.
    pub async fn next_leader(&self, token: u64) -> Result<(Bytes, u64), Error> {
        loop {
            let watch = match self.client.children_and_watch(&self.path).await {
                Ok((_, watch)) => watch,
                Err(error) if error.is(ErrorCode::NoNode) => {
                    let (there, watch) = self.client.exists_and_watch(&self.path).await?;
                    if there.is_some() {
                        continue;
                    }
                    watch
                }
                Err(error) => return Err(error),
            };
            match self.leader().await? {
                Some(leader) if leader.1 > token => return Ok(leader),
                _ => fired(watch).await?,
            }
        }
    }

    async fn first(&self) -> Result<Option<ZnodePath>, Error> {
        let names = match self.client.children(&self.path).await {
            Err(error) if error.is(ErrorCode::NoNode) => return Ok(None),
            names => names?,
        };
        let in_line = names.iter().filter_map(|name| {
            let number: u64 = name.strip_prefix(PREFIX)?.parse().ok()?;
            Some((number, name))
        });
        let first = in_line.min().map(|(_, name)| self.path.join(name));
        Ok(first.transpose()?)
    }
}

impl Leadership {
    /// The fencing token: greater than that of every earlier leader.
    pub fn token(&self) -> u64 {
        self.place.czxid()
    }

    /// Returns when the office is lost: the session is over, by a server's word or by the client's own
    /// clock, or somebody deleted the candidate's node. Costs a read and a watch.
    pub async fn lost(&self) {
        self.place.lost().await;
    }

    /// Does the work for as long as the office lasts: its result, or nothing if the office was lost
    /// first. The work is dropped then, wherever it is.
    pub async fn while_leading<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.lost() => None,
            done = work => Some(done),
        }
    }

    /// Gives the office up and returns when the next candidate has been told. Dropping the future
    /// gives it up all the same.
    ///
    /// Errors: [`Error::NodeGone`] or [`Error::SessionExpired`] if the office had been lost before.
    pub async fn resign(self) -> Result<(), Error> {
        self.place.leave().await
    }
}

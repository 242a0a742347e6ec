//! A double barrier: all begin together and end together, round after round. Knows nothing of the work
//! between.
//!
//! ```text
//! /b            version even: gathering    odd: open, until all have left
//! /b/round-4    those of the round that began to gather at version 4
//! /b/round-4/member-0000000002    one of them, ephemeral
//! ```
//!
//! The paper's barrier opens when somebody counts enough children and creates a node that says so; who
//! gives up between the counting and the creating has been counted all the same, and the others go
//! through without him. Here each step is one transaction that names the version of `/b` it was decided
//! at, and the one that opens the barrier demands that all who were counted are still there.

use std::time::Duration;

use tokio::time::Instant;
use zareba_model::limits::MULTI_OPS_MAX;
use zareba_model::{CreateMode, ErrorCode, Outcome, ZnodePath};

use super::place::{Place, fired};
use super::steady;
use crate::client::unexpected;
use crate::{Client, Error, IntoPath, Multi, Watch, clock};

/// What members' nodes begin with.
const MEMBER: &str = "member-";

/// A barrier at a path for so many members. The ZooKeeper paper, section 2.4, "Double Barrier".
///
/// **Promises.** Nobody passes [`enter`](Self::enter) before `members` are there at once, in one
/// transaction: who gives up in time is not counted, and who learns too late has passed. Nobody passes
/// [`leave`](BarrierPass::leave) while a member is inside, unless that member's session has ended. Then
/// the barrier can be used again: who comes while the others leave waits for the next round.
///
/// **Does not promise** that just so many pass: one more who came before it opened passes with them.
///
/// **Costs**, per member: a get, a multi and a list to enter, one multi more for who opens it; a delete and
/// a list to leave, and one more list each time that the member which it watches goes. Everybody is
/// woken when it opens, as they must be.
///
/// ```no_run
/// # async fn example(client: zareba_client::Client) -> Result<(), zareba_client::Error> {
/// use zareba_client::recipes::DoubleBarrier;
///
/// let barrier = DoubleBarrier::new(&client, "/barriers/shuffle", 3)?;
/// let pass = barrier.enter().await?;
/// // what the three do together
/// pass.leave().await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DoubleBarrier {
    client: Client,
    path: ZnodePath,
    members: usize,
}

/// A member inside the barrier. Dropping it leaves without waiting for the others.
#[derive(Debug)]
#[must_use = "the member leaves when this is dropped"]
pub struct BarrierPass {
    barrier: DoubleBarrier,
    place: Place,
    round: Round,
}

/// One round, by the version of the barrier's node at which it gathers: an even number.
#[derive(Clone, Copy, Debug)]
struct Round(u64);

impl Round {
    /// Of any version: the round that gathers or is open then.
    fn at(version: u64) -> Self {
        Self(version & !1)
    }

    fn gathers_at(self, version: u64) -> bool {
        version == self.0
    }

    fn open(self) -> u64 {
        self.0 + 1
    }

    fn next(self) -> Self {
        Self(self.0 + 2)
    }
}

impl DoubleBarrier {
    /// A barrier at a path, which is this recipe's alone. Its nodes are created when somebody first
    /// comes.
    ///
    /// Errors: [`Error::Configuration`] unless there are 1 to 9,998 members, for their nodes are
    /// checked in one transaction.
    pub fn new(client: &Client, path: impl IntoPath, members: usize) -> Result<Self, Error> {
        let most = MULTI_OPS_MAX - 2;
        if !(1..=most).contains(&members) {
            return Err(Error::Configuration(format!(
                "a barrier has 1 to {most} members, but {members} were asked for"
            )));
        }
        Ok(Self {
            client: steady(client),
            path: path.into_path()?,
            members,
        })
    }

    /// Waits until enough members are there and passes with them. Dropping the future withdraws: either
    /// before the barrier opens, and then it is not counted, or after, and then it has entered and left.
    ///
    /// Errors: [`Error::SessionExpired`] and [`Error::Closed`] when the session ends first;
    /// [`Error::NodeGone`] if somebody deleted the member's node.
    pub async fn enter(&self) -> Result<BarrierPass, Error> {
        let (place, round, watch) = self.join().await?;
        self.opened(&place, round, watch).await?;
        Ok(self.pass(place, round))
    }

    /// Waits for the others, but not longer than `patience`; nothing if they did not come. It may take a
    /// round trip longer: a barrier that opened in the last moment has been passed.
    pub async fn enter_within(&self, patience: Duration) -> Result<Option<BarrierPass>, Error> {
        let deadline: Instant = clock::now() + patience;
        let Ok(joined) = tokio::time::timeout_at(deadline, self.join()).await else {
            return Ok(None);
        };
        let (place, round, watch) = joined?;
        let opened = self.opened(&place, round, watch);
        match tokio::time::timeout_at(deadline, opened).await {
            Ok(opened) => opened.map(|()| Some(self.pass(place, round))),
            Err(_) => self.withdraw(place, round).await,
        }
    }

    fn pass(&self, place: Place, round: Round) -> BarrierPass {
        BarrierPass {
            barrier: self.clone(),
            place,
            round,
        }
    }

    /// Becomes a member of a round that gathers. The watch tells when it opens.
    async fn join(&self) -> Result<(Place, Round, Watch), Error> {
        loop {
            let (version, watch) = self.version().await?;
            let round = Round::at(version);
            if !round.gathers_at(version) {
                self.over(round).await?;
            } else if let Some(place) = self.join_round(round).await? {
                return Ok((place, round, watch));
            }
        }
    }

    /// The version of the barrier's node, which is created if it is not there.
    async fn version(&self) -> Result<(u64, Watch), Error> {
        loop {
            match self.client.get_and_watch(&self.path).await {
                Ok((_, stat, watch)) => return Ok((stat.version, watch)),
                Err(error) if error.is(ErrorCode::NoNode) => {
                    let created = self.client.create_node(&self.path).parents().await;
                    unless(ErrorCode::NodeExists, created.map(drop))?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Nothing if the round is past gathering or was not there yet.
    async fn join_round(&self, round: Round) -> Result<Option<Place>, Error> {
        let member = self.round(round)?.join(MEMBER)?;
        let join = Multi::new().check(&self.path, Some(round.0)).create(
            member,
            "",
            CreateMode::EphemeralSequential,
        );
        let client = self.client.clone();
        // A task of its own ends even if nobody waits for it, and then drops the place.
        let task = self.client.runtime().spawn(async move {
            match client.multi(join).await?.pop() {
                Some(Outcome::Created { path, stat }) => {
                    Ok(Place::at(client, path, stat.czxid.to_u64()))
                }
                other => Err(unexpected(
                    "a create in a multi",
                    &other.unwrap_or(Outcome::Checked),
                )),
            }
        });
        match task.await.unwrap_or(Err(Error::Closed)) {
            Ok(place) => Ok(Some(place)),
            Err(error) if error.is(ErrorCode::BadVersion) => {
                // What is read next must be newer than what was read before.
                self.client.sync().await?;
                Ok(None)
            }
            Err(error) if error.is(ErrorCode::NoNode) => {
                let first = Multi::new().check(&self.path, Some(round.0)).create(
                    self.round(round)?,
                    "",
                    CreateMode::Persistent,
                );
                let created = self.client.multi(first).await.map(drop);
                let created = unless(ErrorCode::NodeExists, created);
                unless(ErrorCode::BadVersion, created)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until the round of a member is open, and opens it if all are there.
    async fn opened(&self, place: &Place, round: Round, mut watch: Watch) -> Result<(), Error> {
        // The last who comes sees all who came before: nobody else needs to count again.
        while !self.open_if_complete(place, round).await? {
            fired(watch).await?;
            let version;
            (version, watch) = self.version().await?;
            if !round.gathers_at(version) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// True if the round is open, by this member's doing or another's.
    async fn open_if_complete(&self, place: &Place, round: Round) -> Result<bool, Error> {
        loop {
            let Some(names) = self.inside(round).await? else {
                return Err(place.gone());
            };
            let own = place.path().name();
            if !names.iter().any(|name| name == own) {
                return Err(place.gone());
            }
            if names.len() < self.members {
                return Ok(false);
            }
            let others = names.iter().filter(|name| *name != own);
            let mut open = Multi::new().check(place.path(), None);
            for name in others.take(self.members - 1) {
                open = open.check(self.round(round)?.join(name)?, None);
            }
            let open = open.set(&self.path, "open", Some(round.0));
            match self.client.multi(open).await {
                Ok(_) => return Ok(true),
                Err(error) if error.is(ErrorCode::BadVersion) => return Ok(true),
                // One of them has gone meanwhile, so that it was not complete.
                Err(error) if error.is(ErrorCode::NoNode) => self.client.sync().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives up, unless the round has opened meanwhile.
    async fn withdraw(&self, place: Place, round: Round) -> Result<Option<BarrierPass>, Error> {
        let withdraw = Multi::new()
            .check(&self.path, Some(round.0))
            .delete(place.path(), None);
        match self.client.multi(withdraw).await {
            Ok(_) => {
                place.forget();
                Ok(None)
            }
            Err(error) if error.is(ErrorCode::BadVersion) => Ok(Some(self.pass(place, round))),
            Err(error) if error.is(ErrorCode::NoNode) => Err(place.gone()),
            Err(error) => Err(error),
        }
    }

    /// Waits until an open round is over: everybody has left. Whoever sees that first begins the next.
    async fn over(&self, round: Round) -> Result<(), Error> {
        while let Some(names) = self.inside(round).await? {
            let Some(one) = names.first() else {
                return self.begin_next(round).await;
            };
            let one = self.round(round)?.join(one)?;
            let (there, watch) = self.client.exists_and_watch(one).await?;
            if there.is_some() {
                fired(watch).await?;
            }
        }
        Ok(())
    }

    async fn begin_next(&self, round: Round) -> Result<(), Error> {
        let begin = Multi::new()
            .set(&self.path, "gathering", Some(round.open()))
            .delete(self.round(round)?, None)
            .create(self.round(round.next())?, "", CreateMode::Persistent);
        // Somebody else may have done it.
        unless(
            ErrorCode::BadVersion,
            self.client.multi(begin).await.map(drop),
        )
    }

    /// The names of a round's members; nothing if it is over.
    async fn inside(&self, round: Round) -> Result<Option<Vec<String>>, Error> {
        match self.client.children(self.round(round)?).await {
            Ok(names) => Ok(Some(names)),
            Err(error) if error.is(ErrorCode::NoNode) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn round(&self, round: Round) -> Result<ZnodePath, Error> {
        Ok(self.path.join(&format!("round-{}", round.0))?)
    }
}

/// One refusal is as good as done.
fn unless(code: ErrorCode, result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.is(code) => Ok(()),
        other => other,
    }
}

impl BarrierPass {
    /// Leaves, and returns when all have left or their sessions have ended. Dropping the future leaves
    /// all the same.
    ///
    /// Errors: [`Error::NodeGone`] or [`Error::SessionExpired`] if this member was not inside any more.
    pub async fn leave(self) -> Result<(), Error> {
        let Self {
            barrier,
            place,
            round,
        } = self;
        place.leave().await?;
        barrier.over(round).await
    }

    /// Returns when this member is inside no more without having left: its session is over, as far as
    /// this client knows, or somebody deleted its node. Costs a read and a watch.
    pub async fn lost(&self) {
        self.place.lost().await;
    }
}

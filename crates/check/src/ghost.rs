//! What nobody in the ensemble knows but must be true of all of it: the one committed history and who
//! reigned. Changes no server.

use zareba_model::{Ensemble, Entry, Epoch, ServerId, Zxid};
use zareba_zab::Message;

use crate::change::version_in;
use crate::disk::Image;
use crate::scope::{SERVERS, Scope};
use crate::server::Server;
use crate::violation::{Kind, Violation, ensure};

/// The history of the whole ensemble.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ghost {
    /// All that any server ever held for committed, in order.
    pub(crate) committed: Vec<Entry>,
    /// Who was established, and in which epoch, in the order of their reigns.
    pub(crate) reigns: Vec<(Epoch, ServerId)>,
    /// The newest version of the ensemble that any leader ever proposed.
    pub(crate) proposed: u64,
}

impl Ghost {
    /// How many committed transactions come up to `zxid`.
    pub(crate) fn place(&self, zxid: Zxid) -> usize {
        self.committed.partition_point(|entry| entry.zxid <= zxid)
    }

    /// The version of the ensemble behind the first so many committed transactions.
    pub(crate) fn version_at(&self, place: usize) -> u64 {
        let entries = self.committed.iter().take(place);
        let versions = entries.filter_map(|entry| version_in(&entry.payload));
        versions.fold(0, u64::max)
    }

    /// That ensemble, unless it is the first.
    pub(crate) fn ensemble_at(&self, scope: &Scope, place: usize) -> Option<Ensemble> {
        let version = self.version_at(place);
        (version > 0).then(|| scope.ensemble(version))
    }

    /// True if one reign has begun the change of the ensemble and a later one has ended it.
    pub(crate) fn is_change_handed_on(&self) -> bool {
        let halves = self.committed.iter();
        let mut halves = halves.filter(|entry| version_in(&entry.payload).is_some());
        let (begun, ended) = (halves.next(), halves.next());
        begun
            .zip(ended)
            .is_some_and(|(b, e)| b.zxid.epoch < e.zxid.epoch)
    }

    /// What `server` holds for committed must be what others do, or continue it.
    pub(crate) fn learn_committed(
        &mut self,
        me: ServerId,
        server: &Server,
        checks_claims: bool,
    ) -> Result<(), Violation> {
        let promised = server.disk.promised()?;
        let (last, logged) = (server.zab.last_logged(), promised.last());
        ensure(!checks_claims || last == logged, Kind::MemoryIsDisk, || {
            format!("server {me}'s log ends at {last} in memory, at {logged} on disk")
        })?;
        let committed = server.zab.committed();
        let log = promised.log.iter().filter(|e| e.zxid <= committed);
        for (place, entry) in (self.place(promised.base)..).zip(log) {
            match self.committed.get(place) {
                None => self.committed.push(entry.clone()),
                Some(known) => ensure(known == entry, Kind::PrefixConsistency, || {
                    let (mine, others) = (entry.zxid, known.zxid);
                    format!("server {me} has committed {mine} where others have {others}")
                })?,
            }
        }
        Ok(())
    }

    /// Each of `disks` is one server's. What is committed is on a quorum of them: of the ensemble
    /// last committed, or of one that is in force in some log behind it.
    pub(crate) fn check_durability(
        &self,
        scope: &Scope,
        disks: &[&Image],
    ) -> Result<(), Violation> {
        if self.committed.is_empty() {
            return Ok(());
        }
        let last = self.version_at(self.committed.len());
        let next = (self.proposed > last).then(|| scope.ensemble(self.proposed));
        let ensembles = [Some(scope.ensemble(last)), next];
        for entry in &self.committed {
            let copies = SERVERS.into_iter().zip(disks);
            let copies = copies.filter(|(_, image)| image.has(entry));
            let has = |server| copies.clone().any(|(other, _)| other == server);
            let is_held = ensembles.iter().flatten().any(|it| it.is_quorum(has));
            ensure(is_held, Kind::Durability, || {
                let copies: Vec<ServerId> = copies.clone().map(|(server, _)| server).collect();
                format!("{} is committed and held by {copies:?} only", entry.zxid)
            })?;
        }
        Ok(())
    }

    /// A server applies an entry.
    pub(crate) fn check_delivery(&self, place: usize, entry: &Entry) -> Result<(), Violation> {
        let known = self.committed.get(place);
        ensure(known == Some(entry), Kind::Delivery, || {
            let known = known.map(|known| known.zxid);
            format!(
                "{} is delivered at place {place}, not {known:?}",
                entry.zxid
            )
        })
    }

    /// A server's reign is established.
    pub(crate) fn on_established(
        &mut self,
        me: ServerId,
        epoch: Epoch,
        image: &Image,
    ) -> Result<(), Violation> {
        let other = self.reigns.iter().find(|(known, _)| *known == epoch);
        ensure(other.is_none(), Kind::Leadership, || {
            format!("epoch {} has server {me} and {other:?}", epoch.0)
        })?;
        let place = self.reigns.partition_point(|(known, _)| *known < epoch);
        self.reigns.insert(place, (epoch, me));
        // A server may learn late that its reign has begun; newer epochs are not its concern.
        let older = self.committed.iter().filter(|e| e.zxid.epoch < epoch);
        for entry in older {
            ensure(image.has(entry), Kind::LeaderCompleteness, || {
                format!("server {me} leads epoch {} without {}", epoch.0, entry.zxid)
            })?;
        }
        Ok(())
    }
}

/// Compares what a server says of its disk with its disk.
pub(crate) fn check_claim(me: ServerId, message: &Message, image: &Image) -> Result<(), Violation> {
    let so = match message {
        Message::Ack { zxid, .. } => image.reaches(*zxid),
        Message::NewEpoch { epoch, .. } => image.accepted >= *epoch,
        Message::AckEpoch {
            epoch,
            current_epoch,
            last_zxid,
            ..
        } => {
            image.accepted == *epoch
                && image.current == *current_epoch
                && image.last() == *last_zxid
        }
        Message::AckNewLeader {
            epoch, last_zxid, ..
        } => image.current == *epoch && image.reaches(*last_zxid),
        _ => true,
    };
    ensure(so, Kind::Claims, || {
        format!("server {me} claims what is not durable: {message:?}")
    })
}

/// A follower answers NEWLEADER: up to `last`, its durable log must be what its leader has, unless
/// that has gone on to a newer epoch and cut its own.
pub(crate) fn check_process(
    (follower, image): (ServerId, &Image),
    leader: &Server,
    epoch: Epoch,
    last: Zxid,
) -> Result<(), Violation> {
    if leader.zab.epoch() != epoch || leader.zab.accepted_epoch() != epoch {
        return Ok(());
    }
    let its = leader.disk.promised()?;
    let base = its.base.max(image.base);
    let shared = |image: &Image| -> Vec<Entry> {
        let log = image.log.iter();
        log.filter(|e| e.zxid > base && e.zxid <= last)
            .cloned()
            .collect()
    };
    ensure(
        shared(image) == shared(&its),
        Kind::ProcessConsistency,
        || format!("server {follower} answers for a history that is not its leader's"),
    )
}

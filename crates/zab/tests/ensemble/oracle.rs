//! What must be true of the whole ensemble, whatever happens. Violations are panics.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::{Ensemble, Entry, Epoch, ServerId, Zxid};
use zareba_zab::Message;

use crate::disk::Image;
use crate::membership::decode;

#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// All that was delivered anywhere, in order.
    pub order: Vec<Entry>,
    places: BTreeMap<Zxid, usize>,
    proposed: BTreeMap<Zxid, Bytes>,
    leaders: BTreeMap<Epoch, ServerId>,
    /// The ensembles of the order: from how many transactions on, which.
    pub ensembles: Vec<(usize, Ensemble)>,
    /// All ensembles ever proposed, and the first.
    proposed_ensembles: Vec<Ensemble>,
    /// Whether claims are compared with the speaker's disk; off to see what false claims lead to.
    pub checks_claims: bool,
}

impl Oracle {
    pub fn new(first: Ensemble) -> Self {
        Self {
            ensembles: vec![(0, first.clone())],
            proposed_ensembles: vec![first],
            checks_claims: true,
            ..Self::default()
        }
    }

    /// How many transactions come up to `zxid`.
    pub fn place(&self, zxid: Zxid) -> usize {
        if zxid == Zxid::ZERO {
            return 0;
        }
        *self.places.get(&zxid).expect("a place that was delivered")
    }

    pub fn on_proposed(&mut self, zxid: Zxid, payload: Bytes) {
        self.proposed_ensembles.extend(decode(&payload));
        let before = self.proposed.insert(zxid, payload);
        assert!(before.is_none(), "{zxid} was proposed twice");
    }

    /// The ensemble behind so many transactions.
    pub fn ensemble_at(&self, place: usize) -> &Ensemble {
        let known = self.ensembles.iter().rev();
        let mut before = known.filter(|(from, _)| *from <= place);
        &before.next().expect("the first").1
    }

    /// Ensembles whose quorums may decide now: the last delivered, and what may have been proposed
    /// behind it.
    pub fn ensembles_now(&self) -> impl Iterator<Item = &Ensemble> {
        let last = self.ensemble_at(usize::MAX);
        let next = last.version + 1;
        let proposed = self.proposed_ensembles.iter();
        proposed.filter(move |it| it.version == next).chain([last])
    }

    /// `place` is how many the server had delivered before.
    pub fn on_delivered(
        &mut self,
        server: ServerId,
        place: usize,
        entry: &Entry,
        images: &BTreeMap<ServerId, &Image>,
    ) {
        assert_eq!(
            self.proposed.get(&entry.zxid),
            Some(&entry.payload),
            "server {server} delivers {}, which nobody proposed",
            entry.zxid
        );
        match self.order.get(place) {
            Some(known) => assert_eq!(
                known, entry,
                "server {server} delivers {} where others have delivered {}",
                entry.zxid, known.zxid
            ),
            None => {
                assert_eq!(place, self.order.len(), "server {server} has left some out");
                let has = |server| {
                    let image = images.get(&server);
                    image.is_some_and(|it| {
                        it.contains(entry.zxid) || it.rotten.contains(&entry.zxid)
                    })
                };
                let is_held = self.ensembles_now().any(|it| it.is_quorum(has));
                assert!(
                    is_held || !self.checks_claims,
                    "{} is delivered without a quorum of copies",
                    entry.zxid
                );
                self.order.push(entry.clone());
                self.places.insert(entry.zxid, place + 1);
                if let Some(ensemble) = decode(&entry.payload) {
                    self.ensembles.push((place + 1, ensemble));
                }
            }
        }
    }

    pub fn on_leading(&mut self, server: ServerId, epoch: Epoch, delivered: usize) {
        let other = self.leaders.insert(epoch, server);
        assert!(
            other.is_none(),
            "epoch {epoch} has leaders {server} and {other:?}"
        );
        // A stalled server may learn late that its reign began; newer epochs are not its concern.
        let older = self.order.partition_point(|entry| entry.zxid.epoch < epoch);
        assert!(
            delivered >= older,
            "leader {server} of epoch {epoch} lacks what was delivered in older epochs"
        );
    }

    /// The newest epoch that has, or had, an established leader.
    pub fn newest_reign(&self) -> Epoch {
        self.leaders.keys().next_back().copied().unwrap_or_default()
    }

    pub fn on_sent(&self, server: ServerId, message: &Message, image: &Image) {
        if !self.checks_claims {
            return;
        }
        let durable = match message {
            Message::Ack { zxid, .. } => image.contains(*zxid),
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
            } => image.current == *epoch && image.contains(*last_zxid),
            _ => true,
        };
        assert!(
            durable,
            "server {server} claims what is not durable: {message:?}"
        );
    }
}

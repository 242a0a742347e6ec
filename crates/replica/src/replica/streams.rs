//! Keeps what flows in pieces moving: checkpoints to the image, snapshots between servers.

use std::collections::VecDeque;

use zareba_model::{ErrorCode, Relay, ServerId, Zxid};

use super::Replica;
use crate::bug::Bug;
use crate::event_history::EventHistory;
use crate::output::{ImageWrite, Output};
use crate::plugin::PluginRuntime;
use crate::transfer::Incoming;

/// Writes of the image that are not done, in order. The end of an installation is none of them: it is
/// reported by a word of its own.
#[derive(Debug, Default)]
pub(super) struct ImageWrites(VecDeque<UnderWay>);

#[derive(Debug)]
enum UnderWay {
    Checkpoint,
    /// A piece of a snapshot, of which its sender is told once it is written.
    Piece {
        from: ServerId,
        base: Zxid,
        sequence: u64,
    },
    /// Nobody waits for it.
    Other,
}

impl ImageWrites {
    /// The sender of a snapshot waits no more for its pieces.
    fn forget_pieces(&mut self) {
        for write in &mut self.0 {
            if let UnderWay::Piece { .. } = write {
                *write = UnderWay::Other;
            }
        }
    }
}

impl<P: PluginRuntime> Replica<P> {
    fn write_image(&mut self, write: ImageWrite, as_what: UnderWay, outputs: &mut Vec<Output>) {
        self.image_writes.0.push_back(as_what);
        outputs.push(Output::Image(write));
    }

    /// The oldest write of the image is done.
    pub(super) fn on_image_written(&mut self, outputs: &mut Vec<Output>) {
        match self.image_writes.0.pop_front() {
            Some(UnderWay::Checkpoint) => self.checkpoint.on_written(),
            // Only now: behind a slow disk all of the snapshot would wait in memory.
            Some(UnderWay::Piece {
                from,
                base,
                sequence,
            }) => outputs.push(Output::SendRelay {
                to: from,
                relay: Relay::SnapshotTaken { base, sequence },
            }),
            Some(UnderWay::Other) => {}
            None => panic!("a write of the image was reported done that was never asked for"),
        }
    }

    pub(super) fn move_streams(&mut self, outputs: &mut Vec<Output>) {
        let pieces = self.outgoing.next_pieces(
            &self.world.tree,
            self.config.snapshot_chunk_bytes,
            self.config.snapshot_window,
        );
        outputs.extend(
            pieces
                .into_iter()
                .map(|(to, relay)| Output::SendRelay { to, relay }),
        );
        // While a snapshot is on its way in, the tree is about to be replaced; and a tree that is
        // not whole yet has no digest to be written down with it.
        let replaced = self.incoming.is_some() || self.arrived.is_some();
        if replaced || !self.world.tree.is_consistent() {
            return;
        }
        let write = self.checkpoint.next_write(
            &mut self.world.tree,
            self.config.checkpoint_batch,
            self.config.checkpoint_txns,
            self.config.checkpoint_bytes,
        );
        let write = match write {
            Some(ImageWrite::Finish { end, digest, .. })
                if self.config.has_bug(Bug::CheckpointClaimsItsEnd) =>
            {
                let start = end;
                Some(ImageWrite::Finish { start, end, digest })
            }
            write => write,
        };
        if let Some(write) = write {
            self.write_image(write, UnderWay::Checkpoint, outputs);
        }
    }

    pub(super) fn on_peer_down(&mut self, peer: ServerId) {
        self.outgoing.abandon(peer);
        if let Some(leading) = &mut self.leading {
            leading.forget(peer);
        }
    }

    /// How many bytes of the log it is worth to send a follower: no more than a snapshot would
    /// take, unless it got a snapshot just now and needs what came behind it. Another snapshot
    /// would only begin the same again.
    pub(super) fn worth_of_reading(&self, to: ServerId, after: Zxid) -> u64 {
        if self.outgoing.has_sent(to, after) {
            return u64::MAX;
        }
        self.world.tree.snapshot_bytes()
    }

    pub(super) fn receive_snapshot(
        &mut self,
        from: ServerId,
        base: Zxid,
        outputs: &mut Vec<Output>,
    ) {
        // The tree will jump: what watchers would have been told is unknown here. Clients come
        // back with their watches, here or elsewhere, and learn what they missed.
        self.dismiss("this server is being refilled; try another", false, outputs);
        self.incoming = Some(Incoming::new(from, base));
        self.image_writes.forget_pieces();
        let begin = ImageWrite::BeginInstall { base };
        self.write_image(begin, UnderWay::Other, outputs);
    }

    pub(super) fn abandon_snapshot(&mut self, peer: ServerId, outputs: &mut Vec<Output>) {
        self.outgoing.abandon(peer);
        let was_incoming = self
            .incoming
            .as_ref()
            .is_some_and(|incoming| incoming.from == peer);
        if was_incoming {
            self.incoming = None;
            self.image_writes.forget_pieces();
            self.write_image(ImageWrite::AbandonInstall, UnderWay::Other, outputs);
        }
    }

    pub(super) fn on_snapshot_piece(
        &mut self,
        from: ServerId,
        base: Zxid,
        sequence: u64,
        records: &[u8],
        end: Option<Zxid>,
        outputs: &mut Vec<Output>,
    ) {
        let wanted = |it: &&mut Incoming| it.from == from && it.base == base;
        let Some(incoming) = self.incoming.as_mut().filter(wanted) else {
            return;
        };
        let Ok(records) = incoming.take(sequence, records, end) else {
            // The stream is broken, and so the attempt to follow: begin anew, as over a new link.
            self.zab(zareba_zab::Input::PeerDown(from));
            return self.zab(zareba_zab::Input::PeerUp(from));
        };
        let piece = UnderWay::Piece {
            from,
            base,
            sequence,
        };
        self.write_image(ImageWrite::InstallBatch { records }, piece, outputs);
        let Some(end) = end else { return };
        let arrived = self.incoming.take().and_then(Incoming::finish);
        self.arrived = arrived.map(|tree| (base, tree));
        outputs.push(Output::Image(ImageWrite::FinishInstall { base, end }));
    }

    /// Image and log are durably the leader's: the tree follows them.
    pub(super) fn on_snapshot_installed(&mut self, base: Zxid, outputs: &mut Vec<Output>) {
        let arrived = self.arrived.take().filter(|(of, _)| *of == base);
        let Some((_, tree)) = arrived else {
            panic!("a snapshot must be installed only after it has arrived: {base}");
        };
        self.world.tree = tree;
        self.history = EventHistory::new(self.world.tree.applied());
        self.follow_ensemble(outputs);
        self.checkpoint.restart();
        for held in self.held.take() {
            self.watches.remove_session(held.session);
            let why = format!(
                "session {} must re-attach: this server was refilled",
                held.session
            );
            let fault = zareba_model::Fault::new(ErrorCode::NotServing, why);
            Self::goodbye(held.connection, fault, outputs);
        }
        self.compile_new(outputs);
        let ensemble = self.world.tree.ensemble().cloned();
        self.zab(zareba_zab::Input::SnapshotInstalled { base, ensemble });
        for input in std::mem::take(&mut self.zab_waiting) {
            self.drain_zab(outputs);
            self.zab(input);
        }
    }
}

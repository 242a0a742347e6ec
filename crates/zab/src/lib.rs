//! Atomic broadcast (Zab), sans-IO: a group of servers agrees on one order of transactions, in spite of
//! crashes, as long as a quorum of them can talk. Payloads are opaque bytes. This room must never
//! know a znode, a session, a clock, a disk or a socket.
//!
//! # How to drive it
//!
//! [`Zab`] is a value that takes [`Input`]s and asks for [`Output`]s; one thread owns it.
//!
//! 1. [`Zab::new`] with what the disk held ([`Recovered`]).
//! 2. Give it every [`Input`] as it happens, with the time: link news, messages, `Persisted`, and a
//!    `Tick` every few milliseconds, also when nothing else happens.
//! 3. At an established leader, [`Zab::propose`] what [`Zab::next_zxid`] was prepared for.
//! 4. After each batch of inputs and proposals, [`Zab::flush`]: one append, one proposal for all
//!    followers, cumulative acks and commit points. Nothing may be left unflushed while waiting.
//!    For a read that must not be stale, [`Zab::request_confirmation`] and wait for
//!    [`Zab::confirmed_round`].
//! 5. Carry out the outputs in order. A `Send` to a server without a link is dropped. A proposal that
//!    was not flushed when the role changed never was.
//!
//! What the outside owes: links are ordered, and nothing of an older link arrives over a newer one;
//! writes are carried out in order and reported, cumulatively, only when they are durable; after
//! an [`Output::AbandonSnapshot`] the stream is never swapped in; a stream that fails breaks its link
//! (`PeerDown` on both sides), for no timer watches it; an I/O error stops the process.
//!
//! # Phases
//!
//! ```text
//!               +--------------------- anything goes wrong ----------------------+
//!               v                                                                |
//!  looking --- a quorum votes alike ---> leading:   Gathering .. Established ----+
//!   (looking.rs)          |                 (leading.rs, leading/*.rs)           |
//!                         +------------> following: Knocking .. Broadcasting ----+
//!                                           (following.rs, following/*.rs)
//! ```
//!
//! - **looking**: fast leader election by (current epoch, last zxid, server). A hint, never trusted.
//! - **discovery**: the new leader gathers a quorum, chooses the epoch after all it has promised, and
//!   has a quorum promise it durably, itself first. Who finds a newer history than its own in that
//!   quorum gives up.
//! - **synchronization**: each follower is brought to the leader's history by DIFF, TRUNC or SNAP, then
//!   NEWLEADER; it answers when history and epoch are durable, in this order. When a quorum has, the
//!   reign is established, the history is committed, and UPTODATE lets followers serve.
//! - **broadcast**: PROPOSE, ACK, COMMIT, pipelined. Late followers are synchronized meanwhile and are
//!   in the stream of proposals from the same moment.
//!
//! # Invariants
//!
//! - Nothing is acked, promised or announced that is not durable: such messages are made of
//!   `Durable` values, which only the tracker of writes can make (`persistence.rs`).
//! - At most one established leader of an epoch: a promise of an epoch is given once, and only promises
//!   given after its number was chosen count.
//! - A log has no hole: each proposal names the entry it follows.
//! - What is delivered was committed and is durable here, is delivered once and in order, and is never
//!   truncated. A server asked to do so stops.
//! - The current epoch is written behind the whole history it stands for.
//!
//! [`Zab::check_invariants`] asserts what one server can see of these.
//!
//! # The ensemble
//!
//! The ensemble is part of the order: an entry's payload may change it ([`Config::ensemble_in`]), and
//! of all ensembles a server knows, the one with the highest version is in force, from the moment its
//! entry is in the log. A truncation takes it back. Everything that counts a quorum counts one of the
//! ensemble in force *here*. A change of voters is proposed by the caller as two entries: one with the
//! members before and behind it ([`zareba_model::Ensemble::outgoing`]), whose quorums contain one of either side, and, once
//! that is delivered at the leader, one with the members behind it alone.
//!
//! Why two leaders never pass each other: the quorums of two neighbours among {before, joint, behind}
//! intersect. A leader *behind* exists only where the joint entry is committed, hence in the logs of a
//! quorum *before*. A leader whose log lacks it still counts quorums *before*, so it meets the entry
//! among its promises and gives up, exactly as it would for any other committed entry; it is never
//! established, and no server of the ensemble behind needs its word. What an established leader finds
//! in its log is committed by its establishment, so that two changes are never under way at once.
//!
//! A server votes and promises also where it is no voter as far as it knows, for it may know too
//! little; whose word counts is for the counting server to say. A leader refuses the knock of whoever
//! is no member as far as *it* knows. A leader that is to lead no longer, because it is no voter any
//! more or has no weight, goes when that is delivered and everybody has been told; so does, from the
//! leader's company, a follower that is no member any more.
//!
//! # Servers that count for nothing
//!
//! A server whose log was damaged ([`Recovered::may_vote`] is false) casts no vote, joins only a leader that a quorum of others stands behind, and neither its promise
//! nor its first ack counts. Once it is told UPTODATE it holds an established history, and its acks
//! count. Its promises must have survived: a server that has lost its epochs page too is a new server.
//!
//! # Limits
//!
//! Memory is bounded by the window ([`Config::window_entries`], [`Config::window_bytes`]), by what is
//! proposed and not committed (the caller's bound: [`Zab::outstanding`]), and, while a snapshot is on
//! its way to a follower, by [`Config::kept_bytes_max`] of proposals.

pub mod config;
#[cfg(feature = "bugs")]
pub use config::Bug;
pub use config::Config;
pub mod input;
pub use input::{Input, Now};
pub mod message;
pub use message::{Candidate, Join, Message, Phase, Vote};
pub mod output;
pub use output::{Output, Persist, Role, Token};
pub mod member;
pub use member::Recovered;
pub mod zab;
pub use leading::NotLeading;
pub use zab::Zab;

mod following;
mod history;
mod invariants;
mod leading;
mod learner_progress;
mod looking;
mod membership;
mod persistence;
mod quorum;
mod timer;

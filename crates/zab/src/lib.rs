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
//! - **synchronization**: it is found where each follower's log parts from the leader's (DIFF, TRUNC,
//!   or SNAP for one that is too far behind), and the feed sends what stands behind that, from memory
//!   or from the log on disk. NEWLEADER follows the history with which the reign begins; it is answered
//!   when history and epoch are durable, in this order. When a quorum has answered, the reign is
//!   established and the history is committed. UPTODATE lets a follower serve as soon as it is level.
//! - **broadcast**: PROPOSE, ACK, COMMIT, pipelined; INFORM to observers. The same feed, hence one
//!   path for what is old and what is new (`leading/feed.rs`). Nobody is sent more than a bounded
//!   number of bytes that are not yet durable there.
//!
//! When the counter of an epoch is used up, or a server turns up that has promised a newer one, an
//! established leader opens a new epoch without an election: it tells its followers to
//! knock again and goes back to `Gathering`. Its role is `Looking` meanwhile, as is theirs, for about
//! three round trips and three writes; requests wait so long.
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
//! members before and behind it ([`zareba_model::Ensemble::outgoing`]), whose quorums contain one of
//! either side, and, once that is delivered at the leader, whoever leads then, one with the members
//! behind it alone.
//!
//! Why two leaders never pass each other: the quorums of two neighbours among {before, joint, behind}
//! intersect. A leader *behind* exists only where the joint entry is committed, hence in the logs of a
//! quorum *before*. A leader whose log lacks it still counts quorums *before*, so it meets the entry
//! among its promises and gives up, exactly as it would for any other committed entry; it is never
//! established, and no server of the ensemble behind needs its word. What an established leader finds
//! in its log is committed by its establishment, so that two changes are never under way at once.
//!
//! This rests on what the members *before* remember, also those that are members no longer: a server
//! that has missed many changes counts quorums of long ago. So a number is never given twice. A server
//! that comes back without its disk is a new server with a new number.
//!
//! A server votes and promises also where it is no voter as far as it knows, for it may know too
//! little; whose word counts is for the counting server to say. A leader refuses the knock of whoever
//! is no member as far as *it* knows. A leader that is to lead no longer, because it is no voter any
//! more or has no weight, goes when that is delivered and everybody has been told; so does, from the
//! leader's company, a follower that is no member any more.
//!
//! # Servers that count for nothing
//!
//! An observer is told only what is committed; its acks pace the feed and count for nothing. It becomes
//! a voter with the entry that says so.
//!
//! A server whose log was damaged ([`Recovered::may_vote`] is false) casts no vote, joins only a leader
//! that a quorum of others stands behind, and neither its promise nor its first ack counts. Once it is
//! told UPTODATE it holds an established history, and its acks count. Its promises must have survived:
//! a server that has lost its epochs page too is a new server, with a new number.
//!
//! So is a server that never held a history ([`Recovered::current_epoch`] is 0), as far as it can know:
//! it may have lost a disk from which it acked. It votes once every other voter has said that it has no
//! transaction either ([`Config::may_begin`]): whatever was committed with its ack is on a quorum, and
//! one of those others would have it. So a new ensemble begins when all its voters are there.
//!
//! # Limits
//!
//! Memory is bounded by the window ([`Config::window_entries`], [`Config::window_bytes`]) and by what
//! is proposed and not committed (the caller's bound: [`Zab::outstanding`]). What is on its way to a
//! follower, also while a snapshot is, is bounded by [`Config::feed_bytes_max`] and one message.

pub mod config;
#[cfg(feature = "bugs")]
pub use config::Bug;
pub use config::Config;
pub mod input;
pub use input::{Input, LogRead, Now};
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

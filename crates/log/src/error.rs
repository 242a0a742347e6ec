//! What can go wrong with the log, by what its owner can do about it.

use thiserror::Error;
use zareba_model::{Epoch, Zxid};

use crate::disk::DiskError;

/// Why a call of the log failed. After [`LogError::Disk`], every later call fails with
/// [`LogError::Poisoned`]: stop the process and let recovery find out what the disk holds.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LogError {
    /// The disk refused.
    #[error("the disk failed while the log tried to {doing}: {error}")]
    Disk {
        /// What was under way.
        doing: &'static str,
        /// The disk's words.
        error: DiskError,
    },
    /// An earlier call failed; nothing is written any more.
    #[error("the log has stopped after an earlier disk error; restart the server to recover")]
    Poisoned,
    /// An entry would leave a hole; nothing of its batch was taken.
    #[error("entry {next} does not follow {last}, the end of the log")]
    Hole {
        /// The last entry of the log.
        last: Zxid,
        /// The entry that does not follow.
        next: Zxid,
    },
    /// An entry is larger than any valid transaction; nothing of its batch was taken.
    #[error("entry {zxid} has {bytes} bytes, more than a transaction can have")]
    TooLarge {
        /// The entry.
        zxid: Zxid,
        /// Its size.
        bytes: usize,
    },
    /// The log does not reach back so far: its older part is only in the image.
    #[error("the log begins behind {base}; what is at {wanted} is only in the image")]
    BelowBase {
        /// The log holds what is behind this.
        base: Zxid,
        /// What was asked for.
        wanted: Zxid,
    },
    /// Both copies of the epochs page are bad: this server cannot know what it has promised.
    #[error(
        "both copies of the epochs page (file `epochs`) are unreadable, so this server cannot know \
         what it has promised to others; move its data directory away and start it on an empty one \
         while a quorum of the others is up"
    )]
    EpochsUnreadable,
    /// There is a log and no epochs page: something has removed it.
    #[error(
        "the log has entries but the file `epochs` is missing, so this server cannot know what it \
         has promised to others; move its data directory away and start it on an empty one while a \
         quorum of the others is up"
    )]
    EpochsMissing,
    /// A file was written by a version of the format that this program does not know.
    #[error(
        "{file} has log format {found}, this program knows {known}; use the version that wrote it"
    )]
    UnknownFormat {
        /// Which file.
        file: String,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// What was read a moment ago no longer reads the same.
    #[error("{segment} cannot be read again at byte {offset}; restart the server to recover")]
    Unreadable {
        /// Which file.
        segment: String,
        /// Where.
        offset: u64,
    },
}

/// What recovery found missing that was durable once. The log stays usable up to there, but this
/// server has forgotten what it acknowledged: it must not vote, nor count for any quorum, until a
/// quorum has refilled it and [`crate::Log::clear_damage`] was called.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// Bytes below a durability mark are bad.
    #[error(
        "{segment} is damaged at byte {offset}: {found}, though a later mark proves that it was \
         durable; the log ends at {last} until a quorum has refilled it"
    )]
    Record {
        /// Which file.
        segment: String,
        /// Where the first bad record begins.
        offset: u64,
        /// What is wrong with it.
        found: &'static str,
        /// The last good entry.
        last: Zxid,
    },
    /// A segment's first bytes are bad though entries behind them were durable.
    #[error(
        "{segment} is damaged: its header is bad; what it and later segments held is missing until \
         a quorum has refilled it"
    )]
    Header {
        /// Which file.
        segment: String,
    },
    /// There is an image and no log at all.
    #[error(
        "the image ends at {image}, but there is no log; what was behind it is missing until a \
         quorum has refilled it"
    )]
    NoLog {
        /// Where the image ends.
        image: Zxid,
    },
    /// There is neither a log nor an image where there once was a member's.
    #[error(
        "epoch {} was promised here, but there is neither a log nor an image; what they held is \
         missing until a quorum has refilled it",
        .promised.0
    )]
    Vanished {
        /// What the epochs page tells of an earlier life.
        promised: Epoch,
    },
    /// The log does not reach back to the image.
    #[error(
        "the log begins behind {base}, but the image ends at {image}: a segment is missing; the \
         log is empty until a quorum has refilled it"
    )]
    BeginsLate {
        /// Where the log begins.
        base: Zxid,
        /// Where the image ends.
        image: Zxid,
    },
    /// The log ends before what the image contains: its tail is lost, or an installed snapshot has
    /// not yet been followed by the entries it needs.
    #[error(
        "the log ends at {last}, but the image contains effects up to {durable}; the state is \
         incomplete until a quorum has refilled it"
    )]
    EndsEarly {
        /// Where the log ends.
        last: Zxid,
        /// How far the image goes.
        durable: Zxid,
    },
    /// Found by an earlier start, and not refilled since.
    #[error("found by an earlier start and not refilled since: {0}")]
    Earlier(String),
}

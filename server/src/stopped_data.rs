//! Looks at the data of a server that is stopped, for its operator. Changes not a byte of it.
//!
//! It asks the same recovery that the next start will, so that it never says otherwise.

use std::path::Path;

use thiserror::Error;
use zareba_log::inspection::{EpochsFound, Place, RecordFound};
use zareba_log::{Inspection, Origin, inspect};
use zareba_model::{Cause, Effect, Entry, Txn, Zxid};
use zareba_replica::recovery::{RecoveredLog, Recovery};
use zareba_storage::{Image, ImageMeta, Inspected, StorageError};
use zareba_wire::decode_txn;

/// Why a server's data cannot be looked at.
#[derive(Debug, Error)]
pub enum StoppedDataError {
    /// The directory is in use, or none of a server, or the disk fails.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The log cannot be read at all.
    #[error("the log cannot be looked at: {0}")]
    Log(#[from] zareba_log::LogError),
}

/// One thing that was found, what the next start does about it, and what the operator can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is there, and what was expected.
    pub found: String,
    /// What the server does at its next start.
    pub consequence: &'static str,
    /// What is to be done.
    pub advice: &'static str,
    /// Something that was durable is missing or bad; otherwise it is only worth knowing.
    pub is_damage: bool,
}

/// What a directory holds.
#[derive(Clone, Debug)]
pub struct StoppedData {
    /// The log: segments, epochs, where it begins and ends.
    pub log: Inspection,
    /// What the image says of itself; none if there is no image, or none that can be read.
    pub image: Option<ImageMeta>,
    /// What is wrong or worth knowing.
    pub findings: Vec<Finding>,
}

/// One record of the log, as its operator may want to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The segment's file.
    pub segment: String,
    /// Where in it.
    pub offset: u64,
    /// `entry`, `mark` or `cut`.
    pub kind: &'static str,
    /// The entry; the last one before a mark; the one that a cut keeps.
    pub zxid: Zxid,
    /// What a mark knew to be committed.
    pub committed: Option<Zxid>,
    /// A later cut has voided this entry.
    pub is_void: bool,
    /// What the entry says.
    pub entry: Option<EntryLine>,
}

/// What an entry says, in brief: no data, no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryLine {
    /// Bytes of its payload.
    pub bytes: usize,
    /// Milliseconds since the Unix epoch; none if it cannot be decoded.
    pub time: Option<u64>,
    /// Whose request it is; none if it is the leader's own.
    pub session: Option<String>,
    /// What it does, in order.
    pub effects: Vec<String>,
}

impl StoppedData {
    /// Reads the log record by record, then says what there is.
    pub fn dump(path: &Path, line: &mut dyn FnMut(LogLine)) -> Result<Self, StoppedDataError> {
        let (found, _inspected, _image) = Self::look(path, &mut |place| line(describe(place)))?;
        Ok(found)
    }

    /// Reads everything, applies it as the next start would, and compares digests.
    pub fn verify(path: &Path) -> Result<Self, StoppedDataError> {
        let (mut found, mut inspected, image) = Self::look(path, &mut |_| {})?;
        if let Err(reason) = replay(&mut inspected, image.as_ref(), &found.log) {
            found.findings.push(bad_image(reason));
        }
        Ok(found)
    }

    /// What the image and the log say of themselves, without applying any of it.
    fn look(
        path: &Path,
        visit: &mut dyn FnMut(Place),
    ) -> Result<(Self, Inspected, Option<Image>), StoppedDataError> {
        let mut inspected = Inspected::open(path)?;
        let (image, lost) = match inspected.image() {
            Ok(image) => (image, None),
            Err(error) => (None, Some(format!("the image cannot be read: {error}"))),
        };
        let meta = image.as_ref().map(Image::meta);
        let origin = meta.map_or(Origin::default(), |meta| meta.origin());
        let log = inspect(&mut inspected.files, origin, visit)?;
        let mut findings: Vec<_> = lost.into_iter().map(bad_image).collect();
        findings.extend(judge_log(&log));
        let found = Self {
            log,
            image: meta,
            findings,
        };
        Ok((found, inspected, image))
    }

    /// True if something that was durable is missing or bad.
    pub fn is_damaged(&self) -> bool {
        self.findings.iter().any(|finding| finding.is_damage)
    }
}

fn bad_image(found: String) -> Finding {
    Finding {
        found,
        consequence: "the image is set aside; what the log cannot make up for comes from the leader, \
                      and until then the server does not vote",
        advice: "start the server while a quorum of the others is up",
        is_damage: true,
    }
}

/// Applies the image and the committed part of the log, as a start does.
fn replay(
    inspected: &mut Inspected,
    image: Option<&Image>,
    log: &Inspection,
) -> Result<(), String> {
    let meta = image.map(Image::meta).unwrap_or_default();
    let mark = meta.digest_mark().filter(|mark| mark.zxid > Zxid::ZERO);
    let mut recovery = Recovery::new(meta.start, meta.origin().durable, mark);
    let mut failed = None;
    if let Some(image) = image {
        let read = image.for_each(|key, value| {
            if failed.is_none() {
                failed = recovery.add_record(key, value).err();
            }
        });
        read.map_err(|error| error.to_string())?;
    }
    let committed = log.committed.max(meta.origin().durable);
    let visited = inspect(&mut inspected.files, meta.origin(), &mut |place| {
        if let RecordFound::Entry {
            zxid,
            payload,
            is_void: false,
        } = place.found
            && zxid <= committed
            && failed.is_none()
        {
            failed = recovery.replay(&Entry { zxid, payload }).err();
        }
    });
    visited.map_err(|error| error.to_string())?;
    if let Some(error) = failed {
        return Err(error.to_string());
    }
    let finished = recovery.finish(RecoveredLog::default());
    finished.map(drop).map_err(|error| error.to_string())
}

/// What recovery will think of the log.
fn judge_log(log: &Inspection) -> Vec<Finding> {
    let refill = "the server starts, keeps what is good, and does not vote until a leader has \
                  refilled it";
    let quorum = "start the server while a quorum of the others is up";
    let anew = "move the data directory away and start the server on an empty one while a quorum of \
                the others is up";
    let refuses = "the server refuses to start: it cannot know what it has promised to others";
    let mut findings = Vec::new();
    let mut find = |found: String, consequence, advice, is_damage| {
        findings.push(Finding {
            found,
            consequence,
            advice,
            is_damage,
        });
    };
    match (&log.damage, &log.note) {
        (Some(damage), _) => find(damage.to_string(), refill, quorum, true),
        (None, Some(note)) => {
            let found = format!("an earlier start has noted damage that is not refilled: {note}");
            find(found, refill, quorum, true);
        }
        (None, None) => {}
    }
    if log.torn_bytes > 0 {
        let found = format!("{} bytes of a write that never was synced", log.torn_bytes);
        find(found, "they are cut off: nobody was told", "nothing", false);
    }
    match log.epochs {
        EpochsFound::Good { copies: 2, .. } => {}
        EpochsFound::Good { copies, .. } => {
            let found = format!("{copies} of the 2 copies of the epochs page is good");
            find(found, "the other one is written again", "nothing", false);
        }
        EpochsFound::Missing if log.segments.is_empty() => {}
        EpochsFound::Missing => {
            let found = "there is a log, and no file `epochs`".to_owned();
            find(found, refuses, anew, true);
        }
        EpochsFound::Unreadable => {
            let found = "both copies of the epochs page (file `epochs`) are bad".to_owned();
            find(found, refuses, anew, true);
        }
        EpochsFound::Unknown { format } => {
            let found = format!("the epochs page has format {format}, which is unknown here");
            find(found, refuses, "use the version that wrote it", true);
        }
    }
    findings
}

fn describe(place: Place) -> LogLine {
    let mut line = LogLine {
        segment: place.file,
        offset: place.offset,
        kind: "mark",
        zxid: Zxid::ZERO,
        committed: None,
        is_void: false,
        entry: None,
    };
    match place.found {
        RecordFound::Entry {
            zxid,
            payload,
            is_void,
        } => {
            (line.kind, line.zxid, line.is_void) = ("entry", zxid, is_void);
            line.entry = Some(describe_entry(&payload));
        }
        RecordFound::Mark { last, committed } => {
            (line.zxid, line.committed) = (last, Some(committed));
        }
        RecordFound::Cut { keep, .. } => (line.kind, line.zxid) = ("cut", keep),
    }
    line
}

fn describe_entry(payload: &[u8]) -> EntryLine {
    let bytes = payload.len();
    match decode_txn(payload) {
        Ok(Txn {
            time,
            cause,
            effects,
            ..
        }) => EntryLine {
            bytes,
            time: Some(time),
            session: match cause {
                Cause::System => None,
                Cause::Request { session, .. } => Some(format!("{:x}", session.0)),
            },
            effects: effects.iter().map(describe_effect).collect(),
        },
        Err(error) => EntryLine {
            bytes,
            time: None,
            session: None,
            effects: vec![format!("cannot be decoded: {error}")],
        },
    }
}

/// The effect's name, and the node if it is about one. Data may be secret and is left out.
fn describe_effect(effect: &Effect) -> String {
    let name = match effect {
        Effect::CreateNode { path, .. } => return format!("create {path}"),
        Effect::SetNode { path, .. } => return format!("set {path}"),
        Effect::DeleteNode { path } => return format!("delete {path}"),
        Effect::OpenSession { session, .. } => return format!("open session {:x}", session.0),
        Effect::CloseSession { session } => return format!("close session {:x}", session.0),
        other => format!("{other:?}"),
    };
    let end = name.find(|letter: char| !letter.is_alphanumeric());
    name.get(..end.unwrap_or(name.len()))
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zareba_model::SessionId;

    #[test]
    fn an_effect_is_named_without_its_data() {
        let path: zareba_model::ZnodePath = "/a".parse().unwrap();
        let set = Effect::SetNode {
            path: path.clone(),
            data: "secret".into(),
            version: 3,
        };
        assert_eq!(describe_effect(&set), "set /a");
        assert_eq!(
            describe_effect(&Effect::CloseSession {
                session: SessionId(255)
            }),
            "close session ff"
        );
        assert_eq!(
            describe_effect(&Effect::RemoveMount { path }),
            "RemoveMount"
        );
    }
}

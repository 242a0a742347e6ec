//! The audit log: who has asked for what, and what came of it, one JSON object a line. A thread of its
//! own writes it, so that no request waits for that disk. Must never know what is allowed.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use serde_json::json;
use zareba_model::ServerId;
use zareba_replica::AuditRecord;

use crate::clock::wall_ms;
use crate::listener::identity::shown;

/// Records that wait to be written; more are counted and left out, for requests come first.
const WAITING_MAX: usize = 100_000;

/// Where records go.
#[derive(Debug)]
pub(crate) struct Audit {
    records: Sender<(u64, AuditRecord)>,
    left_out: u64,
}

impl Audit {
    /// Opens the file for appending, and the way to the thread that writes it.
    pub(crate) fn open(path: &Path, server: ServerId) -> std::io::Result<(Self, AuditThread)> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (records, waiting) = crossbeam_channel::bounded(WAITING_MAX);
        let thread = AuditThread {
            waiting,
            file: BufWriter::new(file),
            server,
        };
        let left_out = 0;
        Ok((Self { records, left_out }, thread))
    }

    /// Hands over a record.
    pub(crate) fn write(&mut self, record: AuditRecord) {
        match self.records.try_send((wall_ms(), record)) {
            Ok(()) => {
                if self.left_out > 0 {
                    let left_out = std::mem::take(&mut self.left_out);
                    tracing::error!(left_out, "audit records are missing: the disk was too slow");
                }
            }
            Err(TrySendError::Full(_)) => self.left_out += 1,
            // The thread has said why it ended.
            Err(TrySendError::Disconnected(_)) => {}
        }
    }
}

/// What the thread runs.
#[derive(Debug)]
pub(crate) struct AuditThread {
    waiting: Receiver<(u64, AuditRecord)>,
    file: BufWriter<File>,
    server: ServerId,
}

impl AuditThread {
    /// Writes until nobody hands anything over any more, or the disk fails.
    pub(crate) fn run(mut self) {
        while let Ok(first) = self.waiting.recv() {
            let mut next = Some(first);
            while let Some((time, record)) = next.take() {
                if let Err(error) = self.write(time, &record) {
                    return give_up(&error);
                }
                next = self.waiting.try_recv().ok();
            }
            if let Err(error) = self.file.flush() {
                return give_up(&error);
            }
        }
    }

    fn write(&mut self, time: u64, record: &AuditRecord) -> std::io::Result<()> {
        let principals = record.principals.iter();
        let who: Vec<_> = principals.map(shown).collect();
        let line = json!({
            "time_ms": time,
            "server": self.server.0,
            "session": record.session.to_string(),
            "who": who,
            "op": record.op,
            "path": record.path,
            "result": record.refused.map_or_else(|| "OK".to_owned(), |code| code.to_string()),
            "zxid": record.zxid.to_string(),
        });
        writeln!(self.file, "{line}")
    }
}

fn give_up(error: &std::io::Error) {
    tracing::error!(
        %error,
        "the audit log cannot be written; this server serves on without it until it is started anew: \
         make room, or take `audit_log` out of its configuration"
    );
}

#[cfg(test)]
mod tests {
    use zareba_model::{ErrorCode, Principal, SessionId, Zxid};

    use super::*;

    #[test]
    fn a_record_is_one_line_of_json_without_a_secret() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("audit.jsonl");
        let (mut audit, thread) = Audit::open(&path, ServerId(2)).unwrap();
        audit.write(AuditRecord {
            session: SessionId(9),
            principals: vec![Principal {
                scheme: "digest".to_owned(),
                id: "app:hash".to_owned(),
            }],
            op: "set",
            path: "/a\n".to_owned(),
            refused: Some(ErrorCode::NoAuth),
            zxid: Zxid::new(1, 2),
        });
        drop(audit);
        thread.run();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["who"], json!(["digest:app"]));
        assert_eq!(
            (&line["op"], &line["result"]),
            (&json!("set"), &json!("NO_AUTH"))
        );
    }
}

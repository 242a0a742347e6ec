//! Outputs in a few words, for traces and scripts.

use zareba_model::Entry;
use zareba_zab::{LogRead, Message, Persist, Role};

pub fn of_entry(entry: &Entry) -> String {
    format!("{}={}", entry.zxid, String::from_utf8_lossy(&entry.payload))
}

fn of_entries(entries: &[Entry]) -> String {
    let words: Vec<String> = entries.iter().map(of_entry).collect();
    words.join(" ")
}

pub fn of_write(write: &Persist) -> String {
    match write {
        Persist::Append { entries, .. } => of_entries(entries),
        Persist::Truncate { after } => format!("truncation to {after}"),
        Persist::Epochs { accepted, current } => {
            format!("epochs accepted {accepted} current {current}")
        }
    }
}

pub fn of_log_read(result: &LogRead) -> String {
    match result {
        LogRead::Entries { floor, entries } => format!("behind {floor} {}", of_entries(entries)),
        LogRead::Gone => "gone".to_owned(),
    }
}

pub fn of_role(role: Role) -> String {
    match role {
        Role::Looking => "looking".to_owned(),
        Role::Following { leader, epoch } => format!("following {leader} in epoch {epoch}"),
        Role::Leading { epoch } => format!("leading epoch {epoch}"),
    }
}

/// Votes and heartbeats are left out.
pub fn of_message(message: &Message) -> Option<String> {
    Some(match message {
        Message::Vote { .. } | Message::Ping { .. } | Message::Pong { .. } => return None,
        Message::FollowerInfo {
            accepted_epoch,
            last_zxid,
            ..
        } => format!("follower-info accepted {accepted_epoch} last {last_zxid}"),
        Message::NewEpoch { epoch, .. } => format!("new-epoch {epoch}"),
        Message::AckEpoch {
            current_epoch,
            last_zxid,
            ..
        } => format!("ack-epoch current {current_epoch} last {last_zxid}"),
        Message::Diff { .. } => "diff".to_owned(),
        Message::Trunc { after, .. } => format!("trunc {after}"),
        Message::Snap { base, .. } => format!("snap {base}"),
        Message::NewLeader { last_zxid, .. } => format!("new-leader {last_zxid}"),
        Message::AckNewLeader { last_zxid, .. } => format!("ack-new-leader {last_zxid}"),
        Message::UpToDate { committed, .. } => format!("up-to-date {committed}"),
        Message::Propose { entries, .. } => format!("propose {}", of_entries(entries)),
        Message::Inform { entries, .. } => format!("inform {}", of_entries(entries)),
        Message::KnockAgain { .. } => "knock-again".to_owned(),
        Message::Ack { zxid, .. } => format!("ack {zxid}"),
        Message::Commit { zxid, .. } => format!("commit {zxid}"),
    })
}

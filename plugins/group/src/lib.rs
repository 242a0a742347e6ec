//! The group membership recipe, a component. Must never know how a transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <group>              while it has members or somebody follows it; holds its version and its latest changes
//! <group>/<member>     ephemeral, of a member's session; holds what the member says
//! ```

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Caller, CreateMode, Dir, Event, Fault, Faults, Host, Node, Observers, Reply, SessionId, Shape,
    Watch, code, line, name, observers, plugin, refuse,
};

/// Groups.
#[derive(Debug)]
pub struct Group;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// Another session is the member of that name.
    #[fault(1, "{member:?} of {group:?} is another session")]
    Taken {
        /// The group.
        group: String,
        /// The member.
        member: String,
    },
    /// The caller's session is not that member.
    #[fault(2, "this session is not {member:?} of {group:?}")]
    NotAMember {
        /// The group.
        group: String,
        /// The member.
        member: String,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Join {
    group: String,
    member: Option<String>,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Leave {
    group: String,
    member: Option<String>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Follow {
    group: String,
    #[serde(default)]
    after: u64,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Name {
    group: String,
}

#[derive(Serialize, Shape)]
struct Version {
    version: u64,
    member: String,
}

#[derive(Serialize, Shape)]
struct Members {
    version: u64,
    members: Vec<Member>,
}

#[derive(Serialize, Shape)]
struct Member {
    member: String,
    session: SessionId,
    since: u64,
    data: String,
}

/// What became of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Shape)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is one now.
    Joined,
    /// It says something else.
    Updated,
    /// It is none any more.
    Left,
}

#[derive(Clone, Serialize, Deserialize, Shape)]
struct Change {
    version: u64,
    member: String,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

#[derive(Serialize, Shape)]
struct Changes {
    version: u64,
    complete: bool,
    changes: Vec<Change>,
}

/// A group's node: every change behind `since` is in `latest`.
#[derive(Serialize, Deserialize)]
struct Log {
    version: u64,
    since: u64,
    latest: Vec<Change>,
}

/// Most that a member may say, bytes.
const DATA_BYTES_MAX: usize = 4096;
/// Changes kept for those who follow.
const LATEST_MAX: usize = 64;
/// Members listed at once.
const MEMBERS_MAX: u32 = 5_000;

/// Groups by name. A member is a session: it belongs to the group until it leaves or its session ends, and then is gone
/// in the same transaction. Who follows a group is told every change in order; who was away for too many of them is
/// told so ("complete" is false), and asks for the members. Versions grow.
#[plugin(state_version = 1, faults = Refusal, watch("*/*", deleted))]
impl Group {
    /// Joins, under the name "member" or the session's number; who is that member already says something new.
    #[command]
    fn join(host: &mut dyn Host, who: &Caller, asked: Join) -> Result<Version, Fault> {
        let Join {
            group,
            member,
            data,
        } = asked;
        let member = checked(&group, member, who)?;
        name::check_size("data", &data, DATA_BYTES_MAX)?;
        let path = format!("{group}/{member}");
        let kind = match host.exists(&path)? {
            Some(stat) if stat.ephemeral_owner != who.session => {
                return Err(Refusal::Taken { group, member }.into());
            }
            Some(_) => {
                host.set(&path, data.as_bytes(), None)?;
                Kind::Updated
            }
            None => {
                open(host, &group)?;
                host.create(&path, data.as_bytes(), CreateMode::Ephemeral)?;
                Kind::Joined
            }
        };
        let version = note(host, &group, &member, kind, Some(data))?;
        Ok(Version { version, member })
    }

    /// Leaves.
    #[command]
    fn leave(host: &mut dyn Host, who: &Caller, asked: Leave) -> Result<Version, Fault> {
        let Leave { group, member } = asked;
        let member = checked(&group, member, who)?;
        let path = format!("{group}/{member}");
        let owner = host.exists(&path)?.map(|stat| stat.ephemeral_owner);
        if owner != Some(who.session) {
            return Err(Refusal::NotAMember { group, member }.into());
        }
        host.delete(&path, None)?;
        let version = note(host, &group, &member, Kind::Left, None)?;
        Ok(Version { version, member })
    }

    /// Waits for changes behind the version "after", and tells them; fault -7 after "timeout_ms".
    #[command(parks)]
    fn follow(host: &mut dyn Host, asked: Follow) -> Result<Reply<Changes>, Fault> {
        let Follow {
            group,
            after,
            timeout_ms,
        } = asked;
        name::check("group", &group)?;
        open(host, &group)?;
        let log = log_of(host, &group)?;
        if log.version > after {
            return Ok(Reply::Now(changes(&log, after)));
        }
        if log.version < after {
            let why = format!("{group:?} has version {}, not yet {after}", log.version);
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        Ok(Observers::new(followers(&group, after)).wait(timeout_ms))
    }

    /// Who belongs to a group (the first five thousand by name).
    #[query]
    fn members(host: &mut dyn Host, Name { group }: Name) -> Result<Members, Fault> {
        name::check("group", &group)?;
        let version = Node::<Log>::at(&group)
            .get(host)?
            .map_or(0, |log| log.version);
        let mut members = Vec::new();
        for member in Dir::<String>::at(&group).names(host, None, MEMBERS_MAX)? {
            let (data, stat) = host.get(&format!("{group}/{member}"))?;
            members.push(Member {
                member,
                session: stat.ephemeral_owner,
                since: stat.ctime,
                data: String::from_utf8_lossy(&data).into_owned(),
            });
        }
        Ok(Members { version, members })
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            if event.kind == Watch::DELETED
                && let Some((group, member)) = event.path.split_once('/')
                // The event may come late: the member may be there again.
                && host.exists(&event.path)?.is_none()
            {
                note(host, group, member, Kind::Left, None)?;
            }
            let due = observers::due(event).and_then(|tag| tag.rsplit_once('/'));
            if let Some((group, after)) = due {
                tell(host, group, after.parse().unwrap_or(0))?;
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(Group);

/// Makes the group's node unless it is there. What was before is not known.
fn open(host: &mut dyn Host, group: &str) -> Result<(), Fault> {
    let node = Node::at(group);
    if !node.is_there(host)? {
        let since = host.transaction();
        let log = Log {
            version: since,
            since,
            latest: Vec::new(),
        };
        node.create(host, &log)?;
    }
    Ok(())
}

/// Writes a change down and tells those who follow; the group's version.
fn note(
    host: &mut dyn Host,
    group: &str,
    member: &str,
    kind: Kind,
    data: Option<String>,
) -> Result<u64, Fault> {
    let mut log = log_of(host, group)?;
    let before = log.version;
    // Several changes may come in one transaction, and every one has a version of its own.
    log.version = host.transaction().max(before + 1);
    log.latest.push(Change {
        version: log.version,
        member: member.to_owned(),
        kind,
        data,
    });
    while log.latest.len() > LATEST_MAX {
        log.since = log.latest.remove(0).version;
    }
    Node::at(group).put(host, &log)?;
    tell(host, group, before)?;
    let node = host.exists(group)?;
    if node.is_some_and(|stat| stat.num_children == 0)
        && line::count(host, &followers(group, log.version))? == 0
    {
        host.delete(group, None)?;
    }
    Ok(log.version)
}

/// Tells those who know the group as it was in that version.
fn tell(host: &mut dyn Host, group: &str, after: u64) -> Result<(), Fault> {
    let news = match Node::<Log>::at(group).get(host)? {
        Some(log) => changes(&log, after),
        // It is empty, and what happened last is forgotten with it.
        None => Changes {
            version: after + 1,
            complete: false,
            changes: Vec::new(),
        },
    };
    Observers::new(followers(group, after)).tell(host, &news)
}

fn changes(log: &Log, after: u64) -> Changes {
    let behind = log.latest.iter().filter(|change| change.version > after);
    Changes {
        version: log.version,
        complete: after >= log.since,
        changes: behind.cloned().collect(),
    }
}

fn log_of(host: &mut dyn Host, group: &str) -> Result<Log, Fault> {
    Ok(Node::at(group).get(host)?.unwrap_or(Log {
        version: 0,
        since: 0,
        latest: Vec::new(),
    }))
}

fn checked(group: &str, member: Option<String>, who: &Caller) -> Result<String, Fault> {
    name::check("group", group)?;
    let member = member.unwrap_or_else(|| format!("{:x}", who.session));
    name::check("member", &member)?;
    Ok(member)
}

/// Who follows from a version is told what is behind that one.
fn followers(group: &str, after: u64) -> String {
    format!("{group}/{after}")
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;

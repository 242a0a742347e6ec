//! The reserved subtree: replicated records shown as read-only nodes with JSON data. Nothing is
//! stored here, and no secret is shown.
//!
//! ```text
//! /zareba                        where the tree stands
//! /zareba/calls/<id>             a parked call
//! /zareba/components/<sha>       how much of a component has come
//! /zareba/ensemble               who belongs to the ensemble
//! /zareba/mounts/<path>          a mount, its path escaped: / as %2F and % as %25
//! /zareba/plugins/<name>         a plugin
//! /zareba/plugins/<name>/<sha>   a revision
//! /zareba/publishers             whether revisions must be signed
//! /zareba/publishers/<name>      a publisher's key
//! /zareba/quotas/<path>          how much a subtree may hold and does, its path escaped in the same way
//! /zareba/sessions/<id>          a session
//! /zareba/timers                 all timers, soonest first
//! ```

use bytes::Bytes;
use serde_json::{Value, json};
use zareba_model::{
    Acl, CallId, Ensemble, MemberRole, Members, Mount, ParkedCall, PublisherKey, Publishers, Quota,
    Revision, SessionId, Sha256, Stat, Timer, Usage, ZnodePath, Zxid,
};

use crate::plugins::{Component, PluginRecord};
use crate::sessions::Session;
use crate::tree::Tree;

/// The subtree's root.
pub const PATH: &str = "/zareba";

/// Where the ensemble is shown.
pub const ENSEMBLE: &str = "/zareba/ensemble";

/// Its name among the root's children.
pub const NAME: &str = "zareba";

/// Most timers shown: the list is one node's data.
const TIMERS_SHOWN_MAX: usize = 1_000;

const FOLDERS: [&str; 9] = [
    "calls",
    "components",
    "ensemble",
    "mounts",
    "plugins",
    "publishers",
    "quotas",
    "sessions",
    "timers",
];

/// True for the reserved subtree and all below it.
pub fn is_reserved(path: &str) -> bool {
    path.strip_prefix(PATH)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The plugin whose node that path is.
pub fn plugin_at(path: &str) -> Option<String> {
    let name = path.strip_prefix("/zareba/plugins/")?;
    (!name.contains('/')).then(|| unescape(name))
}

/// The name under which a mount or plugin is shown.
pub fn escape(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

/// What a shown name stands for.
pub fn unescape(name: &str) -> String {
    name.replace("%2F", "/").replace("%25", "%")
}

/// What a path of the subtree shows.
enum Shown<'a> {
    Tree,
    Folder(&'a str),
    Call(&'a ParkedCall),
    Component(&'a Component),
    Mount(&'a Mount),
    Plugin(&'a str, &'a PluginRecord),
    Publishers(&'a Publishers),
    Publisher(&'a str, &'a PublisherKey),
    Revision(&'a Revision),
    Session(&'a Session),
    Timers,
    Ensemble,
    Quota(String, Quota, Usage),
}

fn find<'a>(tree: &'a Tree, path: &'a str) -> Option<Shown<'a>> {
    let mut parts = path.strip_prefix(PATH)?.split('/').skip(1);
    let (kind, name, rest) = (parts.next(), parts.next(), parts.next());
    if parts.next().is_some() {
        return None;
    }
    Some(match (kind, name, rest) {
        (None, ..) => Shown::Tree,
        (Some("timers"), None, _) => Shown::Timers,
        (Some("ensemble"), None, _) => Shown::Ensemble,
        (Some("publishers"), None, _) => Shown::Publishers(tree.publishers()),
        (Some(kind), None, _) => Shown::Folder(FOLDERS.iter().find(|folder| **folder == kind)?),
        (Some("components"), Some(sha256), None) => {
            Shown::Component(tree.component(&Sha256::parse(sha256)?)?)
        }
        (Some("publishers"), Some(name), None) => {
            let (name, key) = tree.publishers().keys.get_key_value(&unescape(name))?;
            Shown::Publisher(name, key)
        }
        (Some("calls"), Some(id), None) => Shown::Call(tree.parked(CallId(parse_id(id)?))?),
        (Some("sessions"), Some(id), None) => {
            Shown::Session(tree.session(SessionId(parse_id(id)?))?)
        }
        (Some("mounts"), Some(name), None) => Shown::Mount(tree.mount(&unescape(name))?),
        (Some("quotas"), Some(name), None) => {
            let path = unescape(name);
            let (quota, usage) = tree.quota(&path)?;
            Shown::Quota(path, quota, usage)
        }
        (Some("plugins"), Some(name), sha256) => {
            let name = unescape(name);
            let (name, plugin) = tree.plugins().find(|(known, _)| *known == name)?;
            match sha256 {
                None => Shown::Plugin(name, plugin),
                Some(sha256) => Shown::Revision(plugin.revision(&Sha256::parse(sha256)?)?),
            }
        }
        _ => return None,
    })
}

pub(crate) fn data(tree: &Tree, path: &str) -> Option<Bytes> {
    let value = match find(tree, path)? {
        Shown::Tree => json!({
            "applied": tree.applied().to_string(),
            "time": tree.time(),
            "digest": format!("{:016x}", tree.digest()),
            "nodes": tree.node_count(),
            "sessions": tree.session_count(),
            "calls": tree.parked_count(),
        }),
        Shown::Folder(_) => return Some(Bytes::new()),
        Shown::Call(call) => call_json(call),
        Shown::Mount(mount) => mount_json(mount),
        Shown::Component(component) => json!({
            "total": component.total(),
            "received": component.received(),
        }),
        Shown::Plugin(name, plugin) => json!({
            "name": name,
            "active": plugin.active.map(|sha256| sha256.to_string()),
            "previous": plugin.previous.map(|sha256| sha256.to_string()),
        }),
        Shown::Publishers(publishers) => json!({ "required": publishers.required }),
        Shown::Publisher(name, key) => json!({ "name": name, "key": key.to_string() }),
        Shown::Revision(revision) => revision_json(revision),
        Shown::Session(session) => session_json(tree, session),
        Shown::Ensemble => ensemble_json(tree),
        Shown::Quota(path, quota, usage) => quota_json(&path, quota, usage),
        Shown::Timers => tree
            .timers()
            .take(TIMERS_SHOWN_MAX)
            .map(timer_json)
            .collect(),
    };
    Some(Bytes::from(value.to_string()))
}

/// Stats of shown nodes: when the record began, how much there is, and nothing else.
pub(crate) fn stat(tree: &Tree, path: &str) -> Option<Stat> {
    let began = |zxid: u64| Zxid::from_u64(zxid);
    let (zxid, time) = match find(tree, path)? {
        Shown::Call(call) => (began(call.id.0), call.since),
        Shown::Session(session) => (began(session.id.0), 0),
        Shown::Revision(revision) => (revision.registered, 0),
        _ => (Zxid::ZERO, 0),
    };
    let length = data(tree, path)?.len();
    if let (Some(Shown::Ensemble), Some(record)) = (find(tree, path), tree.membership.record()) {
        return Some(Stat {
            mzxid: record.mzxid,
            mtime: record.mtime,
            version: record.ensemble.version,
            data_length: u32::try_from(length).unwrap_or(u32::MAX),
            ..Stat::default()
        });
    }
    Some(Stat {
        czxid: zxid,
        mzxid: zxid,
        pzxid: zxid,
        ctime: time,
        mtime: time,
        data_length: u32::try_from(length).unwrap_or(u32::MAX),
        num_children: count(tree, path),
        aversion: guard(tree, path).map_or(0, |(_, aversion)| aversion),
        ..Stat::default()
    })
}

/// The access control list of a path of the subtree, and how often it was set: that of `/zareba` says who
/// may administer the ensemble, that of a plugin who may do what with it.
pub(crate) fn guard<'a>(tree: &'a Tree, path: &str) -> Option<(&'a Acl, u64)> {
    if path == PATH {
        return Some(tree.administrators());
    }
    let plugin = tree.plugin(&plugin_at(path)?)?;
    Some((&plugin.acl, plugin.aversion))
}

/// Names of the children of a path of the subtree, in order.
pub(crate) fn names<'a>(tree: &'a Tree, path: &'a str) -> Box<dyn Iterator<Item = String> + 'a> {
    match find(tree, path) {
        Some(Shown::Tree) => Box::new(FOLDERS.iter().map(|&name| name.to_owned())),
        Some(Shown::Folder("calls")) => {
            Box::new(tree.parked_calls().map(|call| show_id(call.id.0)))
        }
        Some(Shown::Folder("sessions")) => {
            Box::new(tree.sessions().map(|session| show_id(session.id.0)))
        }
        Some(Shown::Folder("components")) => {
            Box::new(tree.components().map(|(sha256, _)| sha256.to_string()))
        }
        Some(Shown::Publishers(publishers)) => {
            sorted(publishers.keys.keys().map(|name| escape(name)).collect())
        }
        Some(Shown::Folder("mounts")) => sorted(
            tree.mounts()
                .map(|mount| escape(mount.path.as_str()))
                .collect(),
        ),
        Some(Shown::Folder("quotas")) => sorted(
            tree.quotas()
                .map(|(path, ..)| escape(path.as_str()))
                .collect(),
        ),
        Some(Shown::Folder("plugins")) => {
            sorted(tree.plugins().map(|(name, _)| escape(name)).collect())
        }
        Some(Shown::Plugin(_, plugin)) => sorted(
            plugin
                .revisions
                .iter()
                .map(|revision| revision.sha256.to_string())
                .collect(),
        ),
        _ => Box::new(std::iter::empty()),
    }
}

fn count(tree: &Tree, path: &str) -> u64 {
    let count = match find(tree, path) {
        Some(Shown::Folder("calls")) => tree.parked_count(),
        Some(Shown::Folder("sessions")) => tree.session_count(),
        _ => names(tree, path).count(),
    };
    count as u64
}

/// Escaping does not keep the order of what it escapes.
fn sorted(mut names: Vec<String>) -> Box<dyn Iterator<Item = String>> {
    names.sort_unstable();
    Box::new(names.into_iter())
}

fn show_id(id: u64) -> String {
    format!("{id:016x}")
}

/// Only the form that is shown: one node has one path.
fn parse_id(text: &str) -> Option<u64> {
    let id = u64::from_str_radix(text, 16).ok()?;
    (show_id(id) == text).then_some(id)
}

fn ensemble_json(tree: &Tree) -> Value {
    let nobody = Ensemble::default();
    let ensemble = tree.ensemble().unwrap_or(&nobody);
    json!({
        "version": ensemble.version,
        "members": members_json(&ensemble.members),
        "outgoing": ensemble.outgoing.as_ref().map(members_json),
    })
}

fn members_json(members: &Members) -> Value {
    let members = members.iter().map(|(server, member)| {
        let (role, weight, group) = match member.role {
            MemberRole::Voter { weight, group } => ("voter", Some(weight), Some(group)),
            MemberRole::Observer => ("observer", None, None),
        };
        json!({
            "server": server.0,
            "role": role,
            "weight": weight,
            "group": group,
            "peer_address": member.peer_address,
            "client_address": member.client_address,
        })
    });
    members.collect()
}

fn session_json(tree: &Tree, session: &Session) -> Value {
    let ephemerals = tree
        .ephemerals(session.id)
        .take(TIMERS_SHOWN_MAX)
        .map(ZnodePath::as_str);
    json!({
        "id": show_id(session.id.0),
        "timeout_ms": session.timeout_ms,
        "server": session.server.0,
        "attachment": session.attachment.0,
        "acked": session.acked.0,
        "results": session.results.len(),
        "parked": session.parked.values().map(|call| show_id(call.0)).collect::<Vec<_>>(),
        "ephemerals": ephemerals.collect::<Vec<_>>(),
    })
}

fn call_json(call: &ParkedCall) -> Value {
    json!({
        "id": show_id(call.id.0),
        "session": show_id(call.session.0),
        "xid": call.xid.0,
        "mount": call.mount.as_str(),
        "op": call.op,
        "tag": call.tag,
        "since": call.since,
        "deadline": call.deadline,
    })
}

fn mount_json(mount: &Mount) -> Value {
    // The values of a config may be secrets; its keys say enough here.
    json!({
        "path": mount.path.as_str(),
        "plugin": mount.plugin,
        "revision": mount.revision.to_string(),
        "config": mount.config.keys().collect::<Vec<_>>(),
        "quarantined": mount.quarantined,
        "paused": mount.paused,
        "failures": mount.failures,
        "backlog": mount.backlog.len(),
        "limits": mount.limits,
    })
}

fn revision_json(revision: &Revision) -> Value {
    json!({
        "sha256": revision.sha256.to_string(),
        "size": revision.size,
        "registered": revision.registered.to_string(),
        "publisher": revision.publisher,
        "state_version": revision.description.state_version,
        "doc": revision.description.doc,
        "ops": revision.description.ops,
        "watches": revision.description.watches,
    })
}

fn quota_json(path: &str, quota: Quota, usage: Usage) -> Value {
    json!({
        "path": path,
        "nodes": usage.nodes,
        "nodes_soft": quota.nodes_soft,
        "nodes_hard": quota.nodes_hard,
        "bytes": usage.bytes,
        "bytes_soft": quota.bytes_soft,
        "bytes_hard": quota.bytes_hard,
    })
}

fn timer_json(timer: &Timer) -> Value {
    json!({ "mount": timer.mount.as_str(), "tag": timer.tag, "due": timer.due })
}

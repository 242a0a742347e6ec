//! Shards on live nodes, a recipe as a component, after Katta: indexes are cut into shards, and every shard is on as many
//! live nodes as its index asks for. `placement.rs` decides which. Must never know how a transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! master              ephemeral, of the master; its czxid is the term
//! nodes/<node>        ephemeral, of a live node: where it is, and which shards it says it serves
//! indexes/<index>     its replication level, and the nodes of every shard
//! work/<node>         the shards of a node, and since which version
//! @line/<call>        ephemeral, one for each who stands for master
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Caller, Dir, Empty, Event, Fault, Faults, Host, Node, Observers, Reply, Seat, SessionId, Shape,
    Watch, code, line, name, observers, plugin, refuse,
};

mod placement;

use placement::Placement;

/// Shards.
#[derive(Debug)]
pub struct Shards;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// Another session is the node of that name.
    #[fault(1, "{node:?} is another session")]
    Taken {
        /// The node.
        node: String,
    },
    /// The caller's session is not that node.
    #[fault(2, "this session is not {node:?}")]
    NotTheNode {
        /// The node.
        node: String,
    },
    /// There is an index of that name.
    #[fault(3, "{index:?} is there already")]
    IndexExists {
        /// The index.
        index: String,
    },
    /// There is no such index.
    #[fault(4, "there is no index {index:?}")]
    NoIndex {
        /// The index.
        index: String,
    },
    /// The caller's session is not the master.
    #[fault(5, "this session is not the master")]
    NotTheMaster,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Join {
    node: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct NodeName {
    node: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Work {
    node: String,
    #[serde(default)]
    after: u64,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Serving {
    node: String,
    shards: Vec<Shard>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Add {
    index: String,
    shards: Vec<String>,
    replication: u32,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct IndexName {
    index: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Stand {
    #[serde(default)]
    data: String,
    timeout_ms: Option<u64>,
}

/// A shard by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Shape)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Its index.
    pub index: String,
    /// Its own name.
    pub shard: String,
}

#[derive(Serialize, Shape)]
struct Elected {
    term: u64,
}

#[derive(Serialize, Shape)]
struct Master {
    term: u64,
    session: SessionId,
    data: String,
}

#[derive(Serialize, Shape)]
struct LiveNode {
    node: String,
    data: String,
    shards: u64,
}

#[derive(Serialize, Deserialize, Shape)]
struct Assigned {
    version: u64,
    shards: Vec<Shard>,
}

#[derive(Serialize, Shape)]
struct Where {
    /// By shard: the nodes that have it, and of these the ones that say that they serve it.
    assigned: BTreeMap<String, Vec<String>>,
    serving: BTreeMap<String, Vec<String>>,
}

#[derive(Serialize, Shape)]
struct Moved {
    moved: u64,
}

/// A live node as it is kept.
#[derive(Serialize, Deserialize)]
struct Live {
    data: String,
    serving: Vec<Shard>,
}

/// An index as it is kept.
#[derive(Clone, Serialize, Deserialize)]
struct Index {
    replication: u32,
    shards: BTreeMap<String, Vec<String>>,
}

/// Live nodes.
const NODES_MAX: usize = 200;
/// Shards of all indexes together: all are looked at when a node comes or goes.
const SHARDS_MAX: usize = 2_000;

/// Shards on live nodes. Every shard is on as many nodes as its index's replication level says, or on all live ones if there
/// are fewer; when a node's session ends its shards are on others in the same transaction. Shards do not move while nodes
/// only come; the master moves them with "rebalance". At most one session is master.
#[plugin(state_version = 1, faults = Refusal, watch("nodes/*", deleted), watch("master", deleted))]
impl Shards {
    /// Makes this session a live node.
    #[command]
    fn join(host: &mut dyn Host, who: &Caller, Join { node, data }: Join) -> Result<Empty, Fault> {
        name::check("node", &node)?;
        name::check_size("data", &data, 4096)?;
        let live = Dir::<Live>::at(NODES);
        live.ensure(host)?;
        if live.len(host)? >= NODES_MAX as u64 {
            let why = format!("{NODES_MAX} nodes are live, as many as may be");
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        if live.child(&node).is_there(host)? {
            return Err(Refusal::Taken { node }.into());
        }
        let serving = Vec::new();
        live.child(&node)
            .create_for(host, &Live { data, serving }, who.session)?;
        balance(host)?;
        Ok(Empty {})
    }

    /// Makes this session a live node no more.
    #[command]
    fn leave(
        host: &mut dyn Host,
        who: &Caller,
        NodeName { node }: NodeName,
    ) -> Result<Empty, Fault> {
        own(host, who.session, &node)?;
        host.delete(&format!("{NODES}/{node}"), None)?;
        balance(host)?;
        Ok(Empty {})
    }

    /// Waits until the shards of a node are others than in version "after", and tells them; fault -7 after "timeout_ms".
    #[command(parks)]
    fn work(host: &mut dyn Host, asked: Work) -> Result<Reply<Assigned>, Fault> {
        let Work {
            node,
            after,
            timeout_ms,
        } = asked;
        name::check("node", &node)?;
        let assigned = assigned(host, &node)?;
        if assigned.version > after {
            return Ok(Reply::Now(assigned));
        }
        Ok(Observers::new(workers(&node)).wait(timeout_ms))
    }

    /// Says which shards this node serves by now.
    #[command]
    fn serving(host: &mut dyn Host, who: &Caller, asked: Serving) -> Result<Empty, Fault> {
        let Serving { node, shards } = asked;
        own(host, who.session, &node)?;
        if shards.len() > SHARDS_MAX {
            let why = format!("{} shards; at most {SHARDS_MAX}", shards.len());
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        let record = Dir::<Live>::at(NODES).child(&node);
        if let Some(live) = record.get(host)? {
            let serving = shards;
            record.put(host, &Live { serving, ..live })?;
        }
        Ok(Empty {})
    }

    /// Adds an index: its shards are put on live nodes.
    #[command]
    fn add(host: &mut dyn Host, asked: Add) -> Result<Empty, Fault> {
        let Add {
            index,
            shards,
            replication,
        } = asked;
        name::check("index", &index)?;
        for shard in &shards {
            name::check("shard", shard)?;
        }
        if shards.is_empty() || replication == 0 {
            let why = "an index has at least one shard, and a replication level of at least 1";
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        let mut all = indexes(host)?;
        if all.contains_key(&index) {
            return Err(Refusal::IndexExists { index }.into());
        }
        let shards: BTreeMap<String, Vec<String>> = shards
            .into_iter()
            .map(|shard| (shard, Vec::new()))
            .collect();
        let count: usize = all.values().map(|it| it.shards.len()).sum::<usize>() + shards.len();
        if count > SHARDS_MAX {
            let why = format!("{count} shards in all; at most {SHARDS_MAX}");
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        let new = Index {
            replication,
            shards,
        };
        host.ensure(INDEXES)?;
        Node::at(format!("{INDEXES}/{index}")).create(host, &new)?;
        all.insert(index, new);
        place(host, all)?;
        Ok(Empty {})
    }

    /// Drops an index.
    #[command]
    fn drop(host: &mut dyn Host, IndexName { index }: IndexName) -> Result<Empty, Fault> {
        name::check("index", &index)?;
        if !host.remove(&format!("{INDEXES}/{index}"))? {
            return Err(Refusal::NoIndex { index }.into());
        }
        balance(host)?;
        Ok(Empty {})
    }

    /// Moves shards from nodes with many to nodes with few, until none has two more than another; for the master.
    #[command]
    fn rebalance(host: &mut dyn Host, who: &Caller) -> Result<Moved, Fault> {
        let master = Seat::at(MASTER).holder(host)?;
        if master.is_none_or(|master| master.session != who.session) {
            return Err(Refusal::NotTheMaster.into());
        }
        let mut placement = Placement::new(live(host)?, indexes(host)?);
        let moved = placement.level();
        write(host, placement)?;
        Ok(Moved { moved })
    }

    /// Stands for master and waits until elected; fault -7 after "timeout_ms".
    #[command(parks)]
    fn stand(host: &mut dyn Host, who: &Caller, asked: Stand) -> Result<Reply<Elected>, Fault> {
        let Stand { data, timeout_ms } = asked;
        name::check_size("data", &data, 4096)?;
        let seat = Seat::at(MASTER);
        match seat.holder(host)? {
            Some(master) if master.session == who.session => {
                let term = master.token;
                return Ok(Reply::Now(Elected { term }));
            }
            _ => {}
        }
        match seat.take(host, &data, |term| Elected { term })? {
            Some(term) => Ok(Reply::Now(Elected { term })),
            None => seat.wait(host, who, data, timeout_ms),
        }
    }

    /// The master is master no more; who has stood longest is.
    #[command]
    fn resign(host: &mut dyn Host, who: &Caller) -> Result<Empty, Fault> {
        let seat = Seat::at(MASTER);
        let master = seat.holder(host)?;
        if master.is_none_or(|master| master.session != who.session) {
            return Err(Refusal::NotTheMaster.into());
        }
        seat.leave(host, |term| Elected { term })?;
        Ok(Empty {})
    }

    /// Who is master, or null.
    #[query]
    fn master(host: &mut dyn Host) -> Result<Option<Master>, Fault> {
        let master = Seat::at(MASTER).holder(host)?;
        Ok(master.map(|master| Master {
            term: master.token,
            session: master.session,
            data: master.data,
        }))
    }

    /// The live nodes, and how many shards each has.
    #[query]
    fn nodes(host: &mut dyn Host) -> Result<Vec<LiveNode>, Fault> {
        let mut nodes = Vec::new();
        for (node, live) in Dir::<Live>::at(NODES).all(host)? {
            let shards = assigned(host, &node)?.shards.len() as u64;
            let data = live.data;
            nodes.push(LiveNode { node, data, shards });
        }
        Ok(nodes)
    }

    /// Where the shards of an index are.
    #[query]
    fn find(host: &mut dyn Host, IndexName { index }: IndexName) -> Result<Where, Fault> {
        name::check("index", &index)?;
        let found = Node::<Index>::at(format!("{INDEXES}/{index}")).get(host)?;
        let Some(found) = found else {
            return Err(Refusal::NoIndex { index }.into());
        };
        let mut serving: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (node, live) in Dir::<Live>::at(NODES).all(host)? {
            for shard in live.serving.into_iter().filter(|it| it.index == index) {
                let has_it = found
                    .shards
                    .get(&shard.shard)
                    .is_some_and(|it| it.contains(&node));
                if has_it {
                    serving.entry(shard.shard).or_default().push(node.clone());
                }
            }
        }
        let assigned = found.shards;
        Ok(Where { assigned, serving })
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            line::forget(host, event)?;
        }
        let deleted = |event: &&Event| event.kind == Watch::DELETED;
        if events
            .iter()
            .filter(deleted)
            .any(|event| event.path != MASTER)
        {
            balance(host)?;
        }
        if events
            .iter()
            .filter(deleted)
            .any(|event| event.path == MASTER)
        {
            Seat::at(MASTER).fill(host, |term| Elected { term })?;
        }
        for tag in events.iter().filter_map(observers::due) {
            if let Some(node) = tag.strip_prefix(WORKERS) {
                let assigned = assigned(host, node)?;
                Observers::new(tag).tell(host, &assigned)?;
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(Shards);

const MASTER: &str = "master";
const NODES: &str = "nodes";
const INDEXES: &str = "indexes";
const WORK: &str = "work";
const WORKERS: &str = "@work:";

/// Brings every shard to its replication level on live nodes.
fn balance(host: &mut dyn Host) -> Result<(), Fault> {
    let indexes = indexes(host)?;
    place(host, indexes)
}

fn place(host: &mut dyn Host, indexes: BTreeMap<String, Index>) -> Result<(), Fault> {
    let mut placement = Placement::new(live(host)?, indexes);
    placement.mend();
    write(host, placement)
}

/// Writes what has changed, and tells the nodes that it concerns.
fn write(host: &mut dyn Host, placement: Placement) -> Result<(), Fault> {
    let work = placement.work();
    for (name, index) in placement.changed() {
        Node::at(format!("{INDEXES}/{name}")).put(host, index)?;
    }
    let known = Dir::<Assigned>::at(WORK);
    let version = host.transaction();
    let mut nodes: BTreeSet<String> = known.names(host, None, u32::MAX)?.into_iter().collect();
    nodes.extend(placement.live().cloned());
    for node in nodes {
        let shards = work.get(&node).cloned().unwrap_or_default();
        let was = known.child(&node).get(host)?;
        let is_live = placement.is_live(&node);
        if was.as_ref().is_some_and(|was| was.shards == shards) && is_live {
            continue;
        }
        if !is_live {
            // It has none any more; whoever comes under its name begins anew.
            known.child(&node).remove(host)?;
            continue;
        }
        known.ensure(host)?;
        let assigned = Assigned { version, shards };
        known.child(&node).put(host, &assigned)?;
        Observers::new(workers(&node)).tell(host, &assigned)?;
    }
    Ok(())
}

fn live(host: &mut dyn Host) -> Result<Vec<String>, Fault> {
    Dir::<Live>::at(NODES).names(host, None, u32::MAX)
}

fn indexes(host: &mut dyn Host) -> Result<BTreeMap<String, Index>, Fault> {
    Ok(Dir::at(INDEXES).all(host)?.into_iter().collect())
}

fn assigned(host: &mut dyn Host, node: &str) -> Result<Assigned, Fault> {
    let assigned = Node::at(format!("{WORK}/{node}")).get(host)?;
    Ok(assigned.unwrap_or(Assigned {
        version: 0,
        shards: Vec::new(),
    }))
}

fn own(host: &mut dyn Host, session: SessionId, node: &str) -> Result<(), Fault> {
    name::check("node", node)?;
    let stat = host.exists(&format!("{NODES}/{node}"))?;
    match stat {
        Some(stat) if stat.ephemeral_owner == session => Ok(()),
        _ => Err(Refusal::NotTheNode { node: node.into() }.into()),
    }
}

fn workers(node: &str) -> String {
    format!("{WORKERS}{node}")
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;

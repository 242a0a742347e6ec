//! Topics with a primary and a backup, a recipe as a component, after Yahoo!'s message broker. `keeping.rs` says who keeps
//! which topic; this file names the operations. Must never know how a transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! control                  the switches of the whole domain, and their version
//! nodes/<node>             ephemeral, of a live node
//! topics/<topic>           its primary, its backup, and since which term
//! kept/<node>              the version of what the node keeps
//! kept/<node>/<topic>      what the node is for the topic
//! lacking/<topic>          that it has no primary or no backup
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use zareba_guest_sdk::{
    Caller, Dir, Empty, Event, Fault, Faults, Host, Node, Observers, Reply, SessionId, Shape,
    Watch, code, line, name, observers, plugin, refuse,
};

mod keeping;

/// Topics.
#[derive(Debug)]
pub struct Topics;

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
    /// There is a topic of that name.
    #[fault(3, "{topic:?} is there already")]
    TopicExists {
        /// The topic.
        topic: String,
    },
    /// There is no such topic.
    #[fault(4, "there is no topic {topic:?}")]
    NoTopic {
        /// The topic.
        topic: String,
    },
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
struct TopicName {
    topic: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Mine {
    node: String,
    #[serde(default)]
    after: u64,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Switch {
    shutdown: Option<bool>,
    migration_prohibited: Option<bool>,
    #[serde(default)]
    disable: Vec<String>,
    #[serde(default)]
    enable: Vec<String>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct After {
    #[serde(default)]
    after: u64,
    timeout_ms: Option<u64>,
}

/// Who keeps a topic. "term" is that of the primary: the fencing token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Shape)]
pub struct Place {
    /// Who serves it.
    pub primary: Option<String>,
    /// Who follows, and serves it next.
    pub backup: Option<String>,
    /// Grows with every primary.
    pub term: u64,
}

/// What a node is for a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Shape)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It serves it.
    Primary,
    /// It follows.
    Backup,
}

#[derive(Serialize, Shape)]
struct Kept {
    topic: String,
    role: Role,
    term: u64,
}

#[derive(Serialize, Shape)]
struct AllKept {
    version: u64,
    topics: Vec<Kept>,
}

/// The switches of the whole domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Shape)]
pub struct Control {
    /// Grows with every change.
    pub version: u64,
    /// Every node is to stop. The nodes see to it themselves.
    pub shutdown: bool,
    /// No topic gets a new backup, and none a new primary as long as it has one or its backup lives.
    pub migration_prohibited: bool,
    /// Nodes that are to keep nothing.
    pub disabled: BTreeSet<String>,
}

#[derive(Serialize, Shape)]
struct LiveNode {
    node: String,
    data: String,
    topics: u64,
}

/// Topics listed at once.
const TOPICS_MAX: u32 = 2_000;

/// Topics by name, each with a primary and a backup on two live nodes. When the primary's session ends, its backup is
/// primary in the same transaction, with a greater term, and another node is backup; a node with a thousand topics gives
/// them up in as many transactions as it takes, a hundred topics each. The switches stop everything, keep topics where they
/// are, or take nodes out of use.
#[plugin(state_version = 1, faults = Refusal, watch("nodes/*", deleted))]
impl Topics {
    /// Makes this session a live node, that keeps topics.
    #[command]
    fn join(host: &mut dyn Host, who: &Caller, Join { node, data }: Join) -> Result<Empty, Fault> {
        name::check("node", &node)?;
        name::check_size("data", &data, 4096)?;
        let live = Dir::<String>::at(keeping::NODES);
        live.ensure(host)?;
        if live.len(host)? >= keeping::NODES_MAX {
            let why = format!("{} nodes are live, as many as may be", keeping::NODES_MAX);
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        if live.child(&node).is_there(host)? {
            return Err(Refusal::Taken { node }.into());
        }
        live.child(&node).create_for(host, &data, who.session)?;
        keeping::fill(host)?;
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
        host.delete(&format!("{}/{node}", keeping::NODES), None)?;
        keeping::vacate(host, &node)?;
        Ok(Empty {})
    }

    /// Makes a topic, on the nodes that keep the fewest.
    #[command]
    fn create(host: &mut dyn Host, TopicName { topic }: TopicName) -> Result<Place, Fault> {
        name::check("topic", &topic)?;
        if keeping::topic(&topic).is_there(host)? {
            return Err(Refusal::TopicExists { topic }.into());
        }
        keeping::create(host, &topic)
    }

    /// Drops a topic.
    #[command]
    fn drop(host: &mut dyn Host, TopicName { topic }: TopicName) -> Result<Empty, Fault> {
        name::check("topic", &topic)?;
        let Some(place) = keeping::topic(&topic).get(host)? else {
            return Err(Refusal::NoTopic { topic }.into());
        };
        keeping::drop(host, &topic, &place)?;
        Ok(Empty {})
    }

    /// Waits until what a node keeps is not what it was in version "after", and tells it; fault -7 after "timeout_ms".
    #[command(parks)]
    fn mine(host: &mut dyn Host, asked: Mine) -> Result<Reply<AllKept>, Fault> {
        name::check("node", &asked.node)?;
        let kept = keeping::kept(host, &asked.node)?;
        if kept.version > asked.after {
            return Ok(Reply::Now(kept));
        }
        Ok(Observers::new(keeping::keepers(&asked.node)).wait(asked.timeout_ms))
    }

    /// Sets switches; those that are left out stay.
    #[command]
    fn switch(host: &mut dyn Host, asked: Switch) -> Result<Control, Fault> {
        let mut control = keeping::control(host)?;
        control.version = host.transaction();
        control.shutdown = asked.shutdown.unwrap_or(control.shutdown);
        let prohibited = asked.migration_prohibited;
        control.migration_prohibited = prohibited.unwrap_or(control.migration_prohibited);
        for node in &asked.disable {
            name::check("node", node)?;
            control.disabled.insert(node.clone());
        }
        for node in &asked.enable {
            control.disabled.remove(node);
        }
        if control.disabled.len() as u64 > keeping::NODES_MAX {
            let why = format!("at most {} nodes may be disabled", keeping::NODES_MAX);
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        Node::at(keeping::CONTROL).put(host, &control)?;
        Observers::new(CONTROLLED).tell(host, &control)?;
        for node in &asked.disable {
            keeping::vacate(host, node)?;
        }
        keeping::fill(host)?;
        Ok(control)
    }

    /// Waits until the switches are others than in version "after", and tells them; fault -7 after "timeout_ms".
    #[command(parks)]
    fn controlled(host: &mut dyn Host, asked: After) -> Result<Reply<Control>, Fault> {
        let control = keeping::control(host)?;
        if control.version > asked.after {
            return Ok(Reply::Now(control));
        }
        Ok(Observers::new(CONTROLLED).wait(asked.timeout_ms))
    }

    /// Who keeps a topic.
    #[query]
    fn place(host: &mut dyn Host, TopicName { topic }: TopicName) -> Result<Place, Fault> {
        name::check("topic", &topic)?;
        let place = keeping::topic(&topic).get(host)?;
        place.ok_or_else(|| Refusal::NoTopic { topic }.into())
    }

    /// The live nodes, and how many topics each keeps.
    #[query]
    fn nodes(host: &mut dyn Host) -> Result<Vec<LiveNode>, Fault> {
        let mut nodes = Vec::new();
        for (node, data) in Dir::<String>::at(keeping::NODES).all(host)? {
            let topics = keeping::load(host, &node)?;
            nodes.push(LiveNode { node, data, topics });
        }
        Ok(nodes)
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            if event.kind == Watch::DELETED {
                let node = event.path.rsplit('/').next().unwrap_or_default();
                keeping::vacate(host, node)?;
            }
            match line::goes_on(event) {
                Some(keeping::LACKING) => keeping::fill(host)?,
                Some(node) => keeping::vacate(host, node)?,
                None => {}
            }
            if let Some(tag) = observers::due(event) {
                match keeping::keeper_of(tag) {
                    Some(node) => {
                        let kept = keeping::kept(host, node)?;
                        Observers::new(tag).tell(host, &kept)?;
                    }
                    None => {
                        let control = keeping::control(host)?;
                        Observers::new(tag).tell(host, &control)?;
                    }
                }
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(Topics);

/// Those who wait for other switches.
const CONTROLLED: &str = "@control";

fn own(host: &mut dyn Host, session: SessionId, node: &str) -> Result<(), Fault> {
    name::check("node", node)?;
    match host.exists(&format!("{}/{node}", keeping::NODES))? {
        Some(stat) if stat.ephemeral_owner == session => Ok(()),
        _ => Err(Refusal::NotTheNode { node: node.into() }.into()),
    }
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;

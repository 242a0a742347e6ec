//! Who keeps which topic. Must never know how an operation's input is written.

use std::collections::{BTreeMap, BTreeSet};

use zareba_guest_sdk::{Dir, Fault, Host, Node, Observers, line};

use crate::{AllKept, Control, Kept, Place, Role, TOPICS_MAX};

/// Live nodes: of each, how much it keeps is looked at when a topic needs a place.
pub(crate) const NODES_MAX: u64 = 500;
/// Topics that get another place in one transaction: each takes up to eight changes.
const TOPICS_AT_ONCE: u32 = 100;

pub(crate) const CONTROL: &str = "control";
pub(crate) const NODES: &str = "nodes";
/// Topics that lack a primary or a backup; also the name of what goes on with them.
pub(crate) const LACKING: &str = "lacking";
const TOPICS: &str = "topics";
const KEPT: &str = "kept";
const KEEPERS: &str = "@kept:";

/// Who may keep topics, and how many each keeps.
struct Loads {
    of: BTreeMap<String, u64>,
    control: Control,
    /// Whose topics have changed.
    touched: BTreeSet<String>,
}

impl Loads {
    fn read(host: &mut dyn Host) -> Result<Self, Fault> {
        let control = control(host)?;
        let mut of = BTreeMap::new();
        for node in Dir::<String>::at(NODES).names(host, None, u32::MAX)? {
            if !control.disabled.contains(&node) {
                let load = load(host, &node)?;
                of.insert(node, load);
            }
        }
        Ok(Self {
            of,
            control,
            touched: BTreeSet::new(),
        })
    }

    /// Who keeps the fewest, but for one.
    fn least(&self, but: Option<&String>) -> Option<String> {
        let others = self.of.iter().filter(|(node, _)| Some(*node) != but);
        others
            .min_by_key(|(_, load)| **load)
            .map(|(node, _)| node.clone())
    }

    /// A node is something for a topic from now on, or nothing.
    fn set(
        &mut self,
        host: &mut dyn Host,
        node: &str,
        name: &str,
        role: Option<(Role, u64)>,
    ) -> Result<(), Fault> {
        let all = Dir::<(Role, u64)>::at(format!("{KEPT}/{node}"));
        let kept = all.child(name);
        let was = kept.is_there(host)?;
        match role {
            Some(role) => {
                host.ensure(KEPT)?;
                all.ensure(host)?;
                kept.put(host, &role)?;
            }
            None => {
                kept.remove(host)?;
            }
        }
        if let Some(load) = self.of.get_mut(node) {
            *load = load
                .saturating_add(u64::from(role.is_some()))
                .saturating_sub(u64::from(was));
        }
        self.touched.insert(node.to_owned());
        Ok(())
    }

    /// Tells the nodes that keep other topics now.
    fn tell(self, host: &mut dyn Host) -> Result<(), Fault> {
        let version = host.transaction();
        for node in self.touched {
            let path = format!("{KEPT}/{node}");
            if self.of.contains_key(&node)
                || host.exists(&path)?.is_some_and(|it| it.num_children > 0)
            {
                Node::at(path).put(host, &version)?;
                let kept = kept(host, &node)?;
                Observers::new(keepers(&node)).tell(host, &kept)?;
            } else {
                host.remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Makes a topic and gives it a place.
pub(crate) fn create(host: &mut dyn Host, name: &str) -> Result<Place, Fault> {
    host.ensure(TOPICS)?;
    topic(name).create(host, &Place::default())?;
    let mut loads = Loads::read(host)?;
    let place = mend(host, name, &mut loads)?;
    loads.tell(host)?;
    Ok(place)
}

/// Takes a topic away.
pub(crate) fn drop(host: &mut dyn Host, name: &str, place: &Place) -> Result<(), Fault> {
    topic(name).remove(host)?;
    host.remove(&format!("{LACKING}/{name}"))?;
    let mut loads = Loads::read(host)?;
    for node in place.primary.iter().chain(&place.backup) {
        loads.set(host, node, name, None)?;
    }
    loads.tell(host)
}

/// A node that is gone or disabled gives up what it keeps, as much as one transaction may change.
pub(crate) fn vacate(host: &mut dyn Host, node: &str) -> Result<(), Fault> {
    let mut loads = Loads::read(host)?;
    if loads.of.contains_key(node) {
        // It is back.
        return Ok(());
    }
    let all = Dir::<(Role, u64)>::at(format!("{KEPT}/{node}"));
    let names = all.names(host, None, TOPICS_AT_ONCE)?;
    for name in &names {
        mend(host, name, &mut loads)?;
    }
    if names.is_empty() {
        all.remove_if_empty(host)?;
    }
    loads.tell(host)?;
    if names.len() == TOPICS_AT_ONCE as usize {
        line::go_on(host, node)?;
    }
    Ok(())
}

/// Topics that lack somebody get one, as many as one transaction may change.
pub(crate) fn fill(host: &mut dyn Host) -> Result<(), Fault> {
    let lacking = Dir::<()>::at(LACKING);
    let names = lacking.names(host, None, TOPICS_AT_ONCE)?;
    if names.is_empty() {
        return Ok(());
    }
    let mut loads = Loads::read(host)?;
    let mut mended = 0;
    for name in &names {
        let place = mend(host, name, &mut loads)?;
        mended += usize::from(place.primary.is_some() && place.backup.is_some());
    }
    loads.tell(host)?;
    // What cannot be mended now waits for another node, and must not keep the rest from being tried.
    if mended == TOPICS_AT_ONCE as usize {
        line::go_on(host, LACKING)?;
    }
    Ok(())
}

/// Gives a topic a primary and a backup among those who may keep one.
fn mend(host: &mut dyn Host, name: &str, loads: &mut Loads) -> Result<Place, Fault> {
    let node = topic(name);
    let Some(was) = node.get(host)? else {
        return Ok(Place::default());
    };
    let may_keep = |node: &Option<String>| node.clone().filter(|node| loads.of.contains_key(node));
    let (mut primary, mut backup) = (may_keep(&was.primary), may_keep(&was.backup));
    if primary.is_none() {
        primary = backup.take().or_else(|| loads.least(None));
    }
    // Who is to stay where it is keeps its place, even if nobody is there.
    if backup.is_none() && primary.is_some() && !loads.control.migration_prohibited {
        backup = loads.least(primary.as_ref());
    }
    let term = match primary == was.primary {
        true => was.term,
        false => host.transaction(),
    };
    let place = Place {
        primary,
        backup,
        term,
    };
    note(host, name, &place)?;
    if place == was {
        return Ok(place);
    }
    for gone in was.primary.iter().chain(&was.backup) {
        if Some(gone) != place.primary.as_ref() && Some(gone) != place.backup.as_ref() {
            loads.set(host, gone, name, None)?;
        }
    }
    for (node, role) in [
        (&place.primary, Role::Primary),
        (&place.backup, Role::Backup),
    ] {
        if let Some(node) = node {
            loads.set(host, node, name, Some((role, term)))?;
        }
    }
    node.put(host, &place)?;
    Ok(place)
}

/// Remembers a topic that lacks somebody.
fn note(host: &mut dyn Host, name: &str, place: &Place) -> Result<(), Fault> {
    let lacking = Dir::<()>::at(LACKING);
    if place.primary.is_some() && place.backup.is_some() {
        lacking.child(name).remove(host)?;
    } else {
        lacking.ensure(host)?;
        lacking.child(name).put(host, &())?;
    }
    Ok(())
}

/// What a node keeps (the first two thousand by name).
pub(crate) fn kept(host: &mut dyn Host, node: &str) -> Result<AllKept, Fault> {
    let path = format!("{KEPT}/{node}");
    let version = match host.exists(&path)? {
        Some(_) => host.get_json_opt::<u64>(&path).unwrap_or(None).unwrap_or(0),
        None => 0,
    };
    let all = Dir::<(Role, u64)>::at(path);
    let mut topics = Vec::new();
    for name in all.names(host, None, TOPICS_MAX)? {
        if let Some((role, term)) = all.child(&name).get(host)? {
            topics.push(Kept {
                topic: name,
                role,
                term,
            });
        }
    }
    Ok(AllKept { version, topics })
}

/// How many topics a node keeps.
pub(crate) fn load(host: &mut dyn Host, node: &str) -> Result<u64, Fault> {
    Dir::<(Role, u64)>::at(format!("{KEPT}/{node}")).len(host)
}

pub(crate) fn control(host: &mut dyn Host) -> Result<Control, Fault> {
    Ok(Node::at(CONTROL).get(host)?.unwrap_or_default())
}

pub(crate) fn topic(name: &str) -> Node<Place> {
    Node::at(format!("{TOPICS}/{name}"))
}

/// Those who wait for what a node keeps.
pub(crate) fn keepers(node: &str) -> String {
    format!("{KEEPERS}{node}")
}

/// The node of such a tag.
pub(crate) fn keeper_of(tag: &str) -> Option<&str> {
    tag.strip_prefix(KEEPERS)
}

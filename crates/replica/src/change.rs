//! The four changes of the tree, as prepared over the world: what is refused and why, and what
//! becomes of a node. Clients, multis and guests all come through here.

use bytes::Bytes;
use zareba_model::limits::DATA_BYTES_MAX;
use zareba_model::{Acl, CreateMode, Effect, ErrorCode, Fault, SessionId, Stat, ZnodePath};

use crate::world::{Node, World};

/// Creates a node and returns its final path and stat.
pub(crate) fn create(
    world: &mut World,
    path: &ZnodePath,
    data: Bytes,
    mode: CreateMode,
    acl: Acl,
    owner: SessionId,
) -> Result<(ZnodePath, Stat), Fault> {
    check_size(path, &data)?;
    let Some(parent_path) = path.parent() else {
        return Err(Fault::new(
            ErrorCode::NodeExists,
            "the root is always there",
        ));
    };
    let mut parent = world.node(parent_path.as_str()).ok_or_else(|| {
        let why = format!("{path} cannot be created: its parent {parent_path} does not exist");
        Fault::new(ErrorCode::NoNode, why)
    })?;
    if !parent.owner.is_none() {
        let why = format!("{parent_path} is ephemeral and can have no children");
        return Err(Fault::new(ErrorCode::NoChildrenForEphemerals, why));
    }
    let path = if mode.is_sequential() {
        numbered(path, parent.created)?
    } else {
        path.clone()
    };
    if world.has_node(path.as_str()) {
        return Err(Fault::new(
            ErrorCode::NodeExists,
            format!("{path} exists already"),
        ));
    }
    let stat = Stat {
        czxid: world.zxid,
        mzxid: world.zxid,
        pzxid: world.zxid,
        ctime: world.time,
        mtime: world.time,
        ephemeral_owner: owner,
        data_length: u32::try_from(data.len()).unwrap_or(u32::MAX),
        ..Stat::default()
    };
    parent.created += 1;
    parent.stat.num_children += 1;
    child_list_changed(world, &mut parent);
    let created = parent.created;
    world.stage_node(parent_path.clone(), Some(parent));
    world.stage_child(parent_path, path.name().to_owned(), true);
    if !owner.is_none() {
        world.stage_ephemeral(owner, path.clone(), true);
    }
    let node = Node {
        data: data.clone(),
        acl: acl.clone(),
        owner,
        created: 0,
        stat,
    };
    world.stage_node(path.clone(), Some(node));
    world.stage_effect(Effect::CreateNode {
        path: path.clone(),
        data,
        acl,
        owner,
        parent_created: created,
    });
    Ok((path, stat))
}

/// Replaces a node's data and returns its stat.
pub(crate) fn set(
    world: &mut World,
    path: &ZnodePath,
    data: Bytes,
    version: Option<u64>,
) -> Result<Stat, Fault> {
    check_size(path, &data)?;
    let mut node = world.node(path.as_str()).ok_or_else(|| no_node(path))?;
    check_version(path, node.stat.version, version)?;
    node.stat.version += 1;
    node.stat.mzxid = world.zxid;
    node.stat.mtime = world.time;
    node.stat.data_length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    node.data = data.clone();
    let stat = node.stat;
    world.stage_node(path.clone(), Some(node));
    world.stage_effect(Effect::SetNode {
        path: path.clone(),
        data,
        version: stat.version,
    });
    Ok(stat)
}

/// Deletes a node without children.
pub(crate) fn delete(
    world: &mut World,
    path: &ZnodePath,
    version: Option<u64>,
) -> Result<(), Fault> {
    let node = world.node(path.as_str()).ok_or_else(|| no_node(path))?;
    let Some(parent_path) = path.parent() else {
        return Err(Fault::new(
            ErrorCode::BadArguments,
            "the root cannot be deleted",
        ));
    };
    check_version(path, node.stat.version, version)?;
    if node.stat.num_children > 0 {
        let why = format!(
            "{path} has {} children; delete them first",
            node.stat.num_children
        );
        return Err(Fault::new(ErrorCode::NotEmpty, why));
    }
    // The parent of a node that exists exists.
    if let Some(mut parent) = world.node(parent_path.as_str()) {
        parent.stat.num_children = parent.stat.num_children.saturating_sub(1);
        child_list_changed(world, &mut parent);
        world.stage_node(parent_path.clone(), Some(parent));
    }
    world.stage_child(parent_path, path.name().to_owned(), false);
    if !node.owner.is_none() {
        world.stage_ephemeral(node.owner, path.clone(), false);
    }
    world.stage_node(path.clone(), None);
    world.stage_effect(Effect::DeleteNode { path: path.clone() });
    Ok(())
}

/// Refuses unless the node is there in that version.
pub(crate) fn check(world: &World, path: &ZnodePath, version: Option<u64>) -> Result<(), Fault> {
    let node = world.node(path.as_str()).ok_or_else(|| no_node(path))?;
    check_version(path, node.stat.version, version)
}

/// The fault for a node that is not there.
pub(crate) fn no_node(path: &ZnodePath) -> Fault {
    Fault::new(ErrorCode::NoNode, format!("{path} does not exist"))
}

fn child_list_changed(world: &World, parent: &mut Node) {
    parent.stat.pzxid = world.zxid;
    parent.stat.cversion = (2 * parent.created).saturating_sub(parent.stat.num_children);
}

fn numbered(path: &ZnodePath, number: u64) -> Result<ZnodePath, Fault> {
    path.with_suffix(&format!("{number:010}"))
        .map_err(|error| Fault::new(ErrorCode::BadArguments, error.to_string()))
}

fn check_version(path: &ZnodePath, found: u64, wanted: Option<u64>) -> Result<(), Fault> {
    match wanted {
        Some(wanted) if wanted != found => {
            let why =
                format!("{path} has version {found}, not {wanted}; read it again and decide anew");
            Err(Fault::new(ErrorCode::BadVersion, why))
        }
        _ => Ok(()),
    }
}

fn check_size(path: &ZnodePath, data: &Bytes) -> Result<(), Fault> {
    if data.len() <= DATA_BYTES_MAX {
        return Ok(());
    }
    let why = format!(
        "data of {path} would have {} bytes; a znode holds at most {DATA_BYTES_MAX}",
        data.len()
    );
    Err(Fault::new(ErrorCode::TooLarge, why))
}

//! The changes of the tree, as prepared over the world: what is refused and why, and what
//! becomes of a node. Clients, multis and guests all come through here.

use bytes::Bytes;
use zareba_model::limits::{DATA_BYTES_MAX, TTL_MS_MAX, TTL_MS_MIN};
use zareba_model::{
    Acl, CreateMode, Effect, ErrorCode, Fault, Lifetime, SessionId, Stat, Usage, ZnodePath,
};

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
    let lifetime = mode.lifetime(owner);
    check_lifetime(path, lifetime)?;
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
    if matches!(parent.stat.lifetime, Lifetime::Ephemeral(_)) {
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
    let size = Usage {
        nodes: 1,
        bytes: data.len() as u64,
    };
    world.charge(&path, Usage::default(), size)?;
    let stat = Stat {
        czxid: world.zxid,
        mzxid: world.zxid,
        pzxid: world.zxid,
        ctime: world.time,
        mtime: world.time,
        lifetime,
        data_length: u32::try_from(data.len()).unwrap_or(u32::MAX),
        ..Stat::default()
    };
    parent.created += 1;
    parent.stat.num_children += 1;
    child_list_changed(world, &mut parent);
    let created = parent.created;
    world.stage_node(parent_path.clone(), Some(parent));
    world.stage_child(parent_path, path.name().to_owned(), true);
    if let Lifetime::Ephemeral(owner) = lifetime {
        world.stage_ephemeral(owner, path.clone(), true);
    }
    let node = Node {
        data: data.clone(),
        acl: acl.clone(),
        created: 0,
        stat,
    };
    world.stage_node(path.clone(), Some(node));
    world.stage_effect(Effect::CreateNode {
        path: path.clone(),
        data,
        acl,
        lifetime,
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
    let after = Usage {
        bytes: data.len() as u64,
        ..node.usage()
    };
    world.charge(path, node.usage(), after)?;
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
    world.charge(path, node.usage(), Usage::default())?;
    // The parent of a node that exists exists.
    if let Some(mut parent) = world.node(parent_path.as_str()) {
        parent.stat.num_children = parent.stat.num_children.saturating_sub(1);
        child_list_changed(world, &mut parent);
        world.stage_node(parent_path.clone(), Some(parent));
    }
    world.stage_child(parent_path, path.name().to_owned(), false);
    if let Lifetime::Ephemeral(owner) = node.stat.lifetime {
        world.stage_ephemeral(owner, path.clone(), false);
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

/// Replaces a node's access control list and returns its stat.
pub(crate) fn set_acl(
    world: &mut World,
    path: &ZnodePath,
    acl: Acl,
    version: Option<u64>,
) -> Result<Stat, Fault> {
    let mut node = world.node(path.as_str()).ok_or_else(|| no_node(path))?;
    check_version_of(
        "the access control list of ",
        path,
        node.stat.aversion,
        version,
    )?;
    node.stat.aversion += 1;
    node.acl = acl.clone();
    let stat = node.stat;
    world.stage_node(path.clone(), Some(node));
    world.stage_effect(Effect::SetAcl {
        path: path.clone(),
        acl,
        aversion: stat.aversion,
    });
    Ok(stat)
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
    check_version_of("", path, found, wanted)
}

/// Refuses if another version of a part of the node is wanted than there is.
pub(crate) fn check_version_of(
    part: &str,
    path: &ZnodePath,
    found: u64,
    wanted: Option<u64>,
) -> Result<(), Fault> {
    match wanted {
        Some(wanted) if wanted != found => {
            let why = format!(
                "{part}{path} has version {found}, not {wanted}; read it again and decide anew"
            );
            Err(Fault::new(ErrorCode::BadVersion, why))
        }
        _ => Ok(()),
    }
}

fn check_lifetime(path: &ZnodePath, lifetime: Lifetime) -> Result<(), Fault> {
    match lifetime {
        Lifetime::Ttl(ms) if !(TTL_MS_MIN..=TTL_MS_MAX).contains(&ms) => {
            let why = format!(
                "a TTL has {TTL_MS_MIN} to {TTL_MS_MAX} milliseconds, not {ms} as that of {path}"
            );
            Err(Fault::new(ErrorCode::BadArguments, why))
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

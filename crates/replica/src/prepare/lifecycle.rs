//! A plugin's life: pushed, registered, activated, mounted, unmounted. Each step is one
//! transaction, and each can be asked for again without harm.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::limits::{COMPONENT_BYTES_MAX, COMPONENT_CHUNK_BYTES_MAX};
use zareba_model::{
    Acl, CreateMode, Effect, ErrorCode, Fault, Limits, Mount, Outcome, PluginOp, Revision,
    SessionId, Sha256, ZnodePath,
};

use super::Prepare;
use crate::change;
use crate::plugin::PluginRuntime;

/// Longest name of a plugin, bytes.
const NAME_BYTES_MAX: usize = 128;

impl<P: PluginRuntime> Prepare<'_, P> {
    /// One step of a plugin's life.
    pub(crate) fn lifecycle(&mut self, op: &PluginOp) -> Result<Outcome, Fault> {
        match op {
            PluginOp::PushChunk {
                sha256,
                total,
                offset,
                data,
            } => {
                self.push_chunk(*sha256, *total, *offset, data)?;
            }
            PluginOp::Register { name, sha256 } => self.register(name, *sha256)?,
            PluginOp::Activate { name, sha256 } => self.activate(name, *sha256)?,
            PluginOp::Mount {
                name,
                path,
                config,
                limits,
            } => {
                self.mount(name, path, config, *limits)?;
            }
            PluginOp::Unmount { path } => self.unmount(path)?,
        }
        Ok(Outcome::PluginDone)
    }

    fn push_chunk(
        &mut self,
        sha256: Sha256,
        total: u64,
        offset: u64,
        data: &Bytes,
    ) -> Result<(), Fault> {
        if total == 0 || total > COMPONENT_BYTES_MAX {
            let why = format!("a component has 1 to {COMPONENT_BYTES_MAX} bytes, not {total}");
            return Err(Fault::new(ErrorCode::TooLarge, why));
        }
        if data.is_empty() || data.len() > COMPONENT_CHUNK_BYTES_MAX {
            let why = format!(
                "a piece has 1 to {COMPONENT_CHUNK_BYTES_MAX} bytes, not {}",
                data.len()
            );
            return Err(Fault::new(ErrorCode::TooLarge, why));
        }
        let received = self.world.component_received(&sha256);
        let end = offset.saturating_add(data.len() as u64);
        if end <= received {
            return Ok(());
        }
        if offset != received || end > total {
            let why = format!("the next piece starts at byte {received} of {total}, not {offset}");
            return Err(Fault::new(ErrorCode::BadArguments, why));
        }
        self.world.stage_component(sha256, end);
        self.world.stage_effect(Effect::StoreChunk {
            sha256,
            total,
            offset,
            data: data.clone(),
        });
        Ok(())
    }

    fn register(&mut self, name: &str, sha256: Sha256) -> Result<(), Fault> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(fits) {
            let why = format!(
                "a plugin's name has 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' or '.', \
                 unlike {name:?}"
            );
            return Err(Fault::new(ErrorCode::BadArguments, why));
        }
        let component = self.world.tree.component(&sha256);
        let Some(size) = component.filter(|it| it.is_complete()).map(|it| it.total()) else {
            // A quorum without this leader's own disk commits too: the pieces that the client was
            // told of may be on their way to this tree.
            let applied = component.map_or(0, |it| it.received());
            if self.world.component_received(&sha256) > applied {
                return Err(not_ready(&sha256));
            }
            let why = format!("component {sha256} has not been pushed completely; push it first");
            return Err(Fault::new(ErrorCode::NoNode, why));
        };
        let description = match self.compiled.get(&sha256) {
            Some(Ok(description)) => description.clone(),
            Some(Err(why)) => return Err(Fault::new(ErrorCode::PluginRefused, why.clone())),
            None => return Err(not_ready(&sha256)),
        };
        let mut plugin = self.world.plugin(name).unwrap_or_default();
        if plugin
            .revisions
            .iter()
            .any(|revision| revision.sha256 == sha256)
        {
            return Ok(());
        }
        let revision = Revision {
            sha256,
            size,
            registered: self.world.zxid,
            description,
        };
        plugin.revisions.push(revision.clone());
        self.world.stage_plugin(name.to_owned(), plugin);
        self.world.stage_effect(Effect::RegisterRevision {
            name: name.to_owned(),
            revision,
        });
        Ok(())
    }

    fn activate(&mut self, name: &str, sha256: Sha256) -> Result<(), Fault> {
        let mut plugin = self.world.plugin(name).ok_or_else(|| unknown(name))?;
        let Some(new) = plugin
            .revisions
            .iter()
            .find(|it| it.sha256 == sha256)
            .cloned()
        else {
            let why = format!("{sha256} is no revision of the plugin {name}; push it first");
            return Err(Fault::new(ErrorCode::NoNode, why));
        };
        if !(self.ready)(&sha256) {
            return Err(not_ready(&sha256));
        }
        for mut mount in self.world.mounts() {
            if mount.plugin != name {
                continue;
            }
            let old = plugin
                .revisions
                .iter()
                .find(|it| it.sha256 == mount.revision);
            let stored = old.map_or(0, |old| old.description.state_version);
            mount.revision = sha256;
            mount.quarantined = None;
            mount.failures = 0;
            if stored != new.description.state_version {
                self.migrate(&mount, stored)?;
            }
            self.world.stage_mount(mount);
        }
        plugin.active = Some(sha256);
        self.world.stage_plugin(name.to_owned(), plugin);
        self.world.stage_effect(Effect::ActivateRevision {
            name: name.to_owned(),
            sha256,
        });
        Ok(())
    }

    fn mount(
        &mut self,
        name: &str,
        path: &ZnodePath,
        config: &BTreeMap<String, String>,
        limits: Limits,
    ) -> Result<(), Fault> {
        let plugin = self.world.plugin(name).ok_or_else(|| unknown(name))?;
        let Some(revision) = plugin.active else {
            let why = format!("no revision of the plugin {name} is active; activate one first");
            return Err(Fault::new(ErrorCode::NoPlugin, why));
        };
        let above = self.world.mount_of(path).map(|mount| mount.path.clone());
        if let Some(above) = above {
            let why = format!("{path} cannot be a mount: a plugin is mounted at {above}");
            return Err(Fault::new(ErrorCode::NodeExists, why));
        }
        if path.as_str().starts_with(super::RESERVED) {
            let why = format!("nothing is mounted below {}", super::RESERVED);
            return Err(Fault::new(ErrorCode::NoAuth, why));
        }
        let (acl, mode) = (Acl::open(), CreateMode::Persistent);
        change::create(self.world, path, Bytes::new(), mode, acl, SessionId::NONE)?;
        self.world.stage_mount(Mount {
            path: path.clone(),
            plugin: name.to_owned(),
            revision,
            config: config.clone(),
            limits,
            backlog: Vec::new(),
            failures: 0,
            quarantined: None,
        });
        Ok(())
    }

    fn unmount(&mut self, path: &ZnodePath) -> Result<(), Fault> {
        if self.world.mount(path.as_str()).is_none() {
            let why = format!("no plugin is mounted at {path}");
            return Err(Fault::new(ErrorCode::NoPlugin, why));
        }
        for call in self.world.calls_at(path) {
            let why = format!("the plugin was taken off {path} while the call was parked");
            self.world
                .stage_end_call(&call, Err(Fault::new(ErrorCode::CallCancelled, why)));
        }
        for tag in self.world.timers_at(path) {
            self.world.stage_timer(path.clone(), tag, None);
        }
        self.world.stage_unmount(path.clone());
        Ok(())
    }
}

fn unknown(name: &str) -> Fault {
    Fault::new(
        ErrorCode::NoPlugin,
        format!("there is no plugin {name}; push one first"),
    )
}

fn not_ready(sha256: &Sha256) -> Fault {
    let why = format!("component {sha256} is not compiled yet on the servers that need it");
    Fault::new(ErrorCode::PluginNotReady, why)
}

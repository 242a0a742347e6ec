//! A plugin's mounts: made, configured, paused, put back into service, taken off. Knows nothing of how
//! its code came.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::limits::{CONFIG_BYTES_MAX, MOUNTS_MAX};
use zareba_model::{
    Acl, CreateMode, ErrorCode, Fault, Limits, Mount, Permissions, PluginOp, Principal, SessionId,
    ZnodePath,
};

use super::Prepare;
use crate::change;
use crate::plugin::PluginRuntime;

impl<P: PluginRuntime> Prepare<'_, P> {
    /// One step of a mount's life.
    pub(super) fn mounting(
        &mut self,
        principals: &[Principal],
        op: &PluginOp,
    ) -> Result<(), Fault> {
        if let PluginOp::Mount {
            name,
            path,
            config,
            limits,
        } = op
        {
            self.manage(principals, name, Permissions::ADMIN)?;
            if self.administer(principals).is_err() {
                let parent = path.parent_str().unwrap_or("/");
                self.allow(principals, parent, Permissions::CREATE)?;
            }
            return self.mount(name, path, config, *limits);
        }
        match op {
            PluginOp::Unmount { path } => {
                let mount = self.mount_to_manage(principals, path)?;
                self.unmount(&mount.path);
            }
            PluginOp::Configure {
                path,
                config,
                limits,
            } => {
                let mut mount = self.mount_to_manage(principals, path)?;
                check_config(config)?;
                mount.config.clone_from(config);
                mount.limits = *limits;
                self.world.stage_mount(mount);
            }
            PluginOp::Pause { path, reason } => {
                let mut mount = self.mount_to_manage(principals, path)?;
                if reason.len() > CONFIG_BYTES_MAX {
                    let why = format!("a reason has at most {CONFIG_BYTES_MAX} bytes");
                    return Err(Fault::new(ErrorCode::TooLarge, why));
                }
                mount.paused = Some(reason.clone());
                self.world.stage_mount(mount);
            }
            PluginOp::Resume { path } => {
                let mut mount = self.mount_to_manage(principals, path)?;
                mount.paused = None;
                self.world.stage_mount(mount);
                self.retry_events(path);
            }
            PluginOp::ClearQuarantine { path, drop_events } => {
                let mut mount = self.mount_to_manage(principals, path)?;
                mount.quarantined = None;
                mount.failures = 0;
                if *drop_events {
                    mount.backlog.clear();
                }
                self.world.stage_mount(mount);
                self.retry_events(path);
            }
            _ => {
                let why = "this is no step of a mount's life";
                return Err(Fault::new(ErrorCode::BadArguments, why));
            }
        }
        Ok(())
    }

    /// A mount that they may change.
    fn mount_to_manage(&self, principals: &[Principal], path: &ZnodePath) -> Result<Mount, Fault> {
        let Some(mount) = self.world.mount(path.as_str()) else {
            // Who may change no mount is not told where there is one.
            self.administer(principals)?;
            let why = format!("no plugin is mounted at {path}");
            return Err(Fault::new(ErrorCode::NoPlugin, why));
        };
        self.manage(principals, &mount.plugin, Permissions::ADMIN)?;
        Ok(mount.clone())
    }

    fn mount(
        &mut self,
        name: &str,
        path: &ZnodePath,
        config: &BTreeMap<String, String>,
        limits: Limits,
    ) -> Result<(), Fault> {
        let plugin = self.known(name)?;
        let Some(revision) = plugin.active else {
            let why = format!("no revision of the plugin {name} is active; activate one first");
            return Err(Fault::new(ErrorCode::NoPlugin, why));
        };
        check_config(config)?;
        if let Some(above) = self.world.mount_of(path) {
            let why = format!(
                "{path} cannot be a mount: a plugin is mounted at {}",
                above.path
            );
            return Err(Fault::new(ErrorCode::NodeExists, why));
        }
        if path.as_str().starts_with(super::RESERVED) {
            let why = format!("nothing is mounted below {}", super::RESERVED);
            return Err(Fault::new(ErrorCode::NoAuth, why));
        }
        if self.world.mount_count() >= MOUNTS_MAX {
            let why = format!("there are {MOUNTS_MAX} mounts; unmount one first");
            return Err(Fault::new(ErrorCode::TooLarge, why));
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
            paused: None,
        });
        Ok(())
    }

    fn unmount(&mut self, path: &ZnodePath) {
        for call in self.world.calls_at(path) {
            let why = format!("the plugin was taken off {path} while the call was parked");
            self.world
                .stage_end_call(&call, Err(Fault::new(ErrorCode::CallCancelled, why)));
        }
        for tag in self.world.timers_at(path) {
            self.world.stage_timer(path.clone(), tag, None);
        }
        self.world.stage_unmount(path.clone());
    }
}

fn check_config(config: &BTreeMap<String, String>) -> Result<(), Fault> {
    let bytes: usize = config.iter().map(|(k, v)| k.len() + v.len()).sum();
    if bytes <= CONFIG_BYTES_MAX {
        return Ok(());
    }
    let why = format!("a mount's config has at most {CONFIG_BYTES_MAX} bytes, not {bytes}");
    Err(Fault::new(ErrorCode::TooLarge, why))
}

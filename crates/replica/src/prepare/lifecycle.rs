//! A plugin's revisions: pushed, registered, activated, removed, and who may do so. Each step is one
//! transaction, and each can be asked for again without harm. What becomes of mounts is in `mounting`.

use bytes::Bytes;
use zareba_model::limits::{
    COMPONENT_BYTES_MAX, COMPONENT_CHUNK_BYTES_MAX, COMPONENTS_LOOSE_BYTES_MAX,
    COMPONENTS_LOOSE_MAX, PLUGIN_NAME_BYTES_MAX, PLUGINS_MAX, REVISIONS_KEPT_MAX,
};
use zareba_model::{
    Difference, Effect, ErrorCode, Fault, Outcome, Permissions, PluginDescription, PluginOp,
    Principal, Revision, Sha256, Signature, differences,
};
use zareba_tree::PluginRecord;

use super::{Prepare, publisher};
use crate::plugin::PluginRuntime;

impl<P: PluginRuntime> Prepare<'_, P> {
    /// One step of a plugin's life.
    pub(crate) fn lifecycle(
        &mut self,
        principals: &[Principal],
        op: &PluginOp,
    ) -> Result<Outcome, Fault> {
        match op {
            PluginOp::PushChunk {
                name,
                sha256,
                total,
                offset,
                data,
            } => {
                self.manage(principals, name, Permissions::CREATE)?;
                self.push_chunk(*sha256, *total, *offset, data)?;
            }
            PluginOp::Register {
                name,
                sha256,
                signature,
            } => {
                self.manage(principals, name, Permissions::CREATE)?;
                self.register(name, *sha256, signature.as_ref())?;
            }
            PluginOp::Activate {
                name,
                sha256,
                breaking,
            } => {
                self.manage(principals, name, Permissions::WRITE)?;
                self.activate(name, *sha256, *breaking)?;
            }
            PluginOp::Remove { name, sha256 } => {
                self.manage(principals, name, Permissions::ADMIN)?;
                self.remove(name, sha256.as_ref())?;
            }
            PluginOp::SetPublisher { name, key } => {
                self.administer(principals)?;
                self.set_publisher(name, *key)?;
            }
            PluginOp::RequireSignatures(required) => {
                self.administer(principals)?;
                self.require_signatures(*required);
            }
            mounts => self.mounting(principals, mounts)?,
        }
        Ok(Outcome::PluginDone)
    }

    /// Refuses who may not do that with the plugin: neither its own list nor the ensemble's says so.
    pub(super) fn manage(
        &self,
        principals: &[Principal],
        name: &str,
        wanted: Permissions,
    ) -> Result<(), Fault> {
        let refused = match self.administer(principals) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        match self.world.plugin(name) {
            Some(plugin) if plugin.aversion > 0 => {
                zareba_tree::acl::check(&plugin.acl, principals, wanted)
            }
            _ => Err(refused),
        }
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
        if offset == 0 {
            self.make_room(total);
        }
        self.world.stage_component(sha256, Some(end));
        self.world.stage_effect(Effect::StoreChunk {
            sha256,
            total,
            offset,
            data: data.clone(),
        });
        Ok(())
    }

    /// Components that became no revision are not kept for ever: another one comes, of so many bytes.
    fn make_room(&mut self, total: u64) {
        let plugins = self.world.plugins();
        let is_loose = |sha256: &Sha256| {
            let mut all = plugins.iter();
            !all.any(|(_, plugin)| plugin.revision(sha256).is_some())
        };
        let there = self.world.tree.components();
        let loose: Vec<_> = there
            .filter(|(sha256, _)| is_loose(sha256) && !self.world.is_component_in_flight(sha256))
            .map(|(sha256, component)| (*sha256, component.total()))
            .collect();
        let mut count = loose.len() + 1;
        let mut bytes = total + loose.iter().map(|(_, bytes)| bytes).sum::<u64>();
        for (sha256, freed) in loose {
            if count <= COMPONENTS_LOOSE_MAX && bytes <= COMPONENTS_LOOSE_BYTES_MAX {
                return;
            }
            self.world.stage_component_gone(sha256);
            count -= 1;
            bytes -= freed;
        }
    }

    fn register(
        &mut self,
        name: &str,
        sha256: Sha256,
        signature: Option<&Signature>,
    ) -> Result<(), Fault> {
        check_name("a plugin", name)?;
        let size = self.complete_component(&sha256)?;
        let description = match self.compiled.get(&sha256) {
            Some(Ok(description)) => description.clone(),
            Some(Err(why)) => return Err(Fault::new(ErrorCode::PluginRefused, why.clone())),
            None => return Err(not_ready(&sha256)),
        };
        let publisher = publisher::check(self.world.publishers(), name, &sha256, signature)?;
        let mut plugin = match self.world.plugin(name) {
            Some(plugin) => plugin.clone(),
            None if self.world.plugins().len() >= PLUGINS_MAX => {
                let why = format!("there are {PLUGINS_MAX} plugins; remove one first");
                return Err(Fault::new(ErrorCode::TooLarge, why));
            }
            None => PluginRecord::default(),
        };
        if let Some(known) = plugin.revision(&sha256)
            && (publisher.is_none() || known.publisher == publisher)
        {
            return Ok(());
        }
        let revision = Revision {
            sha256,
            size,
            registered: self.world.zxid,
            description,
            publisher,
        };
        match plugin.revisions.iter_mut().find(|it| it.sha256 == sha256) {
            Some(known) => *known = revision.clone(),
            None => plugin.revisions.push(revision.clone()),
        }
        self.world.stage_effect(Effect::RegisterRevision {
            name: name.to_owned(),
            revision,
        });
        self.let_go_of_the_oldest(name, &mut plugin, &sha256);
        self.world.stage_plugin(name.to_owned(), Some(plugin));
        Ok(())
    }

    /// Its size, if all of it has come.
    fn complete_component(&self, sha256: &Sha256) -> Result<u64, Fault> {
        let received = self.world.component_received(sha256);
        let component = self.world.tree.component(sha256);
        if let Some(component) = component.filter(|it| it.is_complete() && received > 0) {
            return Ok(component.total());
        }
        // A quorum without this leader's own disk commits too: the pieces that the client was
        // told of may be on their way to this tree.
        if received > component.map_or(0, |it| it.received()) {
            return Err(not_ready(sha256));
        }
        let why = format!("component {sha256} has not been pushed completely; push it first");
        Err(Fault::new(ErrorCode::NoNode, why))
    }

    fn let_go_of_the_oldest(&mut self, name: &str, plugin: &mut PluginRecord, new: &Sha256) {
        while plugin.revisions.len() > REVISIONS_KEPT_MAX {
            let is_kept = |sha256: &Sha256| {
                sha256 == new
                    || plugin.active.as_ref() == Some(sha256)
                    || plugin.previous.as_ref() == Some(sha256)
            };
            let oldest = plugin.revisions.iter().find(|it| !is_kept(&it.sha256));
            let Some(oldest) = oldest.map(|it| it.sha256) else {
                return;
            };
            self.drop_revision(name, plugin, &oldest);
        }
    }

    /// Takes a revision out of a plugin, and its component away if no other plugin has it.
    fn drop_revision(&mut self, name: &str, plugin: &mut PluginRecord, sha256: &Sha256) {
        plugin.revisions.retain(|it| it.sha256 != *sha256);
        self.world.stage_effect(Effect::RemoveRevision {
            name: name.to_owned(),
            sha256: *sha256,
        });
        let others = self.world.plugins();
        let mut others = others.iter().filter(|(other, _)| other != name);
        if !others.any(|(_, other)| other.revision(sha256).is_some()) {
            self.world.stage_component_gone(*sha256);
        }
    }

    fn activate(&mut self, name: &str, sha256: Sha256, breaking: bool) -> Result<(), Fault> {
        let mut plugin = self.known(name)?;
        let Some(new) = plugin.revision(&sha256).cloned() else {
            return Err(no_revision(name, &sha256));
        };
        publisher::check_known(self.world.publishers(), name, &new)?;
        if !(self.ready)(&sha256) {
            return Err(not_ready(&sha256));
        }
        let old = plugin.active.and_then(|active| plugin.revision(&active));
        if let Some(old) = old
            && !breaking
        {
            check_evolution(name, &old.description, &new.description)?;
        }
        for mut mount in self.world.mounts() {
            if mount.plugin != name {
                continue;
            }
            let old = plugin.revision(&mount.revision);
            let stored = old.map_or(0, |old| old.description.state_version);
            mount.revision = sha256;
            mount.quarantined = None;
            mount.failures = 0;
            if stored != new.description.state_version {
                self.migrate(&mount, stored)?;
            }
            self.world.stage_mount(mount);
        }
        if plugin.active != Some(sha256) {
            plugin.previous = plugin.active.replace(sha256);
        }
        self.world.stage_effect(Effect::ActivateRevision {
            name: name.to_owned(),
            sha256,
            previous: plugin.previous,
        });
        self.world.stage_plugin(name.to_owned(), Some(plugin));
        Ok(())
    }

    fn remove(&mut self, name: &str, sha256: Option<&Sha256>) -> Result<(), Fault> {
        let mut plugin = self.known(name)?;
        if let Some(sha256) = sha256 {
            if plugin.revision(sha256).is_none() {
                return Err(no_revision(name, sha256));
            }
            if plugin.active.as_ref() == Some(sha256) {
                let why =
                    format!("{sha256} is the active revision of {name}; activate another first");
                return Err(Fault::new(ErrorCode::NotEmpty, why));
            }
            self.drop_revision(name, &mut plugin, sha256);
            self.world.stage_plugin(name.to_owned(), Some(plugin));
            return Ok(());
        }
        if let Some(mount) = self.world.mounts().iter().find(|it| it.plugin == name) {
            let why = format!("{name} is mounted at {}; unmount it first", mount.path);
            return Err(Fault::new(ErrorCode::NotEmpty, why));
        }
        for revision in plugin.revisions.clone() {
            self.drop_revision(name, &mut plugin, &revision.sha256);
        }
        self.world.stage_effect(Effect::RemovePlugin {
            name: name.to_owned(),
        });
        self.world.stage_plugin(name.to_owned(), None);
        Ok(())
    }

    /// A plugin to change.
    pub(super) fn known(&self, name: &str) -> Result<PluginRecord, Fault> {
        self.world.plugin(name).cloned().ok_or_else(|| {
            let why = format!("there is no plugin {name}; push one first");
            Fault::new(ErrorCode::NoPlugin, why)
        })
    }
}

/// What names are made of, so that they fit into paths, files and tables.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && name.len() <= PLUGIN_NAME_BYTES_MAX && name.chars().all(fits) {
        return Ok(());
    }
    let why = format!(
        "{what}'s name has 1 to {PLUGIN_NAME_BYTES_MAX} letters, digits, '-', '_' or '.', unlike \
         {name:?}"
    );
    Err(Fault::new(ErrorCode::BadArguments, why))
}

fn check_evolution(
    name: &str,
    old: &PluginDescription,
    new: &PluginDescription,
) -> Result<(), Fault> {
    let found = differences(old, new);
    let breaking: Vec<String> = found
        .iter()
        .filter(|it| it.breaking)
        .map(Difference::to_string)
        .collect();
    if breaking.is_empty() {
        return Ok(());
    }
    let why = format!(
        "callers of {name} may break: {}; say that they may, or mend it",
        breaking.join("; ")
    );
    Err(Fault::new(ErrorCode::PluginBreaking, why))
}

fn no_revision(name: &str, sha256: &Sha256) -> Fault {
    let why = format!("{sha256} is no revision of the plugin {name}; push it first");
    Fault::new(ErrorCode::NoNode, why)
}

fn not_ready(sha256: &Sha256) -> Fault {
    let why = format!("component {sha256} is not compiled yet on the servers that need it");
    Fault::new(ErrorCode::PluginNotReady, why)
}

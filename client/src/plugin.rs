//! A plugin's life: pushed, activated, mounted, paused, unmounted, removed. Knows nothing of WebAssembly.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::Digest;
use zareba_model::limits::{COMPONENT_BYTES_MAX, COMPONENT_CHUNK_BYTES_MAX};
use zareba_model::{
    ErrorCode, Limits, Op, Outcome, PluginOp, PublisherKey, Read, Sha256, Signature, Write,
    ZnodePath,
};

use crate::client::unexpected;
use crate::retry::Retry;
use crate::{Client, Error, IntoPath, limits};

/// Where the ensemble shows components that come, and plugins.
const COMPONENTS: &str = "/zareba/components";
const PLUGINS: &str = "/zareba/plugins";

/// How often a push goes on from where the ensemble stands, when that is not where it left off: others push
/// the same, or what was there had to go.
const PUSHES_MAX: usize = 5;

impl Client {
    /// Pushes a component as a revision of a plugin and returns its address. Returns when the leader has
    /// compiled it. `progress` is told how many bytes of how many are there.
    ///
    /// What is there already is not sent again: a push that was broken off, or whose revision is known, goes
    /// on where it stands.
    ///
    /// Errors: `PLUGIN_REFUSED` says why it can be no revision; `NO_AUTH` unless the plugin's or the
    /// ensemble's list allows it; [`Error::TooLarge`] beyond 32 MiB. Dropping the future leaves what has come.
    pub async fn push_plugin(
        &self,
        name: &str,
        component: impl Into<Bytes>,
        progress: impl FnMut(u64, u64),
    ) -> Result<Sha256, Error> {
        self.push(name, component.into(), None, progress).await
    }

    /// The same with a publisher's signature of [`signed_text`](zareba_model::signed_text).
    pub async fn push_signed_plugin(
        &self,
        name: &str,
        component: impl Into<Bytes>,
        signature: Signature,
        progress: impl FnMut(u64, u64),
    ) -> Result<Sha256, Error> {
        self.push(name, component.into(), Some(signature), progress)
            .await
    }

    async fn push(
        &self,
        name: &str,
        component: Bytes,
        signature: Option<Signature>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Sha256, Error> {
        if component.len() as u64 > COMPONENT_BYTES_MAX {
            return Err(Error::TooLarge {
                bytes: component.len(),
                max: COMPONENT_BYTES_MAX as usize,
            });
        }
        let sha256 = Sha256(sha2::Sha256::digest(&component).into());
        let mut tries = 0;
        loop {
            tries += 1;
            let sent = self
                .send_component(name, sha256, &component, &mut progress)
                .await;
            let done = match sent {
                Ok(()) => self.register(name, sha256, signature.clone()).await,
                Err(error) => Err(error),
            };
            let stands_elsewhere = done.as_ref().is_err_and(|error| {
                matches!(
                    error.code(),
                    Some(ErrorCode::BadArguments | ErrorCode::NoNode)
                )
            });
            if !stands_elsewhere || tries == PUSHES_MAX {
                return done.map(|()| sha256);
            }
        }
    }

    /// Sends the rest of a component.
    async fn send_component(
        &self,
        name: &str,
        sha256: Sha256,
        component: &Bytes,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<(), Error> {
        let total = component.len() as u64;
        let received = self.component_received(&sha256).await?.min(total);
        let mut offset = usize::try_from(received).unwrap_or(component.len());
        progress(received, total);
        while offset < component.len() {
            let end = component.len().min(offset + COMPONENT_CHUNK_BYTES_MAX);
            let chunk = PluginOp::PushChunk {
                name: name.to_owned(),
                sha256,
                total,
                offset: offset as u64,
                data: component.slice(offset..end),
            };
            self.plugin(chunk).await?;
            progress(end as u64, total);
            offset = end;
        }
        Ok(())
    }

    /// Bytes of a component that the ensemble has.
    async fn component_received(&self, sha256: &Sha256) -> Result<u64, Error> {
        let shown = self.shown(&format!("{COMPONENTS}/{sha256}")).await?;
        let received = shown.as_ref().and_then(|it| it.get("received"));
        Ok(received
            .and_then(serde_json::Value::as_u64)
            .unwrap_or_default())
    }

    /// What one of the ensemble's own nodes shows, wherever this handle's `/` is.
    async fn shown(&self, path: &str) -> Result<Option<serde_json::Value>, Error> {
        let (path, watch) = (ZnodePath::parse(path)?, false);
        match self.request(Op::Read(Read::Get { path, watch })).await {
            Ok(reply) => match reply.outcome {
                Outcome::Got { data, .. } => Ok(serde_json::from_slice(&data).ok()),
                other => Err(unexpected("a read", &other)),
            },
            Err(error) if error.code() == Some(ErrorCode::NoNode) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a revision the one in use, wherever the plugin is mounted.
    ///
    /// Errors: `PLUGIN_BREAKING` if callers of the present revision may not get along with it, with all
    /// reasons; whatever its `migrate` fails with: then nothing is activated.
    pub async fn activate_plugin(&self, name: &str, sha256: Sha256) -> Result<(), Error> {
        self.activate(name, sha256, false).await
    }

    /// The same even if it breaks callers.
    pub async fn activate_breaking_plugin(&self, name: &str, sha256: Sha256) -> Result<(), Error> {
        self.activate(name, sha256, true).await
    }

    /// Puts the revision back into use that was active before the present one, and returns it.
    ///
    /// Errors: `NO_NODE` if there was none.
    pub async fn roll_back_plugin(&self, name: &str) -> Result<Sha256, Error> {
        let shown = self.shown(&format!("{PLUGINS}/{name}")).await?;
        let previous = shown.as_ref().and_then(|it| it.get("previous"));
        let previous = previous.and_then(serde_json::Value::as_str);
        let Some(previous) = previous.and_then(Sha256::parse) else {
            let why = format!("no revision of {name} was active before the present one");
            return Err(zareba_model::Fault::new(ErrorCode::NoNode, why).into());
        };
        self.activate(name, previous, true).await?;
        Ok(previous)
    }

    /// Becoming ready takes the servers seconds, in which they ask to be asked again.
    async fn activate(&self, name: &str, sha256: Sha256, breaking: bool) -> Result<(), Error> {
        let mut retry = Retry::of(ErrorCode::PluginNotReady, limits::REGISTER_PATIENCE);
        loop {
            let name = name.to_owned();
            let activate = PluginOp::Activate {
                name,
                sha256,
                breaking,
            };
            let result = self.plugin(activate).await;
            if !retry.is_due(&result).await {
                return result;
            }
        }
    }

    /// Forgets a revision that is not in use, or, if none is named, a plugin that is mounted nowhere.
    pub async fn remove_plugin(&self, name: &str, sha256: Option<Sha256>) -> Result<(), Error> {
        let name = name.to_owned();
        self.plugin(PluginOp::Remove { name, sha256 }).await
    }

    /// Mounts a plugin's active revision at a path, whose node is created.
    pub async fn mount_plugin(
        &self,
        name: &str,
        path: impl IntoPath,
        config: BTreeMap<String, String>,
        limits: Limits,
    ) -> Result<(), Error> {
        let name = name.to_owned();
        let path = self.absolute(path)?;
        self.plugin(PluginOp::Mount {
            name,
            path,
            config,
            limits,
        })
        .await
    }

    /// Gives a mount another config and other limits, while it runs.
    pub async fn configure_mount(
        &self,
        path: impl IntoPath,
        config: BTreeMap<String, String>,
        limits: Limits,
    ) -> Result<(), Error> {
        let path = self.absolute(path)?;
        self.plugin(PluginOp::Configure {
            path,
            config,
            limits,
        })
        .await
    }

    /// Takes a plugin off a path: parked calls fail, the nodes stay and become ordinary.
    pub async fn unmount_plugin(&self, path: impl IntoPath) -> Result<(), Error> {
        let path = self.absolute(path)?;
        self.plugin(PluginOp::Unmount { path }).await
    }

    /// Lets a mount rest: commands are refused with the reason (`PLUGIN_PAUSED`), events wait, parked calls
    /// and queries go on.
    pub async fn pause_mount(
        &self,
        path: impl IntoPath,
        reason: impl Into<String>,
    ) -> Result<(), Error> {
        let (path, reason) = (self.absolute(path)?, reason.into());
        self.plugin(PluginOp::Pause { path, reason }).await
    }

    /// Ends a mount's rest; the events that waited come first.
    pub async fn resume_mount(&self, path: impl IntoPath) -> Result<(), Error> {
        let path = self.absolute(path)?;
        self.plugin(PluginOp::Resume { path }).await
    }

    /// Puts a mount that failed too often back into service. What it could not take comes again, unless it is
    /// dropped.
    pub async fn clear_quarantine(
        &self,
        path: impl IntoPath,
        drop_events: bool,
    ) -> Result<(), Error> {
        let path = self.absolute(path)?;
        self.plugin(PluginOp::ClearQuarantine { path, drop_events })
            .await
    }

    /// Sets a publisher's key; with none, forgets the publisher.
    pub async fn set_publisher(
        &self,
        name: impl Into<String>,
        key: Option<PublisherKey>,
    ) -> Result<(), Error> {
        let name = name.into();
        self.plugin(PluginOp::SetPublisher { name, key }).await
    }

    /// Says whether a revision must be signed by a publisher to be registered and activated.
    pub async fn require_signatures(&self, required: bool) -> Result<(), Error> {
        self.plugin(PluginOp::RequireSignatures(required)).await
    }

    /// Compiling takes the servers seconds, in which they ask to be asked again.
    async fn register(
        &self,
        name: &str,
        sha256: Sha256,
        signature: Option<Signature>,
    ) -> Result<(), Error> {
        let mut retry = Retry::of(ErrorCode::PluginNotReady, limits::REGISTER_PATIENCE);
        loop {
            let register = PluginOp::Register {
                name: name.to_owned(),
                sha256,
                signature: signature.clone(),
            };
            let result = self.plugin(register).await;
            if !retry.is_due(&result).await {
                return result;
            }
        }
    }

    async fn plugin(&self, op: PluginOp) -> Result<(), Error> {
        match self.request(Op::Write(Write::Plugin(op))).await?.outcome {
            Outcome::PluginDone => Ok(()),
            other => Err(unexpected("a plugin operation", &other)),
        }
    }
}

//! A plugin's life: pushed, activated, mounted, unmounted. Knows nothing of WebAssembly.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::Digest;
use zareba_model::limits::{COMPONENT_BYTES_MAX, COMPONENT_CHUNK_BYTES_MAX};
use zareba_model::{ErrorCode, Limits, Op, Outcome, PluginOp, Sha256, Write};

use crate::client::unexpected;
use crate::retry::Retry;
use crate::{Client, Error, IntoPath, limits};

impl Client {
    /// Pushes a component as a revision of a plugin and returns its address. Returns when the
    /// servers have compiled it, so that it can be activated. `progress` is told how many bytes
    /// of how many are there.
    pub async fn push_plugin(
        &self,
        name: &str,
        component: impl Into<Bytes>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Sha256, Error> {
        let component = component.into();
        let total = component.len() as u64;
        if total > COMPONENT_BYTES_MAX {
            return Err(Error::TooLarge {
                bytes: component.len(),
                max: COMPONENT_BYTES_MAX as usize,
            });
        }
        let sha256 = Sha256(sha2::Sha256::digest(&component).into());
        let mut offset = 0;
        loop {
            let end = component.len().min(offset + COMPONENT_CHUNK_BYTES_MAX);
            let data = component.slice(offset..end);
            let offset_bytes = offset as u64;
            let chunk = PluginOp::PushChunk {
                sha256,
                total,
                offset: offset_bytes,
                data,
            };
            self.plugin(chunk).await?;
            progress(end as u64, total);
            offset = end;
            if offset == component.len() {
                break;
            }
        }
        self.register(name, sha256).await?;
        Ok(sha256)
    }

    /// Makes a revision the one in use, wherever the plugin is mounted. An older one rolls back.
    pub async fn activate_plugin(&self, name: &str, sha256: Sha256) -> Result<(), Error> {
        let name = name.to_owned();
        self.plugin(PluginOp::Activate { name, sha256 }).await
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

    /// Takes a plugin off a path: parked calls fail, the nodes stay and become ordinary.
    pub async fn unmount_plugin(&self, path: impl IntoPath) -> Result<(), Error> {
        let path = self.absolute(path)?;
        self.plugin(PluginOp::Unmount { path }).await
    }

    /// Compiling takes the servers seconds, in which they ask to be asked again.
    async fn register(&self, name: &str, sha256: Sha256) -> Result<(), Error> {
        let mut retry = Retry::of(ErrorCode::PluginNotReady, limits::REGISTER_PATIENCE);
        loop {
            let name = name.to_owned();
            let result = self.plugin(PluginOp::Register { name, sha256 }).await;
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

//! What servers have seen of plugins, and what a call would come to. Changes nothing.
//!
//! Paths in what is told are whole ones, whatever the handle's `/` is.

use bytes::Bytes;
use zareba_model::{Explained, MountStats, Op, Outcome, PluginLogLine, Read, ZnodePath};

use crate::client::unexpected;
use crate::{Client, Error, IntoPath};

impl Client {
    /// What a call would come to, as far as this session's server knows: the answer, the transaction, what
    /// it takes. Nothing is done. Needs the permission that the call itself needs.
    pub async fn explain(
        &self,
        mount: impl IntoPath,
        op: impl Into<String>,
        input: impl Into<Bytes>,
    ) -> Result<Explained, Error> {
        let explain = Op::Explain {
            mount: self.absolute(mount)?,
            op: op.into(),
            input: input.into(),
        };
        match self.request(explain).await?.outcome {
            Outcome::Explained(explained) => Ok(*explained),
            other => Err(unexpected("an explanation", &other)),
        }
    }

    /// What this session's server has seen of the plugin at a mount, or of all plugins, since it started:
    /// queries that it answered, commands and events that it ran while it led. Needs READ on the mount.
    pub async fn plugin_stats(&self, mount: Option<&ZnodePath>) -> Result<Vec<MountStats>, Error> {
        let mount = mount.map(|path| self.absolute(path)).transpose()?;
        let read = Op::Read(Read::PluginStats { mount });
        match self.request(read).await?.outcome {
            Outcome::PluginStats(mounts) => Ok(mounts),
            other => Err(unexpected("a question about plugins", &other)),
        }
    }

    /// What plugins have logged on this session's server behind a line, and the number to go on behind.
    /// The last 4,000 lines are kept. Needs READ on the mount.
    pub async fn plugin_log(
        &self,
        mount: Option<&ZnodePath>,
        after: u64,
    ) -> Result<(Vec<PluginLogLine>, u64), Error> {
        let mount = mount.map(|path| self.absolute(path)).transpose()?;
        let read = Op::Read(Read::PluginLog { mount, after });
        match self.request(read).await?.outcome {
            Outcome::PluginLog { lines, last } => Ok((lines, last)),
            other => Err(unexpected("a question about plugins", &other)),
        }
    }
}

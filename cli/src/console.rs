//! What a command works with: how to speak, and a session. On the command line each command has a
//! session of its own; in the shell all lines share one. Knows no command.

use anyhow::bail;
use serde_json::Value;
use zareba_client::model::ZnodePath;
use zareba_client::{Client, Error, Status};

use crate::args::{Ensemble, Format};
use crate::{output, profile};

/// See the file's first lines.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    /// How to speak.
    pub(crate) format: Format,
    /// Which ensemble.
    pub(crate) ensemble: Ensemble,
    shared: Option<Shared>,
}

/// The shell's part.
#[derive(Clone, Debug)]
struct Shared {
    client: Client,
    here: ZnodePath,
}

impl Console {
    /// For one command.
    pub(crate) fn new(format: Format, ensemble: Ensemble) -> Self {
        Self {
            format,
            ensemble,
            shared: None,
        }
    }

    /// The same with one session for all that follows, standing at the root.
    pub(crate) async fn share_session(&mut self) -> anyhow::Result<()> {
        let client = profile::connect(&self.ensemble).await?;
        let here = self.here();
        self.shared = Some(Shared { client, here });
        Ok(())
    }

    /// The shared session, if there is one.
    pub(crate) fn shared_session(&self) -> Option<&Client> {
        self.shared.as_ref().map(|shared| &shared.client)
    }

    /// True if there is a shared session that is over.
    pub(crate) fn has_lost_its_session(&self) -> bool {
        let status = self
            .shared_session()
            .map(|client| *client.status().borrow());
        matches!(status, Some(Status::Expired | Status::Closed))
    }

    /// Where relative paths begin, and what commands are about that name no node.
    pub(crate) fn here(&self) -> ZnodePath {
        let here = self.shared.as_ref().map(|shared| shared.here.clone());
        here.unwrap_or_else(ZnodePath::root)
    }

    /// Stands at another node.
    pub(crate) fn go(&mut self, path: ZnodePath) {
        if let Some(shared) = &mut self.shared {
            shared.here = path;
        }
    }

    /// Runs a command in the shared session, or in one of its own, which is closed whatever becomes
    /// of the command: what it held must not wait for a timeout.
    pub(crate) async fn in_session<T>(
        &self,
        command: impl AsyncFnOnce(&Client) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        if let Some(shared) = &self.shared {
            return command(&shared.client).await;
        }
        let client = profile::connect(&self.ensemble).await?;
        let result = command(&client).await;
        let closed = client.close().await;
        // The command's own failure says more than that of the close.
        let value = result?;
        closed?;
        Ok(value)
    }

    /// Keeps what a command's session holds until somebody interrupts, or the session is over; in the
    /// shell it is kept anyway.
    pub(crate) async fn hold(&self, client: &Client) -> anyhow::Result<()> {
        if self.shared.is_some() {
            return Ok(());
        }
        let mut status = client.status();
        let is_over = |status: &Status| matches!(status, Status::Expired | Status::Closed);
        tokio::select! {
            interrupted = crate::command::interrupted() => interrupted,
            _over = status.wait_for(is_over) => Err(Error::SessionExpired.into()),
        }
    }

    /// Standard input as a command's own; in the shell it is where lines come from.
    pub(crate) fn standard_input(&self) -> anyhow::Result<std::io::Stdin> {
        if self.shared.is_some() {
            bail!("in the shell, standard input is where lines come from; name a file with --file");
        }
        Ok(std::io::stdin())
    }

    /// Says one thing: `text` to people, `value` to programs.
    pub(crate) fn say(&self, text: impl std::fmt::Display, value: Value) -> anyhow::Result<()> {
        output::say(self.format, text, value)
    }
}

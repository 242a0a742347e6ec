//! Which ensemble a command talks to: the profile it is told, or the one `zareba dev` wrote here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use zareba_client::{Client, Profile};

use crate::args::Ensemble;

/// Where `zareba dev` keeps its data unless told otherwise.
pub(crate) const DATA_DIR: &str = "zareba-data";

/// The profile's name in a data directory.
pub(crate) const FILE: &str = "client.toml";

/// How long a command tries to get a session.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The profile a command uses.
pub(crate) fn load(ensemble: &Ensemble) -> anyhow::Result<Profile> {
    let path = match &ensemble.profile {
        Some(path) => path.clone(),
        None => PathBuf::from(DATA_DIR).join(FILE),
    };
    Profile::load(&path).with_context(|| advice(ensemble, &path))
}

/// A session.
pub(crate) async fn connect(ensemble: &Ensemble) -> anyhow::Result<Client> {
    let client = Client::builder()
        .profile(load(ensemble)?)
        .session_timeout(Duration::from_millis(u64::from(
            ensemble.session_timeout_ms,
        )))
        .connect_timeout(CONNECT_TIMEOUT)
        .connect()
        .await?;
    Ok(client)
}

fn advice(ensemble: &Ensemble, path: &Path) -> String {
    if ensemble.profile.is_some() {
        return format!("the profile {} cannot be used", path.display());
    }
    format!(
        "no client profile: neither --profile nor ZAREBA_PROFILE is given, and {} is not there; \
         start `zareba dev` here, or name a profile",
        path.display()
    )
}

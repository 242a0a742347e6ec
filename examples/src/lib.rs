//! What the examples have in common: which ensemble they talk to. Knows no recipe.

use std::path::PathBuf;

use anyhow::Context;
use zareba_client::{Client, Profile};

/// Where `zareba dev` leaves its profile when it is started here.
const PROFILE: &str = "zareba-data/client.toml";

/// A session with the ensemble of the profile that `ZAREBA_PROFILE` names, or else of the `zareba dev`
/// that was started in this folder.
pub async fn connect() -> anyhow::Result<Client> {
    let path = std::env::var_os("ZAREBA_PROFILE").map_or_else(|| PROFILE.into(), PathBuf::from);
    let profile = Profile::load(&path)
        .context("start `zareba dev` in this folder, or let ZAREBA_PROFILE name a profile")?;
    Ok(Client::builder().profile(profile).connect().await?)
}

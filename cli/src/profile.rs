//! Which ensemble a command talks to, and as whom: the profile it is told, or the one `zareba dev` wrote
//! here, with what the command line adds to it. Shows no secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use zareba_client::{Client, Error, Profile, RetryPolicy, Secret};

use crate::args::Ensemble;

/// Where `zareba dev` keeps its data unless told otherwise.
pub(crate) const DATA_DIR: &str = "zareba-data";

/// The profile's name in a data directory.
pub(crate) const FILE: &str = "client.toml";

/// How long a command tries to get a session.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The profile a command uses, with the certificate that its line names.
pub(crate) fn load(ensemble: &Ensemble) -> anyhow::Result<Profile> {
    let path = match &ensemble.profile {
        Some(path) => path.clone(),
        None => PathBuf::from(DATA_DIR).join(FILE),
    };
    let profile = Profile::load(&path).with_context(|| advice(ensemble, &path))?;
    match (&ensemble.cert, &ensemble.key) {
        (None, None) => Ok(profile),
        (Some(certificate), Some(key)) => {
            Ok(profile.with_certificate(read(certificate)?, read(key)?))
        }
        _ => Err(misused(
            "--cert and --key belong together: give both or neither",
        )),
    }
}

/// A session.
pub(crate) async fn connect(ensemble: &Ensemble) -> anyhow::Result<Client> {
    enter(ensemble, load(ensemble)?).await
}

/// A session at one server alone, which costs the ensemble nothing.
pub(crate) async fn connect_alone(ensemble: &Ensemble, server: Profile) -> anyhow::Result<Client> {
    let alone = Ensemble {
        read_only: true,
        ..ensemble.clone()
    };
    enter(&alone, server).await
}

async fn enter(ensemble: &Ensemble, profile: Profile) -> anyhow::Result<Client> {
    let session_timeout = Duration::from_millis(u64::from(ensemble.session_timeout_ms));
    let mut client = Client::builder()
        .profile(profile)
        .session_timeout(session_timeout)
        .connect_timeout(CONNECT_TIMEOUT);
    for proof in &ensemble.auth {
        let (scheme, credential) = claim(proof)?;
        client = client.authenticate(scheme, credential);
    }
    if ensemble.local {
        client = client.local();
    }
    if ensemble.read_only {
        client = client.read_only();
    }
    if ensemble.local || ensemble.read_only {
        // No timeout ends such a session, but a command must not wait for ever.
        client = client.retry(RetryPolicy {
            give_up: Some(session_timeout),
            ..RetryPolicy::default()
        });
    }
    Ok(client.connect().await?)
}

/// A scheme and what proves the identity, as given or from the file that is named.
fn claim(Secret(text): &Secret) -> anyhow::Result<(String, String)> {
    let text = match text.strip_prefix('@') {
        Some(file) => read(Path::new(file))?,
        None => text.clone(),
    };
    let claim = text.trim_end_matches(['\r', '\n']).split_once(':');
    let claim = claim.filter(|(scheme, proof)| *scheme == "digest" && proof.contains(':'));
    let (scheme, proof) = claim.ok_or_else(|| {
        misused(
            "--auth and ZAREBA_AUTH take digest:USER:PASSWORD, or @FILE that holds it; what was given is \
             something else, and is not repeated here",
        )
    })?;
    Ok((scheme.to_owned(), proof.to_owned()))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| misused(&format!("cannot read {}: {error}", path.display())))
}

fn misused(what: &str) -> anyhow::Error {
    Error::Configuration(what.to_owned()).into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_read_from_the_line_or_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth");
        std::fs::write(&file, "digest:app:se:cret\n").unwrap();
        let from_file = Secret(format!("@{}", file.display()));
        for proof in [Secret("digest:app:se:cret".to_owned()), from_file] {
            let expected = ("digest".to_owned(), "app:se:cret".to_owned());
            assert_eq!(claim(&proof).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_proof_is_refused_without_repeating_it() {
        for text in ["hunter2", "app:hunter2", "digest:hunter2", "x509:a:hunter2"] {
            let error = format!("{:#}", claim(&Secret(text.to_owned())).unwrap_err());
            assert!(error.contains("digest:USER:PASSWORD"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

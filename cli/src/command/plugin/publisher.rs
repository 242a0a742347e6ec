//! Publishers and their keys. A private key is read and written here, and never shown.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::anyhow;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use zareba_client::Error;
use zareba_client::model::{PublisherKey, Sha256, Signature, signed_text};

use super::deploy::of_file;
use super::registry::text;
use crate::args::{Format, Publisher};
use crate::console::Console;
use crate::output;

/// Where the ensemble shows them.
const PUBLISHERS: &str = "/zareba/publishers";

pub(super) async fn run(command: Publisher, console: &Console) -> anyhow::Result<()> {
    if let Publisher::Keygen { file } = &command {
        return keygen(file, console);
    }
    console
        .in_session(async |client| match command {
            Publisher::Keygen { .. } => Ok(()),
            Publisher::Add {
                name,
                public_key: key,
            } => {
                client.set_publisher(name.as_str(), Some(key)).await?;
                console.say(key, json!({ "name": name, "key": key.to_string() }))
            }
            Publisher::Remove { name } => {
                client.set_publisher(name.as_str(), None).await?;
                console.say(&name, json!({ "removed": name }))
            }
            Publisher::Require { required } => {
                client.require_signatures(required).await?;
                console.say(said(required), json!({ "required": required }))
            }
            Publisher::List => list(client, console).await,
        })
        .await
}

fn said(required: bool) -> &'static str {
    match required {
        true => "every revision must be signed by a publisher",
        false => "revisions need not be signed",
    }
}

async fn list(client: &zareba_client::Client, console: &Console) -> anyhow::Result<()> {
    let (data, _) = client.get(PUBLISHERS).await?;
    let shown: Value = serde_json::from_slice(&data)?;
    let required = shown.get("required").and_then(Value::as_bool);
    let required = required.unwrap_or_default();
    let mut keys = Vec::new();
    for name in client.children(PUBLISHERS).await? {
        let (data, _) = client.get(format!("{PUBLISHERS}/{name}").as_str()).await?;
        let shown: Value = serde_json::from_slice(&data)?;
        keys.push((name, text(&shown, "key").unwrap_or_default().to_owned()));
    }
    if console.format == Format::Json {
        let keys: serde_json::Map<_, _> = keys
            .into_iter()
            .map(|(name, key)| (name, Value::from(key)))
            .collect();
        return output::line(json!({ "required": required, "publishers": keys }));
    }
    output::line(said(required))?;
    let rows = keys.into_iter().map(|(name, key)| [name, key]).collect();
    output::line(output::table(["PUBLISHER", "KEY"], rows))
}

/// Writes a new key that nobody else can read.
fn keygen(file: &Path, console: &Console) -> anyhow::Result<()> {
    let key = SigningKey::from_bytes(&rand::random());
    let pem = key.to_pkcs8_pem(LineEnding::LF);
    let pem = pem.map_err(|error| anyhow!("the new key cannot be written: {error}"))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut opened = of_file(file, options.open(file))?;
    of_file(file, opened.write_all(pem.as_bytes()))?;
    let public = PublisherKey(key.verifying_key().to_bytes());
    let value = json!({ "file": file.display().to_string(), "key": public.to_string() });
    console.say(public, value)
}

/// A publisher's word that a component is to be a revision of a plugin.
pub(super) fn sign(
    publisher: &str,
    key_file: &Path,
    plugin: &str,
    sha256: &Sha256,
) -> anyhow::Result<Signature> {
    let pem = of_file(key_file, std::fs::read_to_string(key_file))?;
    let key = SigningKey::from_pkcs8_pem(&pem).map_err(|_| {
        let what = format!(
            "{} is no ed25519 private key; `zareba plugin publisher keygen` writes one",
            key_file.display()
        );
        Error::Configuration(what)
    })?;
    let bytes = key.sign(&signed_text(plugin, sha256)).to_bytes();
    Ok(Signature {
        publisher: publisher.to_owned(),
        bytes: bytes.to_vec().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Console;

    #[test]
    fn a_key_is_written_once_for_its_owner_alone_and_signs() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ann.pem");
        let console = Console::new(Format::Json, crate::args::Ensemble::for_tests());
        keygen(&file, &console).unwrap();
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            keygen(&file, &console).is_err(),
            "it must not be written over"
        );
        let sha256 = Sha256([7; 32]);
        let signature = sign("ann", &file, "lock", &sha256).unwrap();
        let pem = std::fs::read_to_string(&file).unwrap();
        let key = SigningKey::from_pkcs8_pem(&pem).unwrap().verifying_key();
        let bytes: &[u8; 64] = signature.bytes.as_ref().try_into().unwrap();
        let signed = ed25519_dalek::Signature::from_bytes(bytes);
        let text = signed_text("lock", &sha256);
        assert!(key.verify_strict(&text, &signed).is_ok());
        std::fs::write(&file, "secret").unwrap();
        let refused = sign("ann", &file, "lock", &sha256).unwrap_err();
        assert!(!format!("{refused:#}").contains("secret"));
    }
}

//! Components for tests, and their way into an ensemble as an operator goes it.

use std::collections::BTreeMap;
use std::path::Path;

use zareba_client::{Client, Error, ErrorCode, Limits, Sha256};

use crate::until;

/// The standard lock.
pub const LOCK: &str = "../plugins/dist/lock.wasm";
/// The guest that misbehaves on demand.
pub const FIXTURES: &str = "guests/dist/fixtures.wasm";
/// A component that wants WASI.
pub const WASI: &str = "guests/dist/wasi.wasm";
/// A component whose interface has other types than the contract's.
pub const WRONG_TYPES: &str = "guests/dist/wrong-types.wasm";

/// Where a component lies.
pub fn component_path(component: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(component)
}

/// The bytes of a component.
pub fn component(component: &str) -> Vec<u8> {
    std::fs::read(component_path(component)).unwrap()
}

/// Pushes and activates a component as a plugin.
pub async fn deploy(client: &Client, name: &str, bytes: Vec<u8>) -> Sha256 {
    let sha256 = client.push_plugin(name, bytes, |_, _| {}).await.unwrap();
    activate(client, name, sha256).await;
    sha256
}

/// Activates a revision once enough servers have compiled it, whatever it was before.
pub async fn activate(client: &Client, name: &str, sha256: Sha256) {
    until("a revision is active", async || {
        match client.activate_breaking_plugin(name, sha256).await {
            Err(error) if error.is(ErrorCode::PluginNotReady) => None,
            other => {
                other.unwrap();
                Some(())
            }
        }
    })
    .await;
}

/// Calls a plugin once it is admitted: one that had more than its share of the leader's time waits.
pub async fn call(client: &Client, mount: &str, op: &str, input: &str) -> Result<String, Error> {
    until("a plugin is admitted", async || {
        match client.call(mount, op, input.to_owned()).await {
            Err(error) if error.is(ErrorCode::Throttled) => None,
            other => Some(other.map(|answer| String::from_utf8(answer.to_vec()).unwrap())),
        }
    })
    .await
}

/// Deploys and mounts a component; `limits` of its calls.
pub async fn mount(client: &Client, name: &str, path: &str, bytes: Vec<u8>, limits: Limits) {
    deploy(client, name, bytes).await;
    let mounted = client.mount_plugin(name, path, BTreeMap::new(), limits);
    mounted.await.unwrap();
}

/// A standard recipe, mounted at a path with that config. A busy machine must not end a call that is not
/// meant to end.
pub async fn mount_recipe(client: &Client, name: &str, path: &str, config: &[(&str, &str)]) {
    let bytes = component(&format!("../plugins/dist/{name}.wasm"));
    deploy(client, name, bytes).await;
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let config = config.iter().map(owned).collect();
    let limits = Limits {
        time_ms_max: 5_000,
        ..Limits::default()
    };
    client
        .mount_plugin(name, path, config, limits)
        .await
        .unwrap();
}

/// The standard lock, mounted. A busy machine must not end a call that is not meant to end.
pub async fn mount_lock(client: &Client, path: &str) {
    mount_recipe(client, "lock", path, &[]).await;
}

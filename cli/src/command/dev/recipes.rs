//! The standard recipes, embedded as built components, pushed and mounted where they are not yet.

use std::collections::BTreeMap;

use futures::StreamExt;
use zareba_client::Client;
use zareba_client::model::{ErrorCode, Limits};

/// One recipe: its plugin's name, where it is mounted, its component.
struct Recipe {
    name: &'static str,
    mount: &'static str,
    component: &'static [u8],
}

/// A recipe whose component is in `plugins/dist/`.
macro_rules! recipe {
    ($name:literal, $mount:literal) => {
        Recipe {
            name: $name,
            mount: $mount,
            component: include_bytes!(concat!("../../../../plugins/dist/", $name, ".wasm")),
        }
    };
}

const RECIPES: [Recipe; 17] = [
    recipe!("lock", "/locks"),
    recipe!("rwlock", "/rwlocks"),
    recipe!("semaphore", "/semaphores"),
    recipe!("multilock", "/multilocks"),
    recipe!("election", "/elections"),
    recipe!("barrier", "/barriers"),
    recipe!("double-barrier", "/double-barriers"),
    recipe!("queue", "/queues"),
    recipe!("counter", "/counters"),
    recipe!("group", "/groups"),
    recipe!("config", "/configs"),
    recipe!("rendezvous", "/rendezvous"),
    recipe!("lease", "/leases"),
    recipe!("rate-limit", "/rate-limits"),
    recipe!("shards", "/shards"),
    recipe!("topics", "/topics"),
    recipe!("fleet", "/fleet"),
];

/// Recipes that are pushed at once: compiling one goes on while another comes.
const AT_ONCE: usize = 4;

/// Mounts every recipe.
pub(super) async fn mount(client: &Client) -> anyhow::Result<()> {
    mount_those(client, |_| true).await
}

/// Mounts the recipes of those names.
pub(in crate::command) async fn mount_those(
    client: &Client,
    wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<()> {
    let wanted = RECIPES.iter().filter(|recipe| wanted(recipe.name));
    let mounted = wanted.map(|recipe| mount_one(client, recipe));
    let mut mounted = futures::stream::iter(mounted).buffer_unordered(AT_ONCE);
    while let Some(done) = mounted.next().await {
        done?;
    }
    Ok(())
}

async fn mount_one(client: &Client, recipe: &Recipe) -> anyhow::Result<()> {
    let sha256 = client
        .push_plugin(recipe.name, recipe.component, |_, _| {})
        .await?;
    if client.exists(recipe.mount).await?.is_none() {
        client.activate_plugin(recipe.name, sha256).await?;
        let (config, limits) = (BTreeMap::new(), Limits::default());
        match client
            .mount_plugin(recipe.name, recipe.mount, config, limits)
            .await
        {
            Err(error) if error.is(ErrorCode::NodeExists) => {}
            other => other?,
        }
    }
    Ok(())
}

/// A recipe's component.
pub(in crate::command) fn component(name: &str) -> Option<&'static [u8]> {
    let mut recipes = RECIPES.iter().filter(|recipe| recipe.name == name);
    recipes.next().map(|recipe| recipe.component)
}

//! Plugins, revisions and mounts as the ensemble shows them. Changes nothing.

use anyhow::{Context, bail};
use serde_json::{Value, json};
use zareba_client::model::{
    ErrorCode, Fault, OpDescription, PluginDescription, Sha256, WatchDescription,
};
use zareba_client::{Client, Error};

use crate::args::Format;
use crate::console::Console;
use crate::output;

/// Where the ensemble shows its plugins and mounts.
const PLUGINS: &str = "/zareba/plugins";
const MOUNTS: &str = "/zareba/mounts";

/// Digits of an address that are shown to people.
pub(super) const REVISION_DIGITS: usize = 12;

/// One revision as the ensemble shows it.
pub(super) struct Shown {
    pub(super) sha256: Sha256,
    /// The transaction that registered it.
    registered: (u32, u32),
    size: u64,
    publisher: Option<String>,
    pub(super) description: PluginDescription,
}

/// A plugin's head as the ensemble shows it.
pub(super) struct Head {
    pub(super) active: Option<Sha256>,
    pub(super) previous: Option<Sha256>,
}

pub(super) async fn head(client: &Client, name: &str) -> anyhow::Result<Head> {
    let (data, _) = match client.get(format!("{PLUGINS}/{name}").as_str()).await {
        Err(error) if error.is(ErrorCode::NoNode) => {
            let why = format!("there is no plugin {name}; `zareba plugin list` shows all");
            return Err(Error::from(Fault::new(ErrorCode::NoPlugin, why)).into());
        }
        other => other?,
    };
    let shown: Value = serde_json::from_slice(&data)?;
    let address = |key| text(&shown, key).and_then(Sha256::parse);
    Ok(Head {
        active: address("active"),
        previous: address("previous"),
    })
}

/// A plugin's revisions, oldest first.
pub(super) async fn revisions(client: &Client, name: &str) -> anyhow::Result<Vec<Shown>> {
    let mut revisions = Vec::new();
    for sha256 in client
        .children(format!("{PLUGINS}/{name}").as_str())
        .await?
    {
        let path = format!("{PLUGINS}/{name}/{sha256}");
        let (data, stat) = client.get(path.as_str()).await?;
        let value: Value = serde_json::from_slice(&data)?;
        revisions.push(Shown {
            sha256: Sha256::parse(&sha256).context("the ensemble shows an address that is none")?,
            registered: (stat.czxid.epoch.0, stat.czxid.counter),
            size: value
                .get("size")
                .and_then(Value::as_u64)
                .unwrap_or_default(),
            publisher: text(&value, "publisher").map(str::to_owned),
            description: description(&value)?,
        });
    }
    revisions.sort_by_key(|revision| revision.registered);
    Ok(revisions)
}

fn description(shown: &Value) -> anyhow::Result<PluginDescription> {
    let part = |key: &str| shown.get(key).cloned().unwrap_or_else(|| json!([]));
    let ops: Vec<OpDescription> = serde_json::from_value(part("ops"))?;
    let watches: Vec<WatchDescription> = serde_json::from_value(part("watches"))?;
    let state_version = shown.get("state_version").and_then(Value::as_u64);
    Ok(PluginDescription {
        state_version: u32::try_from(state_version.unwrap_or_default())?,
        doc: text(shown, "doc").unwrap_or_default().to_owned(),
        ops,
        watches,
    })
}

/// The revision that the first digits of an address name; the newest if there are none.
pub(super) async fn find(
    client: &Client,
    name: &str,
    digits: Option<&str>,
) -> anyhow::Result<Shown> {
    head(client, name).await?;
    let revisions = revisions(client, name).await?;
    let wanted = digits.unwrap_or_default();
    let fits = |it: &Shown| it.sha256.to_string().starts_with(wanted);
    let mut fitting: Vec<Shown> = revisions.into_iter().filter(fits).collect();
    if digits.is_some() && fitting.len() > 1 {
        bail!("several revisions of {name} start with {wanted}; give more digits");
    }
    fitting.pop().ok_or_else(|| {
        let why = format!("the plugin {name} has no revision {wanted}; see `zareba plugin list`");
        Error::from(Fault::new(ErrorCode::NoNode, why)).into()
    })
}

/// All mounts, by path.
pub(super) async fn mounts(client: &Client) -> anyhow::Result<Vec<Value>> {
    let mut mounts = Vec::new();
    for name in client.children(MOUNTS).await? {
        let (data, _) = client.get(format!("{MOUNTS}/{name}").as_str()).await?;
        mounts.push(serde_json::from_slice(&data)?);
    }
    Ok(mounts)
}

pub(super) async fn list(console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let mounts = mounts(client).await?;
            let mut rows = Vec::new();
            for name in client.children(PLUGINS).await? {
                let head = head(client, &name).await?;
                for revision in revisions(client, &name).await? {
                    rows.extend(row(&name, &head, &revision, &mounts, console.format)?);
                }
            }
            if console.format == Format::Text {
                let header = [
                    "PLUGIN",
                    "REVISION",
                    "STATE",
                    "BYTES",
                    "OPS",
                    "SIGNED BY",
                    "MOUNTS",
                ];
                output::line(output::table(header, rows))?;
            }
            Ok(())
        })
        .await
}

/// A line of the list: said at once to programs, returned for people.
fn row(
    name: &str,
    head: &Head,
    revision: &Shown,
    mounts: &[Value],
    format: Format,
) -> anyhow::Result<Option<[String; 7]>> {
    let sha256 = revision.sha256.to_string();
    let is_here = |mount: &&Value| {
        text(mount, "plugin") == Some(name) && text(mount, "revision") == Some(&sha256)
    };
    let at: Vec<_> = mounts.iter().filter(is_here).collect();
    let state = match Some(revision.sha256) {
        it if it == head.active => "active",
        it if it == head.previous => "previous",
        _ => "",
    };
    if format == Format::Json {
        output::line(json!({
            "name": name,
            "sha256": sha256,
            "active": state == "active",
            "previous": state == "previous",
            "size": revision.size,
            "publisher": revision.publisher,
            "mounts": at,
        }))?;
        return Ok(None);
    }
    let at: Vec<_> = at.into_iter().map(mount_text).collect();
    Ok(Some([
        name.to_owned(),
        sha256.chars().take(REVISION_DIGITS).collect(),
        state.to_owned(),
        revision.size.to_string(),
        revision.description.ops.len().to_string(),
        revision.publisher.clone().unwrap_or_default(),
        at.join(" "),
    ]))
}

fn mount_text(mount: &Value) -> String {
    let path = text(mount, "path").unwrap_or("?");
    match (text(mount, "quarantined"), text(mount, "paused")) {
        (Some(why), _) => format!("{path} (out of service: {why})"),
        (None, Some(why)) => format!("{path} (paused: {why})"),
        (None, None) => path.to_owned(),
    }
}

pub(super) async fn describe(
    name: &str,
    digits: Option<&str>,
    console: &Console,
) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let active = head(client, name).await?.active.map(|it| it.to_string());
            let digits = digits.map(str::to_owned).or(active);
            let revision = find(client, name, digits.as_deref()).await?;
            say_description(console, &revision.description)
        })
        .await
}

/// What a component says of itself.
pub(super) fn say_description(
    console: &Console,
    description: &PluginDescription,
) -> anyhow::Result<()> {
    if console.format == Format::Json {
        return output::line(serde_json::to_value(description)?);
    }
    output::line(format_args!("{}\n", description.doc))?;
    for op in &description.ops {
        let kind = match (op.read_only, op.may_park) {
            (true, _) => " (query)",
            (false, true) => " (may wait)",
            (false, false) => "",
        };
        output::line(format_args!(
            "{}{kind}\n  {}\n  in   {}\n  out  {}",
            op.name, op.doc, op.input, op.output
        ))?;
    }
    let events = description.watches.iter().map(|watch| {
        let kinds = [(1, "created"), (2, "changed"), (4, "deleted")];
        let kinds = kinds.iter().filter(|(bit, _)| watch.kinds & bit != 0);
        let kinds: Vec<_> = kinds.map(|(_, kind)| *kind).collect();
        format!("{} ({})", watch.pattern, kinds.join(", "))
    });
    let events: Vec<_> = events.collect();
    if !events.is_empty() {
        output::line(format_args!("\nReacts to {}.", events.join("; ")))?;
    }
    output::line(format_args!(
        "Its nodes are laid out in version {}.",
        description.state_version
    ))
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

//! The configuration recipe, a component: many keys published as one version. Must never know how a transaction
//! is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! <name>                the number of the version that counts
//! <name>/<version>      ten digits: a version's values, and who published it when and why
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zareba_guest_sdk::{
    Caller, Dir, Event, Fault, Faults, Host, Node, Observers, Reply, Shape, code, name, observers,
    plugin, refuse,
};

/// Configurations.
#[derive(Debug)]
pub struct Config;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// Another version counts than was expected: somebody else has published.
    #[fault(1, "version {version} of {name:?} counts, not {expected}")]
    AnotherVersion {
        /// The configuration.
        name: String,
        /// The version that counts.
        version: u64,
        /// What was expected.
        expected: u64,
    },
    /// There is no such version, or not any more.
    #[fault(2, "there is no version {version} of {name:?} (any more)")]
    NoSuchVersion {
        /// The configuration.
        name: String,
        /// The version.
        version: u64,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Publish {
    name: String,
    values: BTreeMap<String, Value>,
    #[serde(default)]
    merge: bool,
    expect: Option<u64>,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Rollback {
    name: String,
    version: u64,
    expect: Option<u64>,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Get {
    name: String,
    version: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Follow {
    name: String,
    #[serde(default)]
    after: u64,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

#[derive(Serialize, Shape)]
struct Published {
    version: u64,
}

#[derive(Serialize, Shape)]
struct Whole {
    version: u64,
    values: BTreeMap<String, Value>,
}

#[derive(Serialize, Shape)]
struct Entry {
    version: u64,
    at: u64,
    by: Vec<String>,
    note: String,
}

/// A version as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    values: BTreeMap<String, Value>,
    at: u64,
    by: Vec<String>,
    note: String,
}

/// Versions kept unless the mount's config says "history".
const HISTORY: u64 = 20;
/// Largest version, bytes of JSON.
const BYTES_MAX: usize = 256 << 10;

/// Configurations by name: many keys that are published together as one version. A reader has one version whole, never
/// a part of two. Who publishes may say which version it has seen ("expect"), so that two do not overwrite each other.
/// Who follows is told the newest version, and may miss those that were over before. The mount's config says with
/// "history" how many versions are kept to look at and to go back to (20).
#[plugin(state_version = 1, faults = Refusal)]
impl Config {
    /// Publishes values as the next version; with "merge", changes only these keys of the last one, and takes away those
    /// that are null.
    #[command]
    fn publish(host: &mut dyn Host, who: &Caller, asked: Publish) -> Result<Published, Fault> {
        let Publish {
            name,
            values,
            merge,
            expect,
            note,
        } = asked;
        let version = expected(host, &name, expect)?;
        let mut all = BTreeMap::new();
        if merge && version > 0 {
            all = kept(host, &name, version)?.values;
        }
        all.extend(values);
        if merge {
            all.retain(|_, value| !value.is_null());
        }
        store(host, who, &name, version, all, note)
    }

    /// Publishes an older version's values as the next version.
    #[command]
    fn rollback(host: &mut dyn Host, who: &Caller, asked: Rollback) -> Result<Published, Fault> {
        let name = asked.name;
        let version = expected(host, &name, asked.expect)?;
        let old = kept(host, &name, asked.version)?;
        store(host, who, &name, version, old.values, asked.note)
    }

    /// Waits until a version above "after" counts, and tells it whole; fault -7 after "timeout_ms".
    #[command(parks)]
    fn follow(host: &mut dyn Host, asked: Follow) -> Result<Reply<Whole>, Fault> {
        name::check("configuration", &asked.name)?;
        let version = current(host, &asked.name)?;
        if version > asked.after {
            return whole(host, &asked.name, version).map(Reply::Now);
        }
        if version < asked.after {
            let name = asked.name;
            let version = asked.after;
            return Err(Refusal::NoSuchVersion { name, version }.into());
        }
        Ok(Observers::new(asked.name).wait(asked.timeout_ms))
    }

    /// The version that counts, or an older one, whole.
    #[query]
    fn get(host: &mut dyn Host, Get { name, version }: Get) -> Result<Whole, Fault> {
        name::check("configuration", &name)?;
        let version = match version {
            Some(version) => version,
            None => current(host, &name)?,
        };
        whole(host, &name, version)
    }

    /// The versions that are kept, the newest last.
    #[query]
    fn history(host: &mut dyn Host, Name { name }: Name) -> Result<Vec<Entry>, Fault> {
        name::check("configuration", &name)?;
        let mut entries = Vec::new();
        for (number, kept) in Dir::<Kept>::at(&name).all(host)? {
            entries.push(Entry {
                version: number.parse().unwrap_or(0),
                at: kept.at,
                by: kept.by,
                note: kept.note,
            });
        }
        Ok(entries)
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for name in events.iter().filter_map(observers::due) {
            let version = current(host, name)?;
            // Somebody may have deleted it by hand; then there is nothing to tell.
            if version > 0 {
                let whole = whole(host, name, version)?;
                Observers::new(name).tell(host, &whole)?;
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(Config);

/// Keeps values as the version behind that one, forgets what is too old, and tells who follows.
fn store(
    host: &mut dyn Host,
    who: &Caller,
    name: &str,
    before: u64,
    values: BTreeMap<String, Value>,
    note: String,
) -> Result<Published, Fault> {
    name::check_size("note", &note, 4096)?;
    let version = before + 1;
    let kept = Kept {
        values,
        at: host.now(),
        by: who.principals.clone(),
        note,
    };
    let bytes = zareba_guest_sdk::json::write(&kept)?.len();
    if bytes > BYTES_MAX {
        let why = format!("a version of {bytes} bytes; at most {BYTES_MAX}");
        return Err(refuse(code::BAD_ARGUMENTS, why));
    }
    Node::at(name).put(host, &version)?;
    version_of(name, version).create(host, &kept)?;
    let history = host.config("history").and_then(|it| it.parse().ok());
    let history: u64 = history.unwrap_or(HISTORY).max(1);
    let all = Dir::<Kept>::at(name);
    // Few at once: a history that was made shorter shrinks with every version.
    for old in all.names(host, None, 10)? {
        if old.parse().is_ok_and(|old: u64| old + history <= version) {
            all.child(&old).remove(host)?;
        }
    }
    let whole = Whole {
        version,
        values: kept.values,
    };
    Observers::new(name).tell(host, &whole)?;
    Ok(Published { version })
}

fn expected(host: &mut dyn Host, name: &str, expect: Option<u64>) -> Result<u64, Fault> {
    name::check("configuration", name)?;
    let version = current(host, name)?;
    match expect {
        Some(expected) if expected != version => Err(Refusal::AnotherVersion {
            name: name.to_owned(),
            version,
            expected,
        }
        .into()),
        _ => Ok(version),
    }
}

/// The number of the version that counts; 0 if nothing was published.
fn current(host: &mut dyn Host, name: &str) -> Result<u64, Fault> {
    Ok(Node::at(name).get(host)?.unwrap_or(0))
}

fn whole(host: &mut dyn Host, name: &str, version: u64) -> Result<Whole, Fault> {
    let values = kept(host, name, version)?.values;
    Ok(Whole { version, values })
}

fn kept(host: &mut dyn Host, name: &str, version: u64) -> Result<Kept, Fault> {
    version_of(name, version).get(host)?.ok_or_else(|| {
        let name = name.to_owned();
        Refusal::NoSuchVersion { name, version }.into()
    })
}

fn version_of(name: &str, version: u64) -> Node<Kept> {
    Node::at(format!("{name}/{version:010}"))
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;

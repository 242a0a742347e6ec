//! `zareba acl`: who may do what. Decides nothing of that itself.

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use serde_json::json;
use zareba_client::model::limits::IDENTITY_BYTES_MAX;
use zareba_client::model::{Acl, Change, Claim, Credential, ErrorCode, ZnodePath};
use zareba_client::{Client, Error};

use super::data::fresh;
use super::steps::Step;
use super::walk::Walk;
use crate::acl::{entries, write_principal};
use crate::args::{AclCommand, AclSet, Format, Freshness};
use crate::console::Console;
use crate::output;

pub(super) async fn run(command: AclCommand, console: &Console) -> anyhow::Result<()> {
    match command {
        AclCommand::Get { path, fresh } => get(&path, fresh, console).await,
        AclCommand::Set(set) if set.recursive => set_all(set, console).await,
        AclCommand::Set(set) => self::set(set, console).await,
        AclCommand::Digest { user, file } => digest(&user, file.as_deref(), console),
    }
}

async fn get(path: &ZnodePath, freshness: Freshness, console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let (acl, stat) = fresh(client, freshness).await?.get_acl(path).await?;
            let entries = entries(&acl);
            let value = json!({
                "path": path.as_str(),
                "acl": entries,
                "version": stat.aversion,
            });
            console.say(entries.join("\n"), value)
        })
        .await
}

async fn set(set: AclSet, console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let acl = Acl(set.entries);
            let stat = client.set_acl(&set.path, acl, set.version).await?;
            let text = format!("version {}", stat.aversion);
            let value = json!({ "path": set.path.as_str(), "version": stat.aversion });
            console.say(text, value)
        })
        .await
}

/// Children before parents: a list that has been set may forbid to look below it.
async fn set_all(set: AclSet, console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let mut setting = Setting {
                client,
                acl: Acl(set.entries),
                step: Step::default(),
                done: 0,
                bar: output::counter("lists set"),
            };
            let all = setting.all(&set.path).await;
            setting.bar.finish_and_clear();
            let done = setting.done;
            match done {
                0 => all?,
                some => all.with_context(|| format!("{some} lists were set, then it failed"))?,
            }
            console.say(
                format!("set the lists of {done} nodes"),
                json!({ "path": set.path.as_str(), "nodes": done }),
            )
        })
        .await
}

struct Setting<'a> {
    client: &'a Client,
    acl: Acl,
    step: Step,
    done: u64,
    bar: indicatif::ProgressBar,
}

impl Setting<'_> {
    async fn all(&mut self, root: &ZnodePath) -> anyhow::Result<()> {
        let mut walk = Walk::new(self.client, root.clone()).without_reserved();
        // Met, with nodes below that may not be met yet.
        let mut above: Vec<ZnodePath> = Vec::new();
        while let Some(met) = walk.next().await? {
            while above.len() > met.depth
                && let Some(path) = above.pop()
            {
                self.set(path).await?;
            }
            above.push(met.path);
        }
        while let Some(path) = above.pop() {
            self.set(path).await?;
        }
        self.make_step().await
    }

    async fn set(&mut self, path: ZnodePath) -> anyhow::Result<()> {
        let (acl, version) = (self.acl.clone(), None);
        self.step.push(Change::SetAcl { path, acl, version });
        match self.step.is_full() {
            true => self.make_step().await,
            false => Ok(()),
        }
    }

    async fn make_step(&mut self) -> anyhow::Result<()> {
        let mut changes = self.step.take().changes;
        while !changes.is_empty() {
            let index = match self.client.multi(changes.clone()).await {
                Ok(_) => {
                    self.done += changes.len() as u64;
                    self.bar.set_position(self.done);
                    return Ok(());
                }
                Err(Error::Refused(fault)) if fault.code == ErrorCode::NoNode => {
                    fault.index.map_or(0, |index| index as usize)
                }
                Err(error) => return Err(error.into()),
            };
            // Somebody has deleted it meanwhile.
            changes.remove(index.min(changes.len() - 1));
        }
        Ok(())
    }
}

/// As the servers compute it.
fn digest(user: &str, file: Option<&Path>, console: &Console) -> anyhow::Result<()> {
    if user.is_empty() || user.contains(':') {
        bail!("a user's name is not empty and has no colon");
    }
    let password = read_password(file, console)?;
    let proved = zareba_server::prove(&Claim {
        scheme: "digest".to_owned(),
        credential: Credential(format!("{user}:{password}")),
    });
    let identity = write_principal(&proved.map_err(|fault| anyhow!(fault.message))?);
    console.say(&identity, json!({ "identity": identity }))
}

/// The first line.
fn read_password(file: Option<&Path>, console: &Console) -> anyhow::Result<String> {
    let (source, name): (Box<dyn Read>, _) = match file {
        Some(path) => {
            let name = path.display().to_string();
            let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
            (Box::new(file), name)
        }
        None => {
            let input = console.standard_input()?;
            if input.is_terminal() && console.format == Format::Text {
                output::note("the password, which can be seen while it is typed:");
            }
            (Box::new(input), "standard input".to_owned())
        }
    };
    let mut line = String::new();
    let mut bounded = BufReader::new(source.take(2 * IDENTITY_BYTES_MAX as u64));
    bounded
        .read_line(&mut line)
        .with_context(|| format!("cannot read a password from {name}"))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

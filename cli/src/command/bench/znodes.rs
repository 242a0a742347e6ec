//! `zareba bench znodes`: what small nodes take of the servers' memory and disks, while they are
//! made, at rest, and behind a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;
use zareba_client::model::ServerId;

use super::fill;
use super::own_ensemble::OwnEnsemble;
use super::usage::Usage;
use crate::args::{Format, Znodes};
use crate::output;

/// A server's memory, step by step.
#[derive(Default)]
struct Steps {
    empty: Usage,
    filled: Usage,
    rested: Usage,
    restarted: Usage,
    disk_bytes: u64,
}

type Servers = BTreeMap<ServerId, Steps>;

pub(super) async fn run(znodes: Znodes, format: Format) -> anyhow::Result<()> {
    if znodes.fill.znodes == 0 {
        bail!("at least one node is needed");
    }
    let mut ensemble = OwnEnsemble::start(&znodes.own).await?;
    let leader = ensemble.serving().await?;
    let mut servers = Servers::new();
    tokio::time::sleep(REST).await;
    look(&ensemble, &mut servers, |steps| &mut steps.empty)?;
    let filled = fill::fill(ensemble.profile(), &znodes.fill).await?;
    look(&ensemble, &mut servers, |steps| &mut steps.filled)?;
    tokio::time::sleep(Duration::from_secs(znodes.seconds)).await;
    look(&ensemble, &mut servers, |steps| &mut steps.rested)?;
    // The leader last, so that followers come back to a leader that stays.
    let mut order: Vec<_> = servers.keys().copied().collect();
    order.sort_by_key(|id| *id == leader);
    for id in order {
        let member = ensemble.member(id)?;
        member.stop().await?;
        member.start().await?;
        ensemble.serving().await?;
    }
    tokio::time::sleep(REST).await;
    look(&ensemble, &mut servers, |steps| &mut steps.restarted)?;
    report(&znodes, filled, leader, &servers, format)
}

fn look(
    ensemble: &OwnEnsemble,
    servers: &mut Servers,
    step: impl Fn(&mut Steps) -> &mut Usage,
) -> anyhow::Result<()> {
    for member in ensemble.members() {
        let steps = servers.entry(member.place.id).or_default();
        *step(steps) = member.usage()?;
        steps.disk_bytes = member.data_bytes()?;
    }
    Ok(())
}

fn report(
    znodes: &Znodes,
    filled: f64,
    leader: ServerId,
    servers: &Servers,
    format: Format,
) -> anyhow::Result<()> {
    let count = znodes.fill.znodes as f64;
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for (id, steps) in servers {
        let led = if *id == leader {
            ", led the filling"
        } else {
            ""
        };
        let name = format!("server {id}{led}");
        let each = |usage: Usage| (usage - steps.empty).resident as f64 / count;
        let cell = |usage: Usage| {
            let mib = usage.resident as f64 / MIB;
            format!("{mib:.0} MiB, {:.0}", each(usage))
        };
        rows.push([
            name.clone(),
            format!("{:.0} MiB", steps.empty.resident as f64 / MIB),
            cell(steps.filled),
            cell(steps.rested),
            cell(steps.restarted),
            format!("{:.0} MB", steps.disk_bytes as f64 / 1e6),
        ]);
        let look = |usage: Usage| {
            json!({
                "resident_bytes": usage.resident,
                "anonymous_bytes": usage.anonymous,
                "resident_bytes_per_znode": each(usage),
            })
        };
        values.push(json!({
            "server": name,
            "empty": look(steps.empty),
            "filled": look(steps.filled),
            "rested": look(steps.rested),
            "restarted": look(steps.restarted),
            "disk_bytes": steps.disk_bytes,
        }));
    }
    let table = output::table(HEADER, rows);
    let fill = &znodes.fill;
    let text = format!(
        "{table}\n\n{} nodes of {} bytes with paths of {} bytes, made in {filled:.1} s; resident \
         memory, and bytes of it for each node; rested for {} s",
        fill.znodes,
        fill.value_size,
        fill::path_bytes(),
        znodes.seconds
    );
    let value = json!({
        "znodes": fill.znodes,
        "value_size": fill.value_size,
        "path_bytes": fill::path_bytes(),
        "per_write": fill.per_write,
        "filled_s": filled,
        "rested_s": znodes.seconds,
        "servers": values,
    });
    output::say(format, text, value)
}

const HEADER: [&str; 6] = ["memory", "empty", "filled", "rested", "restarted", "disk"];

const MIB: f64 = (1_u64 << 20) as f64;

/// Until what a step has stirred up has settled.
const REST: Duration = Duration::from_secs(3);

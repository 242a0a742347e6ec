//! Workers under a master, a recipe as a component, after the fetching service of Yahoo!'s crawler: masters elected,
//! configuration handed out, the health of workers collected, and clients that find healthy ones. Must never know how a
//! transaction is carried out.
//!
//! Layout below the mount:
//!
//! ```text
//! master              ephemeral, of the master; its czxid is the term
//! config              what the master hands out, and its version
//! workers/<worker>    ephemeral, of a worker: where it is, how it fares, and since when
//! @line/<call>        ephemeral, one for each who stands for master
//! ```

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zareba_guest_sdk::{
    Caller, Dir, Empty, Event, Fault, Faults, Host, Node, Observers, Reply, Seat, SessionId, Shape,
    Watch, code, json, line, name, observers, plugin, refuse,
};

/// The fleet.
#[derive(Debug)]
pub struct Fleet;

/// What is refused.
#[derive(Debug, Faults)]
pub enum Refusal {
    /// The caller's session is not the master.
    #[fault(1, "this session is not the master")]
    NotTheMaster,
    /// Another session is the worker of that name.
    #[fault(2, "{worker:?} is another session")]
    Taken {
        /// The worker.
        worker: String,
    },
    /// The caller's session is not that worker.
    #[fault(3, "this session is not {worker:?}")]
    NotTheWorker {
        /// The worker.
        worker: String,
    },
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Stand {
    #[serde(default)]
    data: String,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Configure {
    values: Value,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct After {
    #[serde(default)]
    after: u64,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Join {
    worker: String,
    address: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Report {
    worker: String,
    healthy: bool,
    #[serde(default)]
    status: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct WorkerName {
    worker: String,
}

#[derive(Deserialize, Shape)]
#[serde(deny_unknown_fields)]
struct Limit {
    limit: Option<u32>,
}

#[derive(Serialize, Shape)]
struct Elected {
    term: u64,
}

#[derive(Serialize, Shape)]
struct Master {
    term: u64,
    session: SessionId,
    data: String,
}

/// What the master has handed out.
#[derive(Clone, Serialize, Deserialize, Shape)]
struct Handed {
    version: u64,
    term: u64,
    values: Value,
}

#[derive(Serialize, Shape)]
struct Worker {
    worker: String,
    address: String,
    healthy: bool,
    status: String,
    reported: u64,
}

/// A worker as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    address: String,
    healthy: bool,
    status: String,
    reported: u64,
}

/// Largest configuration, bytes of JSON.
const BYTES_MAX: usize = 256 << 10;
/// Workers.
const WORKERS_MAX: u32 = 5_000;
/// A report counts for so long unless the mount's config says "stale_ms".
const STALE_MS: u64 = 10_000;

const MASTER: &str = "master";
const CONFIG: &str = "config";
const WORKERS: &str = "workers";
/// Those who wait for another configuration.
const CONFIGURED: &str = "@config";

/// A fleet of workers. At most one session is master, and only it hands out configurations: one that has been succeeded can
/// change nothing any more. A worker is there while its session lives, and healthy while its own word for it is not older
/// than the mount's config says under "stale_ms" (ten seconds).
#[plugin(state_version = 1, faults = Refusal, watch("master", deleted))]
impl Fleet {
    /// Stands for master and waits until elected; fault -7 after "timeout_ms".
    #[command(parks)]
    fn stand(host: &mut dyn Host, who: &Caller, asked: Stand) -> Result<Reply<Elected>, Fault> {
        let Stand { data, timeout_ms } = asked;
        name::check_size("data", &data, 4096)?;
        let seat = Seat::at(MASTER);
        if let Some(master) = seat.holder(host)?
            && master.session == who.session
        {
            let term = master.token;
            return Ok(Reply::Now(Elected { term }));
        }
        match seat.take(host, &data, |term| Elected { term })? {
            Some(term) => Ok(Reply::Now(Elected { term })),
            None => seat.wait(host, who, data, timeout_ms),
        }
    }

    /// The master is master no more; who has stood longest is.
    #[command]
    fn resign(host: &mut dyn Host, who: &Caller) -> Result<Empty, Fault> {
        master_only(host, who)?;
        Seat::at(MASTER).leave(host, |term| Elected { term })?;
        Ok(Empty {})
    }

    /// Hands out a configuration; for the master.
    #[command]
    fn configure(host: &mut dyn Host, who: &Caller, asked: Configure) -> Result<Handed, Fault> {
        let term = master_only(host, who)?;
        let bytes = json::write(&asked.values)?.len();
        if bytes > BYTES_MAX {
            let why = format!("a configuration of {bytes} bytes; at most {BYTES_MAX}");
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        let handed = Handed {
            version: host.transaction(),
            term,
            values: asked.values,
        };
        Node::at(CONFIG).put(host, &handed)?;
        Observers::new(CONFIGURED).tell(host, &handed)?;
        Ok(handed)
    }

    /// Waits for a configuration of a version above "after", and tells it; fault -7 after "timeout_ms".
    #[command(parks)]
    fn config(host: &mut dyn Host, asked: After) -> Result<Reply<Handed>, Fault> {
        match Node::<Handed>::at(CONFIG).get(host)? {
            Some(handed) if handed.version > asked.after => Ok(Reply::Now(handed)),
            _ => Ok(Observers::new(CONFIGURED).wait(asked.timeout_ms)),
        }
    }

    /// Makes this session a worker, that is healthy for now.
    #[command]
    fn join(host: &mut dyn Host, who: &Caller, asked: Join) -> Result<Empty, Fault> {
        let Join { worker, address } = asked;
        name::check("worker", &worker)?;
        name::check_size("address", &address, 1024)?;
        let workers = Dir::<Kept>::at(WORKERS);
        workers.ensure(host)?;
        if workers.len(host)? >= u64::from(WORKERS_MAX) {
            let why = format!("{WORKERS_MAX} workers are there, as many as may be");
            return Err(refuse(code::BAD_ARGUMENTS, why));
        }
        if workers.child(&worker).is_there(host)? {
            return Err(Refusal::Taken { worker }.into());
        }
        let kept = Kept {
            address,
            healthy: true,
            status: String::new(),
            reported: host.now(),
        };
        workers
            .child(&worker)
            .create_for(host, &kept, who.session)?;
        Ok(Empty {})
    }

    /// Makes this session a worker no more.
    #[command]
    fn leave(host: &mut dyn Host, who: &Caller, asked: WorkerName) -> Result<Empty, Fault> {
        let path = own(host, who.session, &asked.worker)?;
        host.delete(&path, None)?;
        Ok(Empty {})
    }

    /// Says how a worker fares. To be said again before it is stale.
    #[command]
    fn report(host: &mut dyn Host, who: &Caller, asked: Report) -> Result<Empty, Fault> {
        let path = own(host, who.session, &asked.worker)?;
        name::check_size("status", &asked.status, 4096)?;
        let node = Node::<Kept>::at(path);
        if let Some(kept) = node.get(host)? {
            let kept = Kept {
                healthy: asked.healthy,
                status: asked.status,
                reported: host.now(),
                ..kept
            };
            node.put(host, &kept)?;
        }
        Ok(Empty {})
    }

    /// Who is master, or null.
    #[query]
    fn master(host: &mut dyn Host) -> Result<Option<Master>, Fault> {
        let master = Seat::at(MASTER).holder(host)?;
        Ok(master.map(|master| Master {
            term: master.token,
            session: master.session,
            data: master.data,
        }))
    }

    /// All workers.
    #[query]
    fn workers(host: &mut dyn Host) -> Result<Vec<Worker>, Fault> {
        workers(host)
    }

    /// Healthy workers, at most "limit", beginning with any, so that clients do not all find the same.
    #[query]
    fn healthy(host: &mut dyn Host, Limit { limit }: Limit) -> Result<Vec<Worker>, Fault> {
        let mut healthy = workers(host)?;
        healthy.retain(|worker| worker.healthy);
        let any = host.random().checked_rem(healthy.len() as u64).unwrap_or(0);
        healthy.rotate_left(usize::try_from(any).unwrap_or(0));
        healthy.truncate(limit.map_or(usize::MAX, |limit| limit as usize));
        Ok(healthy)
    }

    #[event]
    fn react(host: &mut dyn Host, events: &[Event]) -> Result<(), Fault> {
        for event in events {
            line::forget(host, event)?;
        }
        for event in events {
            if event.kind == Watch::DELETED {
                Seat::at(MASTER).fill(host, |term| Elected { term })?;
            }
            if let Some(tag) = observers::due(event)
                && let Some(handed) = Node::<Handed>::at(CONFIG).get(host)?
            {
                Observers::new(tag).tell(host, &handed)?;
            }
        }
        Ok(())
    }
}

zareba_guest_sdk::export!(Fleet);

fn workers(host: &mut dyn Host) -> Result<Vec<Worker>, Fault> {
    let said = host.config("stale_ms").and_then(|it| it.parse().ok());
    let stale_ms: u64 = said.unwrap_or(STALE_MS);
    let now = host.now();
    let all = Dir::<Kept>::at(WORKERS).all(host)?;
    let worker = |(worker, kept): (String, Kept)| Worker {
        worker,
        address: kept.address,
        healthy: kept.healthy && now.saturating_sub(kept.reported) < stale_ms,
        status: kept.status,
        reported: kept.reported,
    };
    Ok(all.into_iter().map(worker).collect())
}

/// The master's term, if the caller is master.
fn master_only(host: &mut dyn Host, who: &Caller) -> Result<u64, Fault> {
    let master = Seat::at(MASTER).holder(host)?;
    let own = master.filter(|master| master.session == who.session);
    Ok(own.ok_or(Refusal::NotTheMaster)?.token)
}

fn own(host: &mut dyn Host, session: SessionId, worker: &str) -> Result<String, Fault> {
    name::check("worker", worker)?;
    let path = format!("{WORKERS}/{worker}");
    match host.exists(&path)? {
        Some(stat) if stat.ephemeral_owner == session => Ok(path),
        _ => Err(Refusal::NotTheWorker {
            worker: worker.into(),
        }
        .into()),
    }
}

#[cfg(not(target_family = "wasm"))]
pub mod promise;
#[cfg(test)]
mod tests;

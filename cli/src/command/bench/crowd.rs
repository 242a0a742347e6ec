//! Many sessions on a few processes of their own, so that their memory and CPU time are told apart
//! from the servers'. Knows what can be asked of them, not how they do it: that is `crowd_member.rs`.

use std::process::Stdio;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::usage::Usage;

/// What a process of the crowd is told: one line of JSON each.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Open sessions, beside those that are open.
    Open(Opening),
    /// Leave watches of a node in each session.
    Watch {
        path: String,
        /// They are persistent, not for one event.
        stay: bool,
        /// So many in each session.
        each: usize,
    },
    /// Wait until each watch has told an event, and say when it did.
    AwaitEvents,
    /// Ask for a node in each session, all at once, and say when each was answered.
    Read { path: String },
    /// Count the sessions that did not stay where they were opened.
    CountMoved,
}

/// How sessions are opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Opening {
    pub(super) sessions: usize,
    /// The sessions are spread over them.
    pub(super) endpoints: Vec<String>,
    pub(super) ca_pem: String,
    pub(super) timeout_ms: u64,
    pub(super) local: bool,
}

/// What a process of the crowd answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Done,
    /// Microseconds since 1970.
    Moments(Vec<u64>),
    Count(usize),
    Failed(String),
}

/// See the file's head.
pub(super) struct Crowd {
    members: Vec<Member>,
}

/// One process. It is killed when dropped.
struct Member {
    process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Crowd {
    /// Starts the processes, which hold no session yet.
    pub(super) fn start(processes: usize) -> anyhow::Result<Self> {
        if processes == 0 {
            bail!("the sessions need at least one process");
        }
        let members = (0..processes).map(|_| Member::start());
        let members = members.collect::<Result<_, _>>()?;
        Ok(Self { members })
    }

    /// Opens sessions, shared out evenly among the processes.
    pub(super) async fn open(&mut self, opening: &Opening) -> anyhow::Result<()> {
        let processes = self.members.len();
        let shares = (0..processes).map(|at| {
            let mut share = opening.clone();
            // The first ones take one more each where it does not come out even.
            share.sessions = (opening.sessions + processes - 1 - at) / processes;
            // Sessions of all processes together are spread evenly, too.
            let turn = at % share.endpoints.len().max(1);
            share.endpoints.rotate_left(turn);
            Order::Open(share)
        });
        let shares = shares.collect();
        self.tell(shares).await.map(drop)
    }

    /// Leaves watches of a node in each session.
    pub(super) async fn watch(
        &mut self,
        path: &str,
        stay: bool,
        each: usize,
    ) -> anyhow::Result<()> {
        let path = path.to_owned();
        self.tell_all(&Order::Watch { path, stay, each })
            .await
            .map(drop)
    }

    /// When each watch has told of an event, in order.
    pub(super) async fn await_events(&mut self) -> anyhow::Result<Vec<u64>> {
        self.moments(&Order::AwaitEvents).await
    }

    /// When each session was answered, in order.
    pub(super) async fn read(&mut self, path: &str) -> anyhow::Result<Vec<u64>> {
        let path = path.to_owned();
        self.moments(&Order::Read { path }).await
    }

    /// How many sessions did not stay where they were opened.
    pub(super) async fn count_moved(&mut self) -> anyhow::Result<usize> {
        let mut sum = 0;
        for answer in self.tell_all(&Order::CountMoved).await? {
            let Answer::Count(count) = answer else {
                bail!("a count was asked for, but {answer:?} came");
            };
            sum += count;
        }
        Ok(sum)
    }

    /// What all its processes together have used and hold.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        let of = |member: &Member| {
            let process = member.process.id();
            Usage::of(process.context("a process of the crowd is gone")?)
        };
        self.members.iter().map(of).sum()
    }

    async fn moments(&mut self, order: &Order) -> anyhow::Result<Vec<u64>> {
        let mut all = Vec::new();
        for answer in self.tell_all(order).await? {
            let Answer::Moments(moments) = answer else {
                bail!("moments were asked for, but {answer:?} came");
            };
            all.extend(moments);
        }
        all.sort_unstable();
        Ok(all)
    }

    async fn tell_all(&mut self, order: &Order) -> anyhow::Result<Vec<Answer>> {
        self.tell(vec![order.clone(); self.members.len()]).await
    }

    /// One order for each process, all at once.
    async fn tell(&mut self, orders: Vec<Order>) -> anyhow::Result<Vec<Answer>> {
        let members = self.members.iter_mut().zip(orders);
        futures::future::try_join_all(members.map(|(member, order)| member.tell(order))).await
    }
}

impl Member {
    fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let mut process = Command::new(program)
            .args(["bench", "crowd"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a process for the sessions")?;
        let orders = process.stdin.take().context("no input")?;
        let answers = process.stdout.take().context("no output")?;
        Ok(Self {
            process,
            orders,
            answers: BufReader::new(answers).lines(),
        })
    }

    async fn tell(&mut self, order: Order) -> anyhow::Result<Answer> {
        let mut line = serde_json::to_string(&order)?;
        line.push('\n');
        self.orders.write_all(line.as_bytes()).await?;
        let answer = self.answers.next_line().await?;
        let answer = answer.context("a process that held sessions has ended")?;
        match serde_json::from_str(&answer)? {
            Answer::Failed(reason) => bail!("{reason}"),
            answer => Ok(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_answers_come_back_from_a_line() {
        let order = Order::Watch {
            path: "/a".to_owned(),
            stay: true,
            each: 2,
        };
        let line = serde_json::to_string(&order).unwrap();
        assert!(!line.contains('\n'));
        let back: Order = serde_json::from_str(&line).unwrap();
        assert!(matches!(
            back,
            Order::Watch {
                stay: true,
                each: 2,
                ..
            }
        ));
        let line = serde_json::to_string(&Answer::Moments(vec![1, 2])).unwrap();
        let back = serde_json::from_str(&line).unwrap();
        assert!(matches!(back, Answer::Moments(moments) if moments == [1, 2]));
    }
}

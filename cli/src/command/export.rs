//! `zareba export`: a subtree as JSON lines. The nodes are read one after the other, so that what
//! changes meanwhile is in it or not.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io::{BufWriter, Write};
use std::pin::Pin;

use anyhow::Context;
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use zareba_client::model::{Acl, ErrorCode, Fault, SessionId, Stat, ZnodePath};
use zareba_client::{Client, Error};

use super::records::{End, FORMAT, Head, NodeRecord};
use super::walk::{Met, Walk, is_reserved};
use crate::args::{Export, Format};
use crate::console::Console;
use crate::exit::{self, FOR_EXPORTS};
use crate::{acl, output};

/// Nodes whose data is asked for before it can be written.
const AHEAD_MAX: usize = 64;

/// Bytes of such data.
const AHEAD_BYTES_MAX: u64 = 8 << 20;

pub(super) async fn run(export: Export, console: &Console) -> anyhow::Result<()> {
    let written = console
        .in_session(async |client| {
            let mut writer = Writer::new(&export)?;
            writer.line(&Head {
                format: FORMAT,
                path: export.path.clone(),
            })?;
            let mut walk = Walk::new(client, export.path.clone());
            let mut ahead = Ahead::default();
            while let Some(met) = walk.next().await? {
                if met.depth > 0 && is_reserved(&met.path) {
                    continue;
                }
                if met.stat.lifetime.owner() != SessionId::NONE {
                    writer.end.skipped_ephemeral += 1;
                    continue;
                }
                while ahead.is_full(&met) {
                    writer.node(&export.path, ahead.next().await?)?;
                }
                ahead.ask(client, met, !export.no_acl);
            }
            while !ahead.asked.is_empty() {
                writer.node(&export.path, ahead.next().await?)?;
            }
            writer.finish()
        })
        .await;
    let end = written.map_err(|error| exit::advise(error, FOR_EXPORTS))?;
    summary(&export, &end, console)
}

/// Said where the nodes are not: they may go to standard output.
fn summary(export: &Export, end: &End, console: &Console) -> anyhow::Result<()> {
    let notes = match end.skipped_ephemeral {
        0 => String::new(),
        1 => "; one ephemeral node was left out: it ends with its session".to_owned(),
        many => format!("; {many} ephemeral nodes were left out: they end with their sessions"),
    };
    let text = format!(
        "exported {} nodes, {} bytes from {}{notes}",
        end.nodes, end.bytes, export.path
    );
    match (&export.file, console.format) {
        (Some(_), _) => console.say(text, json!(end)),
        (None, Format::Text) => {
            output::note(text);
            Ok(())
        }
        // The last line of the export itself says the same.
        (None, Format::Json) => Ok(()),
    }
}

/// A node with what is written of it.
struct Node {
    path: ZnodePath,
    data: Bytes,
    stat: Stat,
    acl: Acl,
}

type Asked = Pin<Box<dyn Future<Output = Result<Node, Error>> + Send>>;

/// Nodes whose data is on its way.
#[derive(Default)]
struct Ahead {
    asked: VecDeque<(Met, Asked)>,
    bytes: u64,
}

impl Ahead {
    fn is_full(&self, next: &Met) -> bool {
        let bytes = self.bytes + u64::from(next.stat.data_length);
        self.asked.len() >= AHEAD_MAX || (bytes > AHEAD_BYTES_MAX && !self.asked.is_empty())
    }

    /// Asks for a node. The task makes the request at once, not when it is waited for.
    fn ask(&mut self, client: &Client, met: Met, with_acl: bool) {
        self.bytes += u64::from(met.stat.data_length);
        let (client, path) = (client.clone(), met.path.clone());
        let asked = tokio::spawn(read(client, path, with_acl));
        let asked = Box::pin(async move { asked.await.unwrap_or(Err(Error::Closed)) });
        self.asked.push_back((met, asked));
    }

    /// The oldest one; nothing if it has gone meanwhile.
    async fn next(&mut self) -> anyhow::Result<Option<Node>> {
        let Some((met, asked)) = self.asked.pop_front() else {
            return Ok(None);
        };
        self.bytes -= u64::from(met.stat.data_length);
        match asked.await {
            Ok(node) => Ok(Some(node)),
            Err(error) if error.is(ErrorCode::NoNode) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Data and list of one point in time.
async fn read(client: Client, path: ZnodePath, with_acl: bool) -> Result<Node, Error> {
    let mut reads = client.multi_read();
    let data = reads.get(&path);
    let acl = with_acl.then(|| reads.get_acl(&path));
    let mut answers = reads.ask().await?;
    let (data, stat) = answers.take(data)?;
    let acl = match acl {
        Some(acl) => answers.take(acl)?.0,
        None => Acl::open(),
    };
    Ok(Node {
        path,
        data,
        stat,
        acl,
    })
}

/// Where the lines go.
struct Writer {
    out: BufWriter<Box<dyn Write>>,
    name: String,
    bar: indicatif::ProgressBar,
    end: End,
}

impl Writer {
    fn new(export: &Export) -> anyhow::Result<Self> {
        let (out, name): (Box<dyn Write>, _) = match &export.file {
            None => (Box::new(std::io::stdout()), "standard output".to_owned()),
            Some(path) => {
                let file = File::create(path);
                let file = file.with_context(|| format!("cannot write {}", path.display()))?;
                (Box::new(file), path.display().to_string())
            }
        };
        Ok(Self {
            out: BufWriter::new(out),
            name,
            bar: output::counter("nodes"),
            end: End {
                end: true,
                ..End::default()
            },
        })
    }

    fn node(&mut self, root: &ZnodePath, node: Option<Node>) -> anyhow::Result<()> {
        let Some(Node {
            path,
            data,
            stat,
            acl,
        }) = node
        else {
            return Ok(());
        };
        if stat.lifetime.owner() != SessionId::NONE {
            // Another node of that name than the one that was met.
            self.end.skipped_ephemeral += 1;
            return Ok(());
        }
        if acl::hides_hashes(&acl) {
            let why = format!(
                "the list of {path} names users whose hashes are hidden from who does not administer it"
            );
            return Err(Error::Refused(Fault::new(ErrorCode::NoAuth, why)).into());
        }
        self.end.nodes += 1;
        self.end.bytes += data.len() as u64;
        self.bar.set_position(self.end.nodes);
        let path = path.relative_to(root).unwrap_or_default();
        self.line(&NodeRecord::new(path, &data, &acl, stat.lifetime))
    }

    fn line(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let line = serde_json::to_string(value)?;
        writeln!(self.out, "{line}").with_context(|| format!("cannot write to {}", self.name))
    }

    fn finish(mut self) -> anyhow::Result<End> {
        let end = self.end;
        self.line(&end)?;
        self.out
            .flush()
            .with_context(|| format!("cannot write to {}", self.name))?;
        self.bar.finish_and_clear();
        Ok(end)
    }
}

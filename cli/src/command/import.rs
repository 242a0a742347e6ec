//! `zareba import`: makes the nodes of an export, parents before children, in steps. Steps that only
//! create are on their way together; where nodes may be there already, each step is looked at first.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use anyhow::Context;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::json;
use zareba_client::model::{Acl, Change, CreateMode, ErrorCode, Fault, Outcome, ZnodePath};
use zareba_client::{Client, Error};

use super::lines::Lines;
use super::records::{ExportReader, Imported};
use super::steps::Step;
use crate::args::{Existing, Import};
use crate::console::Console;
use crate::exit::{self, FOR_IMPORTS};
use crate::output;

/// Steps on their way together.
const STEPS_AHEAD_MAX: usize = 4;

/// Nodes asked about together.
const LOOKS_AHEAD_MAX: usize = 64;

/// How often a step is looked at again because somebody else changed what it is about.
const ATTEMPTS_MAX: usize = 5;

pub(super) async fn run(import: Import, console: &Console) -> anyhow::Result<()> {
    let mut reader = open(&import, console)?;
    let root = import.path.clone().unwrap_or_else(|| reader.path.clone());
    console
        .in_session(async |client| {
            if import.dry_run {
                require_parent(client, &root, import.parents).await?;
            } else if import.parents {
                create_parents(client, &root).await?;
            }
            let mut job = Job::new(client, &import);
            let all = job.all(&mut reader, &root).await;
            job.bar.finish_and_clear();
            let tally = job.tally;
            match tally.created + tally.replaced {
                0 => all?,
                some => {
                    all.with_context(|| format!("{some} nodes were imported, then it failed"))?
                }
            }
            summary(&tally, &root, &import, console)
        })
        .await
        .map_err(|error| exit::advise(error, FOR_IMPORTS))
}

/// A file is read to its end first: nothing is written if it is cut.
fn open(import: &Import, console: &Console) -> anyhow::Result<ExportReader> {
    let Some(file) = &import.file else {
        let input = console.standard_input()?;
        let lines = Lines::new("standard input".to_owned(), Box::new(input));
        return ExportReader::new(lines);
    };
    let mut whole = ExportReader::new(Lines::of_file(file)?)?;
    let root = import.path.clone().unwrap_or_else(|| whole.path.clone());
    while let Some(node) = whole.next()? {
        let place = || format!("cannot use {}", whole.place());
        node.read(&root).with_context(place)?;
    }
    ExportReader::new(Lines::of_file(file)?)
}

async fn require_parent(client: &Client, root: &ZnodePath, is_made: bool) -> anyhow::Result<()> {
    let Some(parent) = root.parent().filter(|_| !is_made) else {
        return Ok(());
    };
    if client.exists(&parent).await?.is_none() {
        let why = format!("{parent} does not exist");
        return Err(Error::Refused(Fault::new(ErrorCode::NoNode, why)).into());
    }
    Ok(())
}

/// What was done, or would be.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    created: u64,
    replaced: u64,
    skipped: u64,
    bytes: u64,
    conflicts: u64,
}

fn summary(
    tally: &Tally,
    root: &ZnodePath,
    import: &Import,
    console: &Console,
) -> anyhow::Result<()> {
    let Tally {
        created,
        replaced,
        skipped,
        bytes,
        conflicts,
    } = *tally;
    let words = if import.dry_run {
        "would import"
    } else {
        "imported"
    };
    console.say(
        format!(
            "{words} into {root}: {created} created, {replaced} replaced, {skipped} skipped; \
             {bytes} bytes"
        ),
        json!({
            "path": root.as_str(),
            "created": created,
            "replaced": replaced,
            "skipped": skipped,
            "bytes": bytes,
            "conflicts": conflicts,
            "dryRun": import.dry_run,
        }),
    )?;
    if conflicts > 0 {
        let why = format!("{conflicts} nodes are there already");
        return Err(Error::Refused(Fault::new(ErrorCode::NodeExists, why)).into());
    }
    Ok(())
}

type Made = Pin<Box<dyn Future<Output = Result<Vec<Outcome>, Error>>>>;

/// Nodes that are made together, with the lines they stand in.
#[derive(Default)]
struct Nodes {
    step: Step,
    lines: Vec<u64>,
}

impl Nodes {
    fn push(&mut self, change: Change, line: u64) {
        self.step.push(change);
        self.lines.push(line);
    }

    fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Names the line that an error is about.
    fn explain(&self, error: Error) -> anyhow::Error {
        let Error::Refused(fault) = &error else {
            return error.into();
        };
        let line = fault.index.and_then(|it| self.lines.get(it as usize));
        match line {
            Some(line) => {
                let why = format!("cannot import line {line}");
                anyhow::Error::from(error).context(why)
            }
            None => error.into(),
        }
    }
}

struct Job<'a> {
    client: &'a Client,
    existing: Existing,
    dry_run: bool,
    no_acl: bool,
    ahead: VecDeque<(Nodes, Made)>,
    tally: Tally,
    bar: indicatif::ProgressBar,
}

impl<'a> Job<'a> {
    fn new(client: &'a Client, import: &Import) -> Self {
        Self {
            client,
            existing: import.existing,
            dry_run: import.dry_run,
            no_acl: import.no_acl,
            ahead: VecDeque::new(),
            tally: Tally::default(),
            bar: output::counter("nodes"),
        }
    }

    async fn all(&mut self, reader: &mut ExportReader, root: &ZnodePath) -> anyhow::Result<()> {
        let read = self.send(reader, root).await;
        // Steps behind a failed one may have been made all the same, and are counted.
        let mut made = Ok(());
        while !self.ahead.is_empty() {
            made = made.and(self.finish_oldest().await);
        }
        read.and(made)
    }

    async fn send(&mut self, reader: &mut ExportReader, root: &ZnodePath) -> anyhow::Result<()> {
        let mut nodes = Nodes::default();
        while let Some(record) = reader.next()? {
            let place = || format!("cannot use {}", reader.place());
            let mut node = record.read(root).with_context(place)?;
            if self.no_acl {
                node.acl = Acl::open();
            }
            if node.path.is_root() && self.existing != Existing::Replace {
                // The root is always there.
                self.tally.skipped += 1;
                continue;
            }
            nodes.push(creation(node), reader.line());
            if nodes.step.is_full() {
                self.make(nodes.take()).await?;
            }
        }
        self.make(nodes).await
    }

    async fn make(&mut self, nodes: Nodes) -> anyhow::Result<()> {
        if nodes.step.changes.is_empty() {
            return Ok(());
        }
        if self.dry_run || self.existing != Existing::Fail {
            return self.look_and_make(nodes).await;
        }
        while self.ahead.len() >= STEPS_AHEAD_MAX {
            self.finish_oldest().await?;
        }
        let (client, changes) = (self.client.clone(), nodes.step.changes.clone());
        let mut made: Made = Box::pin(async move { client.multi(changes).await });
        // Requests are made in the order in which they are first polled.
        if let Poll::Ready(result) = futures::poll!(&mut made) {
            made = Box::pin(std::future::ready(result));
        }
        self.ahead.push_back((nodes, made));
        Ok(())
    }

    async fn finish_oldest(&mut self) -> anyhow::Result<()> {
        let Some((nodes, made)) = self.ahead.pop_front() else {
            return Ok(());
        };
        made.await.map_err(|error| nodes.explain(error))?;
        self.count(&nodes.step.changes);
        Ok(())
    }

    /// Makes of each node what its presence asks for.
    async fn look_and_make(&mut self, nodes: Nodes) -> anyhow::Result<()> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (plan, planned) = self.plan(&nodes).await?;
            if !self.dry_run && !plan.step.changes.is_empty() {
                match self.client.multi(plan.step.changes.clone()).await {
                    Ok(_) => {}
                    // Somebody else has created or deleted one of them since.
                    Err(error)
                        if attempts < ATTEMPTS_MAX
                            && (error.is(ErrorCode::NodeExists) || error.is(ErrorCode::NoNode)) =>
                    {
                        continue;
                    }
                    Err(error) => return Err(plan.explain(error)),
                }
            }
            self.tally.skipped += planned.skipped;
            self.tally.conflicts += planned.conflicts;
            self.count(&plan.step.changes);
            return Ok(());
        }
    }

    async fn plan(&self, nodes: &Nodes) -> anyhow::Result<(Nodes, Tally)> {
        let looks = nodes.step.changes.iter().map(|change| {
            let (client, path) = (self.client.clone(), change.path().clone());
            async move { client.exists(&path).await }
        });
        let mut looks = futures::stream::iter(looks).buffered(LOOKS_AHEAD_MAX);
        let (mut plan, mut planned) = (Nodes::default(), Tally::default());
        for (change, line) in nodes.step.changes.iter().zip(&nodes.lines) {
            let is_there = matches!(looks.next().await.transpose()?, Some(Some(_)));
            match (is_there, self.existing) {
                (false, _) => plan.push(change.clone(), *line),
                (true, Existing::Replace) => {
                    for change in replacement(change) {
                        plan.push(change, *line);
                    }
                }
                (true, Existing::Skip) => planned.skipped += 1,
                (true, Existing::Fail) => planned.conflicts += 1,
            }
        }
        Ok((plan, planned))
    }

    fn count(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Create { data, .. } => {
                    self.tally.created += 1;
                    self.tally.bytes += data.len() as u64;
                }
                Change::Set { data, .. } => {
                    self.tally.replaced += 1;
                    self.tally.bytes += data.len() as u64;
                }
                Change::Delete { .. } | Change::SetAcl { .. } | Change::Check { .. } => {}
            }
        }
        let tally = &self.tally;
        self.bar
            .set_position(tally.created + tally.replaced + tally.skipped);
    }
}

fn creation(node: Imported) -> Change {
    let Imported {
        path,
        data,
        mode,
        acl,
    } = node;
    Change::Create {
        path,
        data,
        mode,
        acl,
    }
}

/// The same data for a node that is there, and the same list if one was imported.
fn replacement(change: &Change) -> Vec<Change> {
    let Change::Create {
        path, data, acl, ..
    } = change
    else {
        return vec![change.clone()];
    };
    let version = None;
    let mut changes = vec![Change::Set {
        path: path.clone(),
        data: data.clone(),
        version,
    }];
    if !acl.is_open() {
        let (path, acl) = (path.clone(), acl.clone());
        changes.push(Change::SetAcl { path, acl, version });
    }
    changes
}

/// Makes what is missing above a node.
async fn create_parents(client: &Client, path: &ZnodePath) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    let mut above = path.parent();
    while let Some(parent) = above.filter(|parent| !parent.is_root()) {
        if client.exists(&parent).await?.is_some() {
            break;
        }
        above = parent.parent();
        missing.push(parent);
    }
    for parent in missing.into_iter().rev() {
        match client
            .create(&parent, Bytes::new(), CreateMode::Persistent)
            .await
        {
            // Somebody else was faster.
            Err(error) if error.is(ErrorCode::NodeExists) => {}
            other => drop(other?),
        }
    }
    Ok(())
}

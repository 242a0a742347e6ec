//! Lines that are typed: the terminal, the history, and completion that asks the server. Decides
//! nothing of what a line means.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use rustyline::completion::{Completer, Pair};
use rustyline::config::{BellStyle, CompletionType};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{FileHistory, History};
use rustyline::validate::Validator;
use rustyline::{Config, Helper};
use tokio::runtime::Handle;
use zareba_client::Client;
use zareba_client::model::{ChildrenPage, ZnodePath};

use super::completion::{Wanted, WantedPath, wanted};
use super::words;
use crate::args::Line;
use crate::console::Console;
use crate::output;

/// Lines that are kept.
const HISTORY_MAX: usize = 1_000;

/// Names offered for one path.
const NAMES_MAX: u32 = 200;

/// How long a completion may keep somebody waiting.
const PATIENCE: Duration = Duration::from_secs(1);

/// What somebody did at the prompt.
pub(super) enum Typed {
    /// A line to run.
    Line(String),
    /// An interrupt: the line is dropped.
    Nothing,
    /// The end of input.
    End,
}

/// The terminal.
pub(super) struct Editor {
    lines: rustyline::Editor<Completion, FileHistory>,
    history: Option<PathBuf>,
}

impl Editor {
    /// Takes up the history, if there is a place for it.
    pub(super) fn new(history: Option<PathBuf>) -> anyhow::Result<Self> {
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .bell_style(BellStyle::None)
            .build();
        let mut lines = rustyline::Editor::with_config(config)?;
        let history = history.or_else(default_history);
        if let Some(file) = &history
            && let Err(error) = open_history(&mut lines, file)
        {
            output::note(format!("no history in {}: {error:#}", file.display()));
        }
        Ok(Self { lines, history })
    }

    /// Waits for a line.
    pub(super) fn line(&mut self, console: &Console) -> anyhow::Result<Typed> {
        let here = console.here();
        let prompt = format!("zareba:{here}> ");
        self.lines
            .set_helper(console.shared_session().map(|client| Completion {
                client: client.clone(),
                definition: definition(&here),
                here,
                runtime: Handle::current(),
            }));
        // The session's own tasks go on while somebody thinks.
        let line = tokio::task::block_in_place(|| self.lines.readline(&prompt));
        match line {
            Ok(line) => {
                self.remember(&line);
                Ok(Typed::Line(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Typed::Nothing),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(error).context("cannot read from the terminal"),
        }
    }

    fn remember(&mut self, line: &str) {
        let is_new = self.lines.add_history_entry(line).unwrap_or(false);
        if is_new
            && let Some(file) = &self.history
            && let Err(error) = self.lines.append_history(file)
        {
            output::note(format!("the line is not kept: {error}"));
            self.history = None;
        }
    }
}

fn open_history<H: Helper>(
    lines: &mut rustyline::Editor<H, FileHistory>,
    file: &std::path::Path,
) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if file.exists() {
        lines.history_mut().load(file)?;
    }
    Ok(())
}

/// Where state of a user's programs is kept.
fn default_history() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.is_absolute()).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".local/state"))
    })?;
    Some(folder.join("zareba/history"))
}

fn definition(here: &ZnodePath) -> clap::Command {
    let mut definition = Line::grammar(here);
    definition.build();
    definition
}

/// Completes a line.
struct Completion {
    client: Client,
    here: ZnodePath,
    definition: clap::Command,
    runtime: Handle,
}

impl Completion {
    fn nodes(&self, wanted: &WantedPath) -> Vec<Pair> {
        let asked = tokio::time::timeout(PATIENCE, children(&self.client, wanted));
        // A server that does not answer leaves the line as it is.
        match self.runtime.block_on(asked) {
            Ok(Ok(nodes)) => nodes,
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }
}

/// The nodes that a path can go on to. The only one is looked at, to go on below it.
async fn children(client: &Client, wanted: &WantedPath) -> anyhow::Result<Vec<Pair>> {
    let page = ChildrenPage {
        after: None,
        prefix: wanted.prefix.clone(),
        limit: NAMES_MAX,
    };
    let names = client.children_page(&wanted.parent, page).await?.names;
    let mut behind = "";
    if let [name] = names.as_slice() {
        let stat = client.exists(wanted.parent.join(name)?).await?;
        behind = match stat {
            Some(stat) if stat.num_children > 0 => "/",
            _ => "",
        };
    }
    let pairs = names.into_iter().map(|name| {
        let path = format!("{}{name}{behind}", wanted.typed);
        Pair {
            replacement: shell_words::quote(&path).into_owned(),
            display: name,
        }
    });
    Ok(pairs.collect())
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let Some(cut) = line.get(..pos).and_then(words::cut) else {
            return Ok((pos, Vec::new()));
        };
        let candidates = match wanted(&self.definition, &self.here, &cut) {
            Wanted::Words(words) => {
                let pairs = words.into_iter().map(|word| Pair {
                    replacement: format!("{word} "),
                    display: word,
                });
                pairs.collect()
            }
            Wanted::Path(path) => self.nodes(&path),
            Wanted::Anything => Vec::new(),
        };
        Ok((cut.start, candidates))
    }
}

impl Hinter for Completion {
    type Hint = String;
}
impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}

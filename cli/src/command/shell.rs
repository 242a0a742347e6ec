//! `zareba shell`: the commands of the command line, a line each, in one session. Typed lines have a
//! history, completion and an interrupt; lines from a pipe stop at the first that fails.

mod completion;
mod editor;
mod words;

use std::future::Future;
use std::io::{BufRead, IsTerminal};
use std::ops::ControlFlow;

use anyhow::Context;

use self::editor::{Editor, Typed};
use super::{ask, data};
use crate::args::{Line, LineCommand, Shell};
use crate::console::Console;
use crate::exit::{self, FOR_NODES, INTERRUPTED, USAGE};
use crate::output;

/// A line's exit code, or the shell's.
type Ran = ControlFlow<u8, u8>;

pub(super) async fn run(shell: Shell, mut console: Console) -> anyhow::Result<u8> {
    console.share_session().await?;
    let is_typed = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let code = if is_typed {
        typed(&shell, &mut console).await
    } else {
        piped(&shell, &mut console).await
    };
    if let Some(client) = console.shared_session()
        && !console.has_lost_its_session()
    {
        client.close().await?;
    }
    code
}

async fn typed(shell: &Shell, console: &mut Console) -> anyhow::Result<u8> {
    let mut editor = Editor::new(shell.history.clone())?;
    output::note("help lists the commands, Tab completes, Ctrl-D leaves");
    loop {
        let line = match editor.line(console)? {
            Typed::Line(line) => line,
            Typed::Nothing => continue,
            Typed::End => return Ok(0),
        };
        revive(console).await?;
        match interruptible(run_line(&line, console)).await? {
            Some(Ran::Break(_)) => return Ok(0),
            Some(Ran::Continue(_)) => {}
            None => output::note("interrupted"),
        }
    }
}

async fn piped(shell: &Shell, console: &mut Console) -> anyhow::Result<u8> {
    let mut first_failure = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.context("cannot read a line from standard input")?;
        revive(console).await?;
        let code = match interruptible(run_line(&line, console)).await? {
            Some(Ran::Break(_)) => break,
            Some(Ran::Continue(code)) => code,
            None => return Ok(INTERRUPTED),
        };
        if code != 0 {
            first_failure.get_or_insert(code);
            if !shell.keep_going {
                break;
            }
        }
    }
    Ok(first_failure.unwrap_or(0))
}

/// A line that is interrupted leaves nothing; the request it waited for may be executed all the same.
async fn interruptible<T>(line: impl Future<Output = T>) -> anyhow::Result<Option<T>> {
    tokio::select! {
        done = line => Ok(Some(done)),
        signal = tokio::signal::ctrl_c() => {
            signal.context("cannot be interrupted")?;
            Ok(None)
        }
    }
}

/// Opens a new session if the shell's is over.
async fn revive(console: &mut Console) -> anyhow::Result<()> {
    if console.has_lost_its_session() {
        output::note("the session was over, with its ephemeral nodes; this is a new one");
        console.share_session().await?;
    }
    Ok(())
}

/// Runs one line and says what went wrong with it.
async fn run_line(line: &str, console: &mut Console) -> Ran {
    let words = match words::split(line) {
        Ok(words) if words.is_empty() => return Ran::Continue(0),
        Ok(words) => words,
        Err(error) => return Ran::Continue(exit::report(&error, console.format)),
    };
    let line = match Line::read(&console.here(), &words) {
        Ok(line) => line,
        Err(error) => return Ran::Continue(refuse(&error)),
    };
    let mut quiet = console.clone();
    quiet.format = line.output.unwrap_or(console.format);
    let result = match line.command {
        LineCommand::Exit => return Ran::Break(0),
        LineCommand::Asking(asking) => ask(asking, &quiet).await,
        LineCommand::Pwd => {
            let here = console.here();
            quiet
                .say(&here, serde_json::json!(here.as_str()))
                .map(|()| 0)
        }
        LineCommand::Cd { path } => match quiet
            .in_session(async |it| data::stat_of(it, &path).await)
            .await
        {
            Ok(_) => {
                console.go(path);
                Ok(0)
            }
            Err(error) => Err(exit::advise(error, FOR_NODES)),
        },
    };
    Ran::Continue(result.unwrap_or_else(|error| exit::report(&error, quiet.format)))
}

/// Lets clap say what is wrong with the words, or print the help that was asked for.
fn refuse(error: &clap::Error) -> u8 {
    if let Err(error) = error.print() {
        return exit::report(&error.into(), crate::args::Format::Text);
    }
    u8::try_from(error.exit_code()).unwrap_or(USAGE)
}

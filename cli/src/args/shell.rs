//! Words of `zareba shell`, and of the lines inside it: those of the command line, and a few of its
//! own. Knows nothing of what they do.

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use zareba_client::model::ZnodePath;

use super::{Asking, Format, PathRules};

/// `zareba shell`.
#[derive(Debug, Args)]
pub(crate) struct Shell {
    /// Go on after a line that fails; the exit code is still that of the first one. Typed lines
    /// never end the shell.
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Where typed lines are kept [default: zareba/history in the user's folder for state].
    #[arg(long, env = "ZAREBA_HISTORY", value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
}

/// One line of the shell.
#[derive(Debug, Parser)]
#[command(
    name = "zareba",
    multicall = true,
    about = "Commands are those of `zareba`; paths may be relative to where the shell stands.",
    after_help = "`help COMMAND` explains one. Ctrl-C interrupts a command, Ctrl-D leaves.",
    subcommand_help_heading = "Commands",
    override_usage = "COMMAND [OPTIONS]"
)]
pub(crate) struct Line {
    /// For people, or one JSON value per line.
    #[arg(long, global = true, value_enum)]
    pub(crate) output: Option<Format>,
    #[command(subcommand)]
    pub(crate) command: LineCommand,
}

/// What a line can ask for.
#[derive(Debug, Subcommand)]
pub(crate) enum LineCommand {
    #[command(flatten)]
    Asking(Asking),
    /// Stand at another node.
    Cd {
        /// The node; it has to be there.
        #[arg(default_value = "/")]
        path: ZnodePath,
    },
    /// Print where the shell stands.
    Pwd,
    /// Leave.
    #[command(visible_alias = "quit")]
    Exit,
}

impl Line {
    /// The definition for a shell that stands at a node.
    pub(crate) fn grammar(here: &ZnodePath) -> clap::Command {
        PathRules::From(here.clone()).apply(Self::command())
    }

    /// Reads the words of one line.
    pub(crate) fn read(here: &ZnodePath, words: &[String]) -> Result<Self, clap::Error> {
        let mut grammar = Self::grammar(here);
        let matches = grammar.try_get_matches_from_mut(words)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut grammar))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Data;

    fn read(here: &str, line: &str) -> Result<Line, clap::Error> {
        let words = shell_words::split(line).unwrap();
        Line::read(&ZnodePath::parse(here).unwrap(), &words)
    }

    #[test]
    fn the_definition_of_lines_holds_together() {
        Line::grammar(&ZnodePath::root()).debug_assert();
    }

    #[test]
    fn a_line_has_the_words_of_the_command_line_and_relative_paths() {
        let line = read("/app", "set ../x/y 'two words' --version 3 --output json").unwrap();
        assert_eq!(line.output, Some(Format::Json));
        let LineCommand::Asking(Asking::Data(Data::Set(set))) = line.command else {
            panic!("{line:?}");
        };
        assert_eq!(set.path.as_str(), "/x/y");
        assert_eq!(set.data.as_deref(), Some("two words"));
        assert_eq!(set.version, Some(3));
    }

    #[test]
    fn a_word_that_is_none_is_answered_with_the_nearest_one() {
        let said = read("/", "creat /a").unwrap_err().to_string();
        assert!(said.contains("'create'"), "{said}");
        let help = read("/", "help").unwrap_err();
        assert_eq!(help.exit_code(), 0);
        assert!(help.to_string().contains("cd"), "{help}");
    }
}

//! How texts of a line become znode paths: absolute ones on the command line, relative ones too in
//! the shell. One definition of the words serves both; only the reader of its paths is exchanged.

use std::any::TypeId;

use clap::builder::ValueParser;
use clap::{Arg, Command};
use zareba_client::model::{PathError, ZnodePath};

/// What a path may look like.
#[derive(Clone, Debug)]
pub(crate) enum PathRules {
    /// As the servers have it; nothing is guessed.
    Absolute,
    /// As in a shell that stands at a node: relative, with `.` and `..`, slashes at the end.
    From(ZnodePath),
}

impl PathRules {
    /// The same definition with its paths read so.
    pub(crate) fn apply(&self, definition: Command) -> Command {
        definition
            .mut_args(|arg| self.apply_to_argument(arg))
            .mut_subcommands(|command| self.apply(command))
    }

    /// Reads one path.
    pub(crate) fn read(&self, text: &str) -> Result<ZnodePath, String> {
        match self {
            Self::Absolute => ZnodePath::parse(text).map_err(|error| advise(text, &error)),
            Self::From(here) => resolve(here, text).map_err(|error| error.to_string()),
        }
    }

    fn apply_to_argument(&self, arg: Arg) -> Arg {
        if !is_path(&arg) {
            return arg;
        }
        let rules = self.clone();
        arg.value_parser(ValueParser::new(move |text: &str| rules.read(text)))
    }
}

/// True for an argument that is a znode path.
pub(crate) fn is_path(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<ZnodePath>()
}

/// What is wrong, and the path that was probably meant.
fn advise(text: &str, error: &PathError) -> String {
    let meant = match error {
        PathError::NotAbsolute(_) if !text.is_empty() => format!("/{text}"),
        PathError::TrailingSlash(_) | PathError::EmptyPart(_) => {
            let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty()).collect();
            format!("/{}", parts.join("/"))
        }
        _ => return error.to_string(),
    };
    match ZnodePath::parse(&meant) {
        Ok(meant) => format!("{error}; did you mean {meant}?"),
        Err(_) => error.to_string(),
    }
}

fn resolve(here: &ZnodePath, text: &str) -> Result<ZnodePath, PathError> {
    let start = if text.starts_with('/') {
        ""
    } else {
        here.as_str()
    };
    let mut parts: Vec<&str> = start.split('/').filter(|part| !part.is_empty()).collect();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    ZnodePath::parse(&format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_the_command_line_a_path_is_absolute_and_the_error_names_the_likely_one() {
        let read = |text| PathRules::Absolute.read(text);
        assert_eq!(read("/a/b").unwrap().as_str(), "/a/b");
        assert!(read("a/b").unwrap_err().ends_with("did you mean /a/b?"));
        assert!(read("/a/").unwrap_err().ends_with("did you mean /a?"));
        assert!(read("/a//b").unwrap_err().ends_with("did you mean /a/b?"));
        assert!(!read("/a/../b").unwrap_err().contains("did you mean"));
        assert!(!read("").unwrap_err().contains("did you mean"));
    }

    #[test]
    fn in_the_shell_a_path_starts_where_the_shell_stands() {
        let rules = PathRules::From(ZnodePath::parse("/app/jobs").unwrap());
        for (text, expected) in [
            ("x", "/app/jobs/x"),
            ("./x/", "/app/jobs/x"),
            ("..", "/app"),
            ("../../..", "/"),
            ("../config", "/app/config"),
            ("/x//y/", "/x/y"),
            (".", "/app/jobs"),
            ("/", "/"),
        ] {
            assert_eq!(rules.read(text).unwrap().as_str(), expected, "{text}");
        }
        assert!(rules.read("a\0").unwrap_err().contains("control character"));
    }
}

//! What may stand at the cursor, from the one definition of the words: a command, an option, one of
//! a few values, or a path, of which a server has to be asked. Knows no terminal and no session.

use clap::{Arg, Command};
use zareba_client::model::ZnodePath;

use super::words::Cut;
use crate::args::{PathRules, is_path};

/// What could be typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One of these.
    Words(Vec<String>),
    /// A node.
    Path(WantedPath),
    /// Nothing that is known.
    Anything,
}

/// A path of which the last part is being typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WantedPath {
    /// Whose children it may be.
    pub(super) parent: ZnodePath,
    /// What their names begin with.
    pub(super) prefix: String,
    /// What was typed before the last part.
    pub(super) typed: String,
}

/// What may stand at the cursor of a shell that stands at a node. The definition is built.
pub(super) fn wanted(definition: &Command, here: &ZnodePath, cut: &Cut) -> Wanted {
    let (command, arguments) = descend(definition, &cut.before);
    if command.has_subcommands() {
        return words(names(command), &cut.last);
    }
    if let Some(value) = open_option(command, arguments) {
        return of_argument(value, here, &cut.last);
    }
    if cut.last.starts_with('-') {
        let options = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let options = options.filter_map(|arg| Some(format!("--{}", arg.get_long()?)));
        return words(options.collect(), &cut.last);
    }
    let place = positionals_before(command, arguments);
    match command.get_positionals().nth(place) {
        Some(arg) => of_argument(arg, here, &cut.last),
        None => Wanted::Anything,
    }
}

/// The command that the words name, and the words behind it.
fn descend<'a>(mut command: &'a Command, mut words: &'a [String]) -> (&'a Command, &'a [String]) {
    while let Some((word, rest)) = words.split_first() {
        let Some(inner) = command.find_subcommand(word) else {
            break;
        };
        (command, words) = (inner, rest);
    }
    (command, words)
}

fn names(command: &Command) -> Vec<String> {
    let shown = command.get_subcommands().filter(|it| !it.is_hide_set());
    shown.map(|it| it.get_name().to_owned()).collect()
}

/// Those that go on from what is typed, in order.
fn words(mut words: Vec<String>, typed: &str) -> Wanted {
    words.retain(|word| word.starts_with(typed));
    words.sort();
    words.dedup();
    Wanted::Words(words)
}

/// The option whose value comes next.
fn open_option<'a>(command: &'a Command, words: &[String]) -> Option<&'a Arg> {
    takes_value(command, words.last()?)
}

fn takes_value<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let mut options = command.get_arguments();
    let option = if let Some(long) = word.strip_prefix("--") {
        options.find(|arg| arg.get_long() == Some(long))
    } else {
        let short = word.strip_prefix('-')?;
        options.find(|arg| arg.get_short().is_some_and(|it| short.ends_with(it)))
    };
    option.filter(|arg| arg.get_action().takes_values())
}

/// How many words are neither options nor their values.
fn positionals_before(command: &Command, words: &[String]) -> usize {
    let (mut count, mut is_value) = (0, false);
    for word in words {
        if is_value {
            is_value = false;
        } else if word.len() > 1 && word.starts_with('-') {
            is_value = takes_value(command, word).is_some();
        } else {
            count += 1;
        }
    }
    count
}

fn of_argument(arg: &Arg, here: &ZnodePath, typed: &str) -> Wanted {
    if is_path(arg) {
        return path(here, typed).map_or(Wanted::Anything, Wanted::Path);
    }
    let values = arg.get_possible_values();
    if values.is_empty() {
        return Wanted::Anything;
    }
    let values = values.iter().map(|it| it.get_name().to_owned());
    words(values.collect(), typed)
}

fn path(here: &ZnodePath, typed: &str) -> Option<WantedPath> {
    let cut = typed.rfind('/').map_or(0, |slash| slash + 1);
    let (before, prefix) = typed.split_at_checked(cut)?;
    let parent = match before {
        "" => here.clone(),
        before => PathRules::From(here.clone()).read(before).ok()?,
    };
    Some(WantedPath {
        parent,
        prefix: prefix.to_owned(),
        typed: before.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::words::cut;
    use super::*;
    use crate::args::Line;

    fn at(here: &str, line: &str) -> Wanted {
        let here = ZnodePath::parse(here).unwrap();
        let mut definition = Line::grammar(&here);
        definition.build();
        wanted(&definition, &here, &cut(line).unwrap())
    }

    fn words_at(line: &str) -> Vec<String> {
        match at("/", line) {
            Wanted::Words(words) => words,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn path_at(here: &str, line: &str) -> (String, String, String) {
        match at(here, line) {
            Wanted::Path(path) => (path.parent.to_string(), path.prefix, path.typed),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn strings(parent: &str, prefix: &str, typed: &str) -> (String, String, String) {
        (parent.to_owned(), prefix.to_owned(), typed.to_owned())
    }

    #[test]
    fn commands_are_completed_with_the_shells_own() {
        assert_eq!(words_at("c"), ["call", "cd", "check", "count", "create"]);
        assert!(words_at("").contains(&"help".to_owned()));
        assert_eq!(words_at("plugin un"), ["unmount"]);
        assert_eq!(words_at("help ge"), ["get"]);
    }

    #[test]
    fn options_and_their_values_are_completed() {
        assert_eq!(words_at("get /a --st"), ["--stat"]);
        assert_eq!(words_at("ls --output "), ["json", "text"]);
        assert_eq!(words_at("import /a --existing s"), ["skip"]);
        assert_eq!(at("/", "set /a --version "), Wanted::Anything);
        assert_eq!(at("/", "set /a "), Wanted::Anything);
    }

    #[test]
    fn a_path_is_completed_below_its_parent() {
        assert_eq!(path_at("/app", "get "), strings("/app", "", ""));
        assert_eq!(path_at("/app", "get jo"), strings("/app", "jo", ""));
        assert_eq!(
            path_at("/app", "rm -r jobs/n-"),
            strings("/app/jobs", "n-", "jobs/")
        );
        assert_eq!(
            path_at("/app", "ls --prefix x ../"),
            strings("/", "", "../")
        );
        assert_eq!(path_at("/app", "cd /x/y"), strings("/x", "y", "/x/"));
        assert_eq!(path_at("/", "call /lo"), strings("/", "lo", "/"));
    }
}

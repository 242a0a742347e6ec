//! Programs of the languages: finding them, running them, and saying how to get those that are missing.
//! Knows no plugin.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Language;
use crate::error::{AuthoringError, Result};

/// Folders of a plugin's own where package managers put programs; they come before the path.
const OWN_FOLDERS: [&str; 2] = [".venv/bin", "node_modules/.bin"];

/// A program that a language needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    /// What it is, for people.
    pub(crate) name: &'static str,
    /// Whose it is.
    pub(crate) language: Language,
    /// How it may be started, best first.
    pub(crate) starts: &'static [Start],
    /// The command that installs it.
    pub(crate) install: &'static str,
}

/// One way to start a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// The file.
    pub(crate) program: &'static str,
    /// Arguments before all others.
    pub(crate) with: &'static [&'static str],
    /// Arguments that make it say something if it can do its work; nothing to ask if the file is enough.
    pub(crate) probe: &'static [&'static str],
}

impl Start {
    /// A program of its own.
    pub(crate) const fn program(program: &'static str) -> Self {
        Self {
            program,
            with: &[],
            probe: &[],
        }
    }
}

impl Tool {
    /// The command that starts it in a plugin's folder.
    pub(crate) fn command(self, plugin: &Path) -> Result<Command> {
        for start in self.starts {
            let Some(program) = find(plugin, start.program) else {
                continue;
            };
            let mut command = Command::new(&program);
            command.current_dir(plugin).args(start.with);
            if start.probe.is_empty() || answers(&program, plugin, start.probe) {
                return Ok(command);
            }
        }
        Err(self.missing())
    }

    fn missing(self) -> AuthoringError {
        let [python, node] = OWN_FOLDERS;
        AuthoringError::MissingTool {
            tool: self.name.to_owned(),
            language: self.language,
            searched: format!("looked in the plugin's {python} and {node}, and in PATH"),
            install: self.install.to_owned(),
        }
    }
}

/// Runs a command to its end; returns what it has printed. What it says beside goes to people at once.
pub(crate) fn run(mut command: Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_owned();
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(AuthoringError::io("start", Path::new(&program)))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    Err(AuthoringError::ToolFailed {
        tool: Path::new(&program).display().to_string(),
        status: output.status,
        said: match said.trim() {
            "" => String::new(),
            // Cargo's are messages for programs; people have got theirs.
            said if said.starts_with('{') => String::new(),
            said => format!(" and here:\n{said}"),
        },
    })
}

fn find(plugin: &Path, program: &str) -> Option<PathBuf> {
    let own = OWN_FOLDERS.map(|folder| plugin.join(folder));
    let path = env::var_os("PATH").unwrap_or_default();
    find_in(own.into_iter().chain(env::split_paths(&path)), program)
}

fn find_in(mut folders: impl Iterator<Item = PathBuf>, program: &str) -> Option<PathBuf> {
    folders.find_map(|folder| {
        // A relative folder would be another one where the program is started.
        let file = std::path::absolute(folder.join(program)).ok()?;
        file.is_file().then_some(file)
    })
}

fn answers(program: &Path, plugin: &Path, arguments: &[impl AsRef<OsStr>]) -> bool {
    let mut command = Command::new(program);
    command
        .current_dir(plugin)
        .args(arguments)
        .stdin(Stdio::null());
    command.output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_own_program_comes_before_the_paths() {
        let home = tempfile::tempdir().unwrap();
        let folders = ["own", "path"].map(|name| home.path().join(name));
        let found = || find_in(folders.iter().cloned(), "tool");
        assert_eq!(found(), None);
        for folder in folders.iter().rev() {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("tool"), "").unwrap();
            assert_eq!(found(), Some(folder.join("tool")));
        }
    }

    #[test]
    fn a_missing_tool_is_named_with_the_command_that_installs_it() {
        let folder = tempfile::tempdir().unwrap();
        const TOOL: Tool = Tool {
            name: "no-such-compiler",
            language: Language::C,
            starts: &[Start::program("zareba-test-no-such-compiler")],
            install: "get no-such-compiler",
        };
        let error = TOOL.command(folder.path()).unwrap_err().to_string();
        for words in [
            "no-such-compiler",
            "in c",
            ".venv/bin",
            "get no-such-compiler",
        ] {
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_tool_that_fails_is_named_with_how_it_ended_and_what_it_printed() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo why; exit 3"]);
        let error = run(command).unwrap_err().to_string();
        assert!(
            error.contains("sh") && error.contains("3") && error.contains("why"),
            "{error}"
        );
        let mut command = Command::new("sh");
        command.args(["-c", "echo fine"]);
        assert_eq!(run(command).unwrap(), b"fine\n");
    }
}

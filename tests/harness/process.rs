//! One process of the program under test: its output line by line, signals, its end. It is killed
//! when dropped, with what it has started.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::{binary, log, within};

/// A running program.
#[derive(Debug)]
pub struct Process {
    title: String,
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Process {
    /// Starts the program with arguments; what it logs is appended to a file.
    pub fn start<A: AsRef<std::ffi::OsStr>>(title: &str, arguments: &[A], log: &Path) -> Self {
        Self::start_program(binary(), title, arguments, &[], log)
    }

    /// The same of another program, with variables in its environment.
    pub(crate) fn start_program<A: AsRef<std::ffi::OsStr>>(
        program: &Path,
        title: &str,
        arguments: &[A],
        variables: &[(&str, &str)],
        log: &Path,
    ) -> Self {
        let errors = File::options().create(true).append(true).open(log).unwrap();
        let mut child = Command::new(program)
            .args(arguments)
            .envs(variables.iter().copied())
            .env_remove("ZAREBA_PROFILE")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            title: title.to_owned(),
            child,
            output,
            log: log.to_owned(),
        }
    }

    /// Its number, while it runs.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The next line of its output; nothing when it has ended it.
    pub async fn line(&mut self) -> Option<String> {
        let line = within("a line of output", self.output.next_line()).await;
        line.unwrap()
    }

    /// Waits for its end and returns how it ended.
    pub async fn end(&mut self) -> ExitStatus {
        within("the end of a process", self.child.wait())
            .await
            .unwrap()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends it a signal, by the name without `SIG`.
    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.id());
        let status = std::process::Command::new("sh")
            .args(["-c", &command])
            .status();
        assert!(status.unwrap().success(), "{command} failed");
    }

    /// Kills it without a warning and waits until the system has taken it away.
    pub async fn kill(&mut self) {
        within("a killed process to be gone", self.child.kill())
            .await
            .unwrap();
    }

    /// Prints the end of its log.
    pub fn show_log(&self) {
        log::show_tail(&self.title, &self.log);
    }
}

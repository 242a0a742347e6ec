//! A local ensemble, and commands run against it. Must never use the client library.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use harness::{Process, binary, within};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

/// A local ensemble in a folder of its own.
pub(crate) struct Dev {
    process: Process,
    pub(crate) profile: PathBuf,
    pub(crate) ready: Value,
}

impl Dev {
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_with(folder, "3").await
    }

    /// One server only: for what a quorum adds nothing to.
    pub(crate) async fn start_alone(folder: &Path) -> Self {
        Self::start_with(folder, "1").await
    }

    async fn start_with(folder: &Path, servers: &str) -> Self {
        let data = folder.join("data");
        let arguments = [
            "--output".as_ref(),
            "json".as_ref(),
            "dev".as_ref(),
            "--servers".as_ref(),
            servers.as_ref(),
            "--listen".as_ref(),
            "127.0.0.1:0".as_ref(),
            "--data-dir".as_ref(),
            data.as_os_str(),
        ];
        let mut process = Process::start("zareba dev", &arguments, &folder.join("log"));
        let Some(line) = process.line().await else {
            process.show_log();
            panic!("zareba dev has ended without a word");
        };
        Self {
            process,
            profile: data.join("client.toml"),
            ready: serde_json::from_str(&line).unwrap(),
        }
    }

    /// Runs a command against it.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Said {
        let profile = self.profile.to_str().unwrap();
        run(&[&["--profile", profile], arguments].concat()).await
    }

    /// The same with variables in its environment.
    pub(crate) async fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        let profile = self.profile.to_str().unwrap();
        run_command(
            &[&["--profile", profile], arguments].concat(),
            variables,
            "",
        )
        .await
    }

    /// The same with something on its standard input.
    pub(crate) async fn feed(&self, arguments: &[&str], input: &str) -> Said {
        let profile = self.profile.to_str().unwrap();
        run_command(&[&["--profile", profile], arguments].concat(), &[], input).await
    }

    /// The same, which must go well; returns what it printed.
    pub(crate) async fn ok(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments).await;
        assert_eq!(said.code, 0, "{arguments:?} failed: {}", said.errors);
        said.output
    }

    /// The same with JSON, one value.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[&["--output", "json"], arguments].concat()).await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{arguments:?} printed {text}"))
    }

    /// The same with JSON, a value a line.
    pub(crate) async fn json_lines(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.ok(&[&["--output", "json"], arguments].concat()).await;
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    }

    pub(crate) async fn stop(mut self) {
        self.process.signal("INT");
        let status = self.process.end().await;
        assert!(status.success(), "{status}");
    }
}

/// What a command has said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Runs a command.
pub(crate) async fn run(arguments: &[&str]) -> Said {
    run_command(arguments, &[], "").await
}

/// Runs a command that reads, with variables in its environment.
async fn run_command(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Said {
    let mut child = tokio::process::Command::new(binary())
        .args(arguments)
        .env_remove("ZAREBA_PROFILE")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let written = tokio::spawn(async move {
        // A command that has said enough reads no further.
        let _end = stdin.write_all(input.as_bytes()).await;
    });
    let output = within("a command", child.wait_with_output()).await;
    written.await.unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = output.unwrap();
    Said {
        code: status.code().unwrap(),
        output: String::from_utf8(stdout).unwrap(),
        errors: String::from_utf8(stderr).unwrap(),
    }
}

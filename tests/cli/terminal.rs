//! A terminal with somebody who types and reads. Must never know what is said.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use harness::{binary, until};

/// The program on a terminal of its own; it is killed when dropped.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    read: usize,
}

impl Terminal {
    /// Starts it.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let pty = nix::pty::openpty(None, None).unwrap();
        let end = |it: &std::os::fd::OwnedFd| Stdio::from(it.try_clone().unwrap());
        let child = Command::new(binary())
            .args(arguments)
            .env_remove("ZAREBA_PROFILE")
            .env("TERM", "xterm")
            .stdin(end(&pty.slave))
            .stdout(end(&pty.slave))
            .stderr(end(&pty.slave))
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut source, sink) = (
            File::from(pty.master.try_clone().unwrap()),
            Arc::clone(&screen),
        );
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            // The program's end ends the terminal, with an error on this system.
            while let Ok(count @ 1..) = source.read(&mut some) {
                sink.lock().unwrap().extend_from_slice(&some[..count]);
            }
        });
        Self {
            child,
            keyboard: pty.master.into(),
            screen,
            read: 0,
        }
    }

    /// Types.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads on until `words` have come.
    pub(crate) async fn see(&mut self, words: &str) {
        let what = format!("the terminal shows {words:?}");
        self.read += until(&what, async || self.seen(words)).await.len();
    }

    /// Interrupts the program, as the terminal does for a program in the foreground, until it says
    /// `words`: what it begins to do may not be under way yet.
    pub(crate) async fn interrupt(&mut self, words: &str) {
        let interrupt = format!("kill -INT {}", self.child.id());
        until(
            &format!("an interrupt is answered with {words:?}"),
            async || {
                let status = Command::new("sh").args(["-c", &interrupt]).status();
                assert!(status.unwrap().success());
                self.seen(words)
            },
        )
        .await;
        self.see(words).await;
    }

    /// What came up to `words`, if they have come.
    fn seen(&self, words: &str) -> Option<Vec<u8>> {
        let screen = self.screen.lock().unwrap();
        let new = &screen[self.read..];
        let at = new
            .windows(words.len())
            .position(|it| it == words.as_bytes())?;
        Some(new[..at + words.len()].to_vec())
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the program ends", async || child.try_wait().unwrap()).await
    }
}

impl Drop for Terminal {
    #[expect(
        clippy::print_stdout,
        reason = "a failed test shows what was on the screen"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let screen = self.screen.lock().unwrap();
            println!("the terminal: {:?}", String::from_utf8_lossy(&screen));
        }
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

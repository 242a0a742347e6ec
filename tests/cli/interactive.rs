//! `zareba shell` on a terminal: what somebody types and sees.

use crate::local::Dev;
use crate::terminal::Terminal;

#[tokio::test(flavor = "multi_thread")]
async fn somebody_types_completes_interrupts_recalls_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    dev.ok(&["create", "-p", "/app/jobs/only", "found"]).await;
    let history = folder.path().join("state/history");
    let (profile, history) = (dev.profile.to_str().unwrap(), history.to_str().unwrap());
    let shell = ["--profile", profile, "shell", "--history", history];

    let mut terminal = Terminal::start(&shell);
    terminal.see("zareba:/> ").await;
    // A command, and a path part by part: the server is asked.
    terminal.press("ge\t/ap\t");
    terminal.see("get /app/").await;
    terminal.press("j\t");
    terminal.see("/app/jobs/").await;
    terminal.press("\t\r");
    terminal.see("found\r\n").await;
    terminal.see("zareba:/> ").await;

    // A failure does not end it; what helps is said.
    terminal.press("cd nowhere\r");
    terminal.see("(NO_NODE)").await;
    terminal.see("zareba:/> ").await;
    terminal.press("cd app\r");
    terminal.see("zareba:/app> ").await;

    // An interrupt drops the line that is typed, and ends the command that runs.
    terminal.press("dropped\x03");
    terminal.see("zareba:/app> ").await;
    terminal.press("pwd\r");
    terminal.see("/app\r\n").await;
    terminal.see("zareba:/app> ").await;
    terminal.press("watch jobs\r");
    terminal.see("watch jobs").await;
    terminal.interrupt("interrupted").await;
    terminal.see("zareba:/app> ").await;
    drop(terminal);

    // Another day.
    let mut terminal = Terminal::start(&shell);
    terminal.see("zareba:/> ").await;
    terminal.press("\x1b[A\x1b[A\x1b[A");
    terminal.see("cd app").await;
    terminal.press("\r");
    terminal.see("zareba:/app> ").await;
    terminal.press("\x04");
    assert_eq!(terminal.end().await.code(), Some(0));
    dev.stop().await;
}

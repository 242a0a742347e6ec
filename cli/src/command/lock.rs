//! `zareba lock NAME -- COMMAND...`: the command runs only while the lock is held.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::{Child, Command};
use zareba_client::model::{ErrorCode, Fault};
use zareba_client::{Error, Lock as ClientLock, LockGuard};

use super::interrupted;
use crate::args::Lock;
use crate::console::Console;

/// The fencing token's name in the command's environment.
const TOKEN: &str = "ZAREBA_FENCING_TOKEN";

pub(super) async fn run(lock: Lock, console: &Console) -> anyhow::Result<u8> {
    let Some((program, arguments)) = lock.command.split_first() else {
        bail!("no command to run while the lock is held");
    };
    console
        .in_session(async |client| {
            let handle = client.lock(&lock.mount, &lock.name)?;
            let guard = acquire(&handle, &lock).await?;
            let mut command = Command::new(program);
            command
                .args(arguments)
                .env(TOKEN, guard.token().to_string())
                .kill_on_drop(true);
            let child = command
                .spawn()
                .with_context(|| format!("cannot run {program}"))?;
            hold(guard, child, &lock.name).await
        })
        .await
}

/// Stays with the command until it ends, the lock is lost, or somebody interrupts.
async fn hold(guard: LockGuard, mut child: Child, name: &str) -> anyhow::Result<u8> {
    tokio::select! {
        status = child.wait() => {
            let status = status.context("cannot wait for the command")?;
            guard.release().await?;
            Ok(exit_code(status))
        }
        () = guard.lost() => {
            // The next holder may be at work already: the command must not go on for a moment.
            child.kill().await.context("cannot kill the command")?;
            Err(anyhow::Error::from(Error::SessionExpired)
                .context(format!("the lock {name} was lost; the command was killed")))
        }
        stopped = interrupted() => {
            stopped?;
            child.kill().await.context("cannot kill the command")?;
            guard.release().await?;
            bail!("interrupted; the command was killed and the lock released");
        }
    }
}

async fn acquire(handle: &ClientLock, lock: &Lock) -> anyhow::Result<LockGuard> {
    let guard = if lock.try_only {
        handle.try_acquire().await?
    } else if let Some(wait_ms) = lock.wait_ms {
        handle
            .acquire_within(Duration::from_millis(wait_ms))
            .await?
    } else {
        Some(handle.acquire().await?)
    };
    guard.ok_or_else(|| {
        let why = format!("the lock {} is held by somebody else", lock.name);
        Error::Refused(Fault::new(ErrorCode::OperationTimeout, why)).into()
    })
}

/// The command's own code; a shell's 128 + signal if a signal ended it.
fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(crate::exit::FAILED)
}

//! Exit codes, so that scripts can tell what happened without reading words.

use std::process::ExitCode;

use serde_json::json;
use zareba_client::Error;
use zareba_client::model::ErrorCode;
use zareba_server::{ServerError, StoppedDataError};

use crate::args::Format;

/// Something else failed.
pub(crate) const FAILED: u8 = 1;
/// The command line makes no sense (clap's own code).
pub(crate) const USAGE: u8 = 2;
/// There is no such node.
pub(crate) const NOT_FOUND: u8 = 3;
/// The node is there already, has another version, or has children.
pub(crate) const CONFLICT: u8 = 4;
/// Not allowed.
pub(crate) const DENIED: u8 = 5;
/// No server can be reached, or none has a leader.
pub(crate) const UNREACHABLE: u8 = 6;
/// A time limit passed.
pub(crate) const TIMEOUT: u8 = 7;
/// The plugin refused, or failed.
pub(crate) const PLUGIN: u8 = 8;
/// The session, and with it the lock, was lost.
pub(crate) const LOST: u8 = 9;
/// The change would lose the quorum.
pub(crate) const NO_QUORUM: u8 = 10;
/// The server that ran was removed from the ensemble.
pub(crate) const REMOVED: u8 = 11;

/// What the codes mean, for `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  failed for another reason
  2  wrong usage; for `zareba log`, nothing that can be looked at
  3  no such node
  4  conflict: node exists, other version, not empty, another change under way
  5  not allowed
  6  no server reachable
  7  timed out
  8  a plugin refused or failed
  9  the session, or the lock it held, was lost
  10 the change of the ensemble would lose the quorum
  11 the server was removed from its ensemble and has stopped
`zareba lock` passes on the exit code of the command it runs.";

/// Prints an error where errors go and names its code.
#[expect(
    clippy::print_stderr,
    reason = "errors of a command go to standard error"
)]
pub(crate) fn report(error: &anyhow::Error, format: Format) -> ExitCode {
    let code = code_of(error);
    let message = message_of(error);
    match format {
        Format::Text => eprintln!("zareba: {message}"),
        Format::Json => {
            let fault = error
                .chain()
                .find_map(|cause| cause.downcast_ref::<Error>());
            let kind = fault.and_then(Error::code).map(|code| code.to_string());
            eprintln!(
                "{}",
                json!({ "error": message, "code": kind, "exit": code })
            );
        }
    }
    ExitCode::from(code)
}

/// The whole chain of causes, but nothing twice: some errors repeat their cause's words.
fn message_of(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.contains(&cause) {
            continue;
        }
        if !message.is_empty() {
            message.push_str(": ");
        }
        message.push_str(&cause);
    }
    message
}

fn code_of(error: &anyhow::Error) -> u8 {
    let stopped = error.chain().find_map(|cause| cause.downcast_ref());
    if let Some(ServerError::Removed { .. }) = stopped {
        return REMOVED;
    }
    if error.downcast_ref::<StoppedDataError>().is_some() {
        // Damage that was found is another thing than a directory that cannot be looked at.
        return USAGE;
    }
    let Some(error) = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Error>())
    else {
        return FAILED;
    };
    match error {
        Error::Refused(fault) => code_of_fault(fault.code),
        Error::SessionExpired | Error::Closed => LOST,
        Error::Timeout => TIMEOUT,
        Error::Unreachable { .. } => UNREACHABLE,
        Error::Path(_) | Error::Configuration(_) => USAGE,
        _ => FAILED,
    }
}

fn code_of_fault(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::NoNode => NOT_FOUND,
        ErrorCode::NodeExists
        | ErrorCode::BadVersion
        | ErrorCode::NotEmpty
        | ErrorCode::ReconfigInProgress => CONFLICT,
        ErrorCode::NoQuorum => NO_QUORUM,
        ErrorCode::NoAuth => DENIED,
        ErrorCode::NotServing => UNREACHABLE,
        ErrorCode::OperationTimeout => TIMEOUT,
        ErrorCode::SessionExpired | ErrorCode::SessionMoved => LOST,
        ErrorCode::BadArguments => USAGE,
        ErrorCode::NoPlugin
        | ErrorCode::PluginNotReady
        | ErrorCode::PluginTrap
        | ErrorCode::PluginDeadline
        | ErrorCode::PluginLimit
        | ErrorCode::PluginRefused
        | ErrorCode::PluginQuarantined
        | ErrorCode::CallCancelled
        | ErrorCode::Plugin(_) => PLUGIN,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zareba_client::model::Fault;

    #[test]
    fn a_fault_keeps_its_code_behind_context() {
        let fault = Error::Refused(Fault::new(ErrorCode::NoNode, "/a does not exist"));
        let error = anyhow::Error::from(fault).context("cannot get /a");
        assert_eq!(code_of(&error), NOT_FOUND);
        assert_eq!(
            message_of(&error),
            "cannot get /a: /a does not exist (NO_NODE)"
        );
        assert_eq!(code_of(&anyhow::anyhow!("anything")), FAILED);
    }
}

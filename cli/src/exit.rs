//! Exit codes, so that scripts can tell what happened without reading words.

use std::fmt;

use serde_json::json;
use zareba_authoring::AuthoringError;
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
/// A quota does not allow it.
pub(crate) const QUOTA: u8 = 12;
/// A line of the shell was interrupted; 128 + SIGINT, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// What the codes mean, for `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  failed for another reason
  2  wrong usage; for `zareba log`, nothing that can be looked at
  3  no such node
  4  conflict: node exists, other version, not empty, another change under way, a revision that
     breaks callers
  5  not allowed
  6  no server reachable
  7  timed out
  8  a plugin refused or failed
  9  the session, or the lock it held, was lost
  10 the change of the ensemble would lose the quorum
  11 the server was removed from its ensemble and has stopped
  12 a quota does not allow it
  130 interrupted (`zareba shell` with lines from a pipe)
`zareba lock` passes on the exit code of the command it runs, `zareba shell` that of the first line
that failed. A code keeps its meaning in later versions; new ones may be added.";

/// Prints an error where errors go, with the next step if one is known, and returns its code.
#[expect(
    clippy::print_stderr,
    reason = "errors of a command go to standard error"
)]
pub(crate) fn report(error: &anyhow::Error, format: Format) -> u8 {
    let code = code_of(error);
    let message = message_of(error);
    let advice = advice_of(error);
    match format {
        Format::Text => {
            eprintln!("zareba: {message}");
            if let Some(advice) = advice {
                eprintln!("  {advice}");
            }
        }
        Format::Json => {
            let kind = cause(error).and_then(Error::code);
            let kind = kind.map(|code| code.to_string());
            eprintln!(
                "{}",
                json!({ "error": message, "advice": advice, "code": kind, "exit": code })
            );
        }
    }
    code
}

/// What to do next about a fault, by its code.
pub(crate) type Advice = &'static [(ErrorCode, &'static str)];

/// For commands about nodes.
pub(crate) const FOR_NODES: Advice = &[
    (
        ErrorCode::NoNode,
        "`zareba ls` shows what is there; `zareba create --parents` creates a node and what is \
         missing above it",
    ),
    (
        ErrorCode::NodeExists,
        "`zareba set` replaces the data of a node that is there",
    ),
    (
        ErrorCode::BadVersion,
        "somebody was faster: `zareba stat` shows the version it has now",
    ),
    (
        ErrorCode::NotEmpty,
        "`zareba delete --recursive` deletes a node with all below it",
    ),
    (
        ErrorCode::NoChildrenForEphemerals,
        "create it below a node that is not ephemeral",
    ),
];

/// For quotas.
pub(crate) const FOR_QUOTAS: Advice = &[(
    ErrorCode::NoNode,
    "`zareba quota list` shows all limits, `zareba ls` what is there to be limited",
)];

/// For sessions.
pub(crate) const FOR_SESSIONS: Advice = &[
    (
        ErrorCode::NoNode,
        "`zareba session list` shows the sessions that there are",
    ),
    (
        ErrorCode::BadArguments,
        "a session ends by itself when its command does; in `zareba shell`, `exit` ends it",
    ),
];

/// For imports.
pub(crate) const FOR_IMPORTS: Advice = &[
    (
        ErrorCode::NodeExists,
        "--existing skip leaves nodes that are there as they are, --existing replace gives them the \
         import's data",
    ),
    (
        ErrorCode::NoNode,
        "--parents creates what is missing above the subtree",
    ),
    (
        ErrorCode::NoAuth,
        "an imported list may forbid to create what comes below its node: import as somebody whom it \
         lets, or without lists (--no-acl)",
    ),
    (
        ErrorCode::InvalidAcl,
        "--no-acl imports the nodes without their lists",
    ),
];

/// For exports.
pub(crate) const FOR_EXPORTS: Advice = &[(
    ErrorCode::NoAuth,
    "export as somebody who administers all nodes (--auth, --cert), or without lists (--no-acl)",
)];

/// A next step that goes along with an error. It has no words of its own in the chain of causes.
#[derive(Debug)]
struct NextStep(&'static str);

impl fmt::Display for NextStep {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Lets the error say what to do next, if the advice knows and nothing better was said.
pub(crate) fn advise(error: anyhow::Error, advice: Advice) -> anyhow::Error {
    if error.is::<NextStep>() {
        return error;
    }
    let code = cause(&error).and_then(Error::code);
    match advice.iter().find(|(known, _)| Some(*known) == code) {
        Some((_, words)) => error.context(NextStep(words)),
        None => error,
    }
}

fn advice_of(error: &anyhow::Error) -> Option<&'static str> {
    if let Some(NextStep(words)) = error.downcast_ref() {
        return Some(words);
    }
    match cause(error)? {
        Error::Unreachable { .. } => Some(
            "`zareba status` asks each server; `zareba dev` starts a local ensemble; --profile or \
             ZAREBA_PROFILE names another one",
        ),
        Error::Refused(fault) => match fault.code {
            ErrorCode::NotServing => Some("`zareba status` shows who is up and who leads"),
            ErrorCode::NoAuth => Some(
                "`zareba whoami` shows who you are here, `zareba acl get` who may do what; --auth and \
                 --cert prove an identity",
            ),
            ErrorCode::AuthFailed => Some(
                "--auth or ZAREBA_AUTH takes digest:USER:PASSWORD, --cert and --key a certificate",
            ),
            ErrorCode::InvalidAcl => Some("`zareba acl set --help` shows what a list looks like"),
            ErrorCode::QuotaExceeded => Some(
                "`zareba quota list` shows the limits and what is used; `zareba quota set` changes them",
            ),
            ErrorCode::NoPlugin => Some("`zareba plugin list` shows what is mounted, and where"),
            _ => None,
        },
        _ => None,
    }
}

/// The client's error that lies at the bottom.
fn cause(error: &anyhow::Error) -> Option<&Error> {
    error.chain().find_map(|cause| cause.downcast_ref())
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

/// True if the ensemble refused with that.
pub(crate) fn is_fault(error: &anyhow::Error, code: ErrorCode) -> bool {
    cause(error).and_then(Error::code) == Some(code)
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
    if let Some(error) = error.downcast_ref() {
        return code_of_authoring(error);
    }
    let Some(error) = cause(error) else {
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

fn code_of_authoring(error: &AuthoringError) -> u8 {
    match error {
        AuthoringError::Name(_)
        | AuthoringError::NoManifest(_)
        | AuthoringError::Manifest { .. }
        | AuthoringError::NotTheSdk(_) => USAGE,
        AuthoringError::FolderInUse(_) => CONFLICT,
        // What an ensemble says of such a component.
        AuthoringError::ForeignImports(_) | AuthoringError::NoGuest => PLUGIN,
        _ => FAILED,
    }
}

fn code_of_fault(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::NoNode => NOT_FOUND,
        ErrorCode::NodeExists
        | ErrorCode::BadVersion
        | ErrorCode::NotEmpty
        | ErrorCode::PluginBreaking
        | ErrorCode::ReconfigInProgress => CONFLICT,
        ErrorCode::NoQuorum => NO_QUORUM,
        ErrorCode::NoAuth | ErrorCode::AuthFailed => DENIED,
        ErrorCode::QuotaExceeded => QUOTA,
        ErrorCode::NotServing => UNREACHABLE,
        ErrorCode::OperationTimeout => TIMEOUT,
        ErrorCode::SessionExpired | ErrorCode::SessionMoved => LOST,
        ErrorCode::BadArguments | ErrorCode::InvalidAcl => USAGE,
        ErrorCode::NoPlugin
        | ErrorCode::PluginNotReady
        | ErrorCode::PluginTrap
        | ErrorCode::PluginDeadline
        | ErrorCode::PluginLimit
        | ErrorCode::PluginRefused
        | ErrorCode::PluginQuarantined
        | ErrorCode::PluginPaused
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

    #[test]
    fn a_fault_of_a_node_says_what_to_do_next_beside_its_words() {
        let fault = Error::Refused(Fault::new(ErrorCode::NotEmpty, "/a has children"));
        let error = advise(anyhow::Error::from(fault), FOR_NODES);
        assert_eq!(code_of(&error), CONFLICT);
        assert_eq!(message_of(&error), "/a has children (NOT_EMPTY)");
        assert!(advice_of(&error).unwrap().contains("--recursive"));
        assert_eq!(advice_of(&anyhow::anyhow!("anything")), None);
    }

    #[test]
    fn every_code_stands_in_the_help() {
        for code in [
            FAILED,
            USAGE,
            NOT_FOUND,
            CONFLICT,
            DENIED,
            UNREACHABLE,
            TIMEOUT,
            PLUGIN,
            LOST,
            NO_QUORUM,
            REMOVED,
            QUOTA,
            INTERRUPTED,
        ] {
            let line = HELP
                .lines()
                .find(|line| line.trim_start().starts_with(&code.to_string()));
            assert!(line.is_some(), "{code} is not explained");
        }
    }
}

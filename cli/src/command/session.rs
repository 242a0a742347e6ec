//! `zareba session` and `zareba whoami`: who is there, who one is, and the end of others.

use serde_json::json;
use zareba_client::model::SessionId;
use zareba_client::{SessionInfo, SessionKind};

use crate::acl::write_principal;
use crate::args::{Format, SessionCommand};
use crate::console::Console;
use crate::output;

pub(super) async fn run(command: SessionCommand, console: &Console) -> anyhow::Result<()> {
    match command {
        SessionCommand::List { server } => list(server, console).await,
        SessionCommand::Close { sessions } => close(&sessions, console).await,
    }
}

async fn list(server: Option<u64>, console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let own = client.session_id();
            let (mut rows, mut after) = (Vec::new(), None);
            loop {
                let page = client.sessions_page(after, 0).await?;
                for session in page.sessions {
                    if server.is_some_and(|server| session.server.0 != server) {
                        continue;
                    }
                    match console.format {
                        Format::Json => output::line(to_json(&session, own))?,
                        Format::Text => rows.push(row(&session, own)),
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let header = ["SESSION", "SERVER", "TIMEOUT", "EPHEMERALS", "CALLS", ""];
            match console.format {
                Format::Json => Ok(()),
                Format::Text => output::line(output::table(header, rows)),
            }
        })
        .await
}

/// A session's name, as stats show the owners of nodes.
fn name(session: SessionId) -> String {
    format!("{:x}", session.0)
}

/// Where the list of a session's ephemeral nodes ends.
const EPHEMERALS_SHOWN_MAX: usize = 1_000;

fn row(session: &SessionInfo, own: SessionId) -> [String; 6] {
    let ephemerals = match session.ephemerals.len() {
        EPHEMERALS_SHOWN_MAX.. => format!("{EPHEMERALS_SHOWN_MAX} or more"),
        count => count.to_string(),
    };
    let this = if session.id == own { "(this one)" } else { "" };
    [
        name(session.id),
        session.server.to_string(),
        humantime::format_duration(session.timeout).to_string(),
        ephemerals,
        session.parked.to_string(),
        this.to_owned(),
    ]
}

fn to_json(session: &SessionInfo, own: SessionId) -> serde_json::Value {
    let ephemerals: Vec<_> = session.ephemerals.iter().map(|it| it.as_str()).collect();
    json!({
        "session": name(session.id),
        "server": session.server.0,
        "timeoutMs": u64::try_from(session.timeout.as_millis()).unwrap_or(u64::MAX),
        "ephemerals": ephemerals,
        "calls": session.parked,
        "own": session.id == own,
    })
}

async fn close(sessions: &[SessionId], console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            for session in sessions {
                client.kill_session(*session).await?;
                let name = name(*session);
                console.say(format!("closed {name}"), json!({ "closed": name }))?;
            }
            Ok(())
        })
        .await
}

pub(super) async fn whoami(console: &Console) -> anyhow::Result<()> {
    console
        .in_session(async |client| {
            let identities = client.who_am_i().await?;
            let identities: Vec<_> = identities.iter().map(write_principal).collect();
            let kind = match client.session_kind() {
                SessionKind::Full => "full",
                _ => "local",
            };
            let value = json!({
                "session": name(client.session_id()),
                "kind": kind,
                "identities": identities,
            });
            console.say(identities.join("\n"), value)
        })
        .await
}

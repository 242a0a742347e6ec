//! The sessions of the ensemble: who is there, and how an operator ends one. Knows no connection.

use std::time::Duration;

use serde::Deserialize;
use zareba_model::{ChildrenPage, ErrorCode, Op, Outcome, ServerId, SessionId, Write, ZnodePath};

use crate::call::from_json;
use crate::client::unexpected;
use crate::{Client, Error, limits};

/// Where sessions are shown.
const SESSIONS_PATH: &str = "/zareba/sessions";

/// One session of the ensemble. Local ones are known to their servers only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its name.
    pub id: SessionId,
    /// How long it lives without a sign of life.
    pub timeout: Duration,
    /// The server that holds it, or held it last.
    pub server: ServerId,
    /// Its calls that wait for something.
    pub parked: usize,
    /// Its ephemeral nodes, as paths of the whole tree: the first thousand, in order.
    /// [`Client::ephemerals`] lists them all.
    pub ephemerals: Vec<ZnodePath>,
}

/// Some of the ensemble's sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionsList {
    /// In the order of their names, which is that of their age.
    pub sessions: Vec<SessionInfo>,
    /// To be given for the next page; nothing if this is the last one.
    pub next: Option<SessionId>,
}

/// What a node there holds, as far as it is of interest here.
#[derive(Deserialize)]
struct Shown {
    timeout_ms: u32,
    server: u64,
    parked: Vec<String>,
    ephemerals: Vec<String>,
}

impl Client {
    /// All sessions of the ensemble, the oldest first; those that begin or end meanwhile may or may not be
    /// among them. Refused with `NO_AUTH`. Dropping the future leaves nothing.
    pub async fn sessions(&self) -> Result<Vec<SessionInfo>, Error> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.sessions_page(after, 0).await?;
            all.extend(page.sessions);
            let Some(next) = page.next else {
                return Ok(all);
            };
            after = Some(next);
        }
    }

    /// One page of them: those behind `after`, at most `limit`; 0 means as many as come at once. A page may
    /// be shorter, or empty, although there are more.
    pub async fn sessions_page(
        &self,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<SessionsList, Error> {
        let client = self.whole();
        let folder = ZnodePath::parse(SESSIONS_PATH)?;
        let page = ChildrenPage {
            after: after.map(name_of),
            limit: match limit {
                0 => limits::SESSIONS_PAGE,
                limit => limit.min(limits::SESSIONS_PAGE),
            },
            ..ChildrenPage::default()
        };
        let names = client.children_page(&folder, page).await?;
        let ids = names.names.iter().map(|name| parse_id(name));
        let ids: Vec<_> = ids.collect::<Result<_, _>>()?;
        let next = ids.last().copied().filter(|_| names.more);
        let sessions = match client.shown_together(&folder, &ids).await {
            // Their ephemeral nodes have long names.
            Err(error) if error.is(ErrorCode::TooLarge) => {
                let mut sessions = Vec::with_capacity(ids.len());
                for id in ids {
                    sessions.extend(client.shown_together(&folder, &[id]).await?);
                }
                sessions
            }
            sessions => sessions?,
        };
        Ok(SessionsList { sessions, next })
    }

    /// What is shown of these sessions, those left out that have ended meanwhile.
    async fn shown_together(
        &self,
        folder: &ZnodePath,
        ids: &[SessionId],
    ) -> Result<Vec<SessionInfo>, Error> {
        let mut reads = self.multi_read();
        let mut asked = Vec::with_capacity(ids.len());
        for id in ids {
            asked.push((*id, reads.get(folder.join(&name_of(*id))?)));
        }
        let mut answers = reads.ask().await?;
        let mut sessions = Vec::with_capacity(asked.len());
        for (id, question) in asked {
            match answers.take(question) {
                Ok((data, _)) => sessions.push(parse(id, &data)?),
                Err(error) if error.is(ErrorCode::NoNode) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sessions)
    }

    /// Ends another session: its ephemeral nodes and locks go, and its client is told that it has expired.
    ///
    /// Refused with `NO_NODE` if there is none, `NO_AUTH` (it takes ADMIN on `/zareba`), `BAD_ARGUMENTS` for
    /// one's own, which [`close`](Self::close) ends.
    ///
    /// Cancellation: a dropped future may or may not have ended it.
    pub async fn kill_session(&self, session: SessionId) -> Result<(), Error> {
        let op = Op::Write(Write::KillSession(session));
        match self.request(op).await?.outcome {
            Outcome::SessionKilled => Ok(()),
            other => Err(unexpected("a session's end", &other)),
        }
    }
}

fn name_of(session: SessionId) -> String {
    format!("{:016x}", session.0)
}

fn parse_id(name: &str) -> Result<SessionId, Error> {
    let id = u64::from_str_radix(name, 16);
    id.map(SessionId)
        .map_err(|_| Error::Protocol(format!("{name:?} is no session's name")))
}

fn parse(id: SessionId, data: &[u8]) -> Result<SessionInfo, Error> {
    let shown: Shown = from_json(data)?;
    let ephemerals = shown.ephemerals.iter().map(|path| ZnodePath::parse(path));
    Ok(SessionInfo {
        id,
        timeout: Duration::from_millis(shown.timeout_ms.into()),
        server: ServerId(shown.server),
        parked: shown.parked.len(),
        ephemerals: ephemerals.collect::<Result<_, _>>()?,
    })
}

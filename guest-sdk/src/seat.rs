//! One thing that one session at a time has, and a line of those who want it next. Knows no recipe.
//!
//! Who has it owns an ephemeral node: its czxid is the fencing token, its data is what the holder said. When
//! that node goes, by whatever hand, the next in line gets it in the same transaction.

use serde::{Deserialize, Serialize};

use crate::{CallId, Caller, CreateMode, Fault, Host, Line, Reply, SessionId};

/// A seat.
#[derive(Debug)]
pub struct Seat {
    path: String,
    line: Line<Claim>,
}

/// What one in line asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// What it says of itself once it has the seat.
    pub data: String,
}

/// Who has a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The session.
    pub session: SessionId,
    /// The fencing token: greater than every earlier holder's.
    pub token: u64,
    /// What it said.
    pub data: String,
}

#[allow(clippy::missing_errors_doc, reason = "the host's faults")]
impl Seat {
    /// The seat whose node is at that path. Its line has the path for a tag.
    pub fn at(path: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            line: Line::new(path.clone()),
            path,
        }
    }

    /// Who has it.
    pub fn holder(&self, host: &mut dyn Host) -> Result<Option<Holder>, Fault> {
        if host.exists(&self.path)?.is_none() {
            return Ok(None);
        }
        let (data, stat) = host.get(&self.path)?;
        Ok(Some(Holder {
            session: stat.ephemeral_owner,
            token: stat.czxid,
            data: String::from_utf8_lossy(&data).into_owned(),
        }))
    }

    /// Takes it if it is free and nobody is in line; the token. `grant` makes the answer of one in line.
    pub fn take<R: Serialize>(
        &self,
        host: &mut dyn Host,
        data: &str,
        grant: impl Fn(u64) -> R,
    ) -> Result<Option<u64>, Fault> {
        // A seat that is free although somebody waits was left so by an event that failed: the
        // line comes first.
        self.fill(host, grant)?;
        if host.exists(&self.path)?.is_some() {
            return Ok(None);
        }
        host.create(&self.path, data.as_bytes(), CreateMode::Ephemeral)?;
        Ok(Some(host.transaction()))
    }

    /// Gets in line.
    pub fn wait<R>(
        &self,
        host: &mut dyn Host,
        who: &Caller,
        data: String,
        timeout_ms: Option<u64>,
    ) -> Result<Reply<R>, Fault> {
        self.line.join(host, who, Claim { data }, timeout_ms)
    }

    /// Gives it up and to the next in line; who has it now.
    pub fn leave<R: Serialize>(
        &self,
        host: &mut dyn Host,
        grant: impl Fn(u64) -> R,
    ) -> Result<Option<Holder>, Fault> {
        host.delete(&self.path, None)?;
        self.fill(host, grant)
    }

    /// Gives it to the next in line if it is free; who got it.
    pub fn fill<R: Serialize>(
        &self,
        host: &mut dyn Host,
        grant: impl Fn(u64) -> R,
    ) -> Result<Option<Holder>, Fault> {
        if host.exists(&self.path)?.is_some() {
            return Ok(None);
        }
        let Some(next) = self.line.first(host)? else {
            return Ok(None);
        };
        let data = next.asked.data;
        let mode = CreateMode::Ephemeral;
        host.create_owned(&self.path, data.as_bytes(), mode, next.session)?;
        let token = host.transaction();
        self.line.answer(host, next.call, &grant(token))?;
        Ok(Some(Holder {
            session: next.session,
            token,
            data,
        }))
    }

    /// Takes a call out of the line, with a reason.
    pub fn withdraw(
        &self,
        host: &mut dyn Host,
        call: CallId,
        why: impl Into<Fault>,
    ) -> Result<(), Fault> {
        self.line.refuse(host, call, why)
    }

    /// How many are in line.
    pub fn waiting(&self, host: &mut dyn Host) -> Result<u64, Fault> {
        self.line.len(host)
    }

    /// Who is in line, the first `limit` of them, in order.
    pub fn claims(&self, host: &mut dyn Host, limit: u32) -> Result<Vec<SessionId>, Fault> {
        let calls = host.lookup(&self.path, 0, limit)?;
        Ok(calls.into_iter().map(|call| call.session).collect())
    }
}

//! What a client is told of its writes is what the committed history says, and its answers come in
//! the order of its requests.

use zareba_model::{Answer, Claim, ErrorCode, Op, Outcome, Principal, SessionId, Write, Xid, Zxid};

use crate::identity;
use crate::invariants::locks::MOUNT;
use crate::invariants::{access, multi_atomicity};
use crate::oracle::Oracle;
use crate::violation::{Violation, hold};

const NAME: &str = "replies";

/// What is known of the request that is answered.
pub(crate) struct Asked<'a> {
    pub(crate) session: SessionId,
    pub(crate) xid: Xid,
    pub(crate) op: &'a Op,
    /// What was committed when it was sent first.
    pub(crate) committed: Zxid,
    /// Who asks.
    pub(crate) principals: &'a [Principal],
    /// The session is its server's own, or was when the request was sent.
    pub(crate) is_local: bool,
    pub(crate) was_local: bool,
}

pub(crate) fn check(
    oracle: &Oracle,
    asked: &Asked<'_>,
    zxid: Zxid,
    answer: &Answer,
) -> Result<(), Violation> {
    let (reference, who) = (&oracle.reference, asked.principals);
    match asked.op {
        Op::Sync
        | Op::LinearizableRead(_)
        | Op::MultiRead {
            linearizable: true, ..
        } => hold!(
            zxid >= asked.committed,
            NAME,
            "{:?} came back at {zxid}, asked when {} was committed",
            asked.op,
            asked.committed
        ),
        _ => {}
    }
    match asked.op {
        Op::Read(read) | Op::LinearizableRead(read) => {
            super::reads::check(reference, who, read, zxid, answer)
        }
        Op::MultiRead { reads, .. } => super::reads::check_all(reference, who, reads, zxid, answer),
        Op::Sync => must_end_well(asked, answer),
        // Judged where the client's watches and identities are.
        Op::Watch(_) => Ok(()),
        Op::Authenticate(claim) => of_claim(claim, answer),
        Op::Call { op, .. } if op == "holder" => Ok(()),
        _ => {
            of_local(asked, answer)?;
            in_history(oracle, asked, zxid, answer)?;
            of_refusal(oracle, asked, zxid, answer)?;
            of_lock(oracle, asked, answer)
        }
    }
}

fn of_claim(claim: &Claim, answer: &Answer) -> Result<(), Violation> {
    let right = match (identity::prove(claim), answer) {
        (Ok(proved), Ok(Outcome::Authenticated(told))) => proved == *told,
        (Err(refused), Err(fault)) => fault.code == refused.code,
        _ => false,
    };
    hold!(right, NAME, "{claim:?} was answered {answer:?}");
    Ok(())
}

/// A server's own session changes nothing.
fn of_local(asked: &Asked<'_>, answer: &Answer) -> Result<(), Violation> {
    let refused = answer
        .as_ref()
        .is_err_and(|fault| fault.code == ErrorCode::LocalSession);
    let right = match (asked.is_local, asked.was_local) {
        (true, _) => refused,
        (false, true) => true,
        (false, false) => !refused,
    };
    hold!(
        right,
        "local_sessions",
        "{:?} of {} was answered {answer:?}",
        asked.op,
        asked.session
    );
    Ok(())
}

/// What was refused was to be refused at some time since it was asked.
fn of_refusal(
    oracle: &Oracle,
    asked: &Asked<'_>,
    zxid: Zxid,
    answer: &Answer,
) -> Result<(), Violation> {
    let Err(fault) = answer else { return Ok(()) };
    let during = oracle.during(asked.committed, zxid);
    match fault.code {
        ErrorCode::NoAuth => {
            let request = (asked.op, asked.principals);
            access::of_refusal(&oracle.reference, request, during, fault.index)
        }
        ErrorCode::QuotaExceeded => {
            access::of_quota_refusal(&oracle.reference, asked.op, during, fault.code)
        }
        _ => Ok(()),
    }
}

fn in_history(
    oracle: &Oracle,
    asked: &Asked<'_>,
    zxid: Zxid,
    answer: &Answer,
) -> Result<(), Violation> {
    let executed = oracle.executed.get(&(asked.session, asked.xid));
    let right = match executed {
        Some(executed) => executed.zxid <= zxid && executed.answer.as_ref() == Some(answer),
        None => answer.is_err(),
    };
    hold!(
        right,
        NAME,
        "request {} of {} ({:?}) was answered {answer:?} at {zxid}, but the history has {executed:?}",
        asked.xid.0,
        asked.session,
        asked.op
    );
    match asked.op {
        Op::Write(Write::Multi(changes)) => multi_atomicity::check(changes, answer, executed),
        Op::Write(Write::CloseSession) => must_end_well(asked, answer),
        Op::Write(Write::KillSession(killed)) if answer.is_ok() => {
            let ended = oracle.closed.get(killed);
            hold!(
                ended.is_some() && ended == executed.map(|it| &it.zxid),
                NAME,
                "{killed} was killed, but ended at {ended:?}"
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

fn must_end_well(asked: &Asked<'_>, answer: &Answer) -> Result<(), Violation> {
    hold!(
        answer.is_ok() || is_of_session(answer),
        NAME,
        "{:?} was answered {answer:?}",
        asked.op
    );
    Ok(())
}

fn is_of_session(answer: &Answer) -> bool {
    answer.as_ref().is_err_and(|fault| {
        matches!(
            fault.code,
            ErrorCode::SessionExpired | ErrorCode::SessionMoved | ErrorCode::NotServing
        )
    })
}

/// Who is told that it has a lock was given it.
fn of_lock(oracle: &Oracle, asked: &Asked<'_>, answer: &Answer) -> Result<(), Violation> {
    let Op::Call { mount, op, .. } = asked.op else {
        return Ok(());
    };
    if oracle.court.is_some() {
        return Ok(());
    }
    let (Ok(Outcome::Called(token)), "acquire", MOUNT) = (answer, op.as_str(), mount.as_str())
    else {
        return Ok(());
    };
    let token = <[u8; 8]>::try_from(token.as_ref()).map(u64::from_be_bytes);
    hold!(
        token.is_ok_and(|token| oracle.locks.was_granted(asked.session, token)),
        "locks",
        "{} was told that it has a lock by {answer:?}, which was never given",
        asked.session
    );
    Ok(())
}

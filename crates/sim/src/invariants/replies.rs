//! What a client is told of its writes is what the committed history says, and its answers come in
//! the order of its requests.

use zareba_model::{Answer, ErrorCode, Op, Outcome, SessionId, Write, Xid, Zxid};

use crate::invariants::locks::MOUNT;
use crate::invariants::multi_atomicity;
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
}

pub(crate) fn check(
    oracle: &Oracle,
    asked: &Asked<'_>,
    zxid: Zxid,
    answer: &Answer,
) -> Result<(), Violation> {
    match asked.op {
        Op::Read(read) => super::reads::check(&oracle.reference, &[&[]], read, zxid, answer),
        Op::Call { op, .. } if op == "holder" => Ok(()),
        Op::Sync | Op::LinearizableRead(_) => {
            hold!(
                zxid >= asked.committed,
                NAME,
                "{:?} came back at {zxid}, asked when {} was committed",
                asked.op,
                asked.committed
            );
            match asked.op {
                Op::LinearizableRead(read) => {
                    super::reads::check(&oracle.reference, &[&[]], read, zxid, answer)
                }
                _ => must_end_well(asked, answer),
            }
        }
        _ => {
            in_history(oracle, asked, zxid, answer)?;
            of_lock(oracle, asked, answer)
        }
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

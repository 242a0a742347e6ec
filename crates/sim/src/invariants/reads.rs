//! A read tells what was there when the transaction was applied that its reply names, if the asker may
//! see it; several reads together tell of the same transaction.

use zareba_model::{
    Acl, Answer, ErrorCode, Lifetime, Outcome, Permissions, Principal, Read, ReadOutcome,
    ZnodePath, Zxid,
};

use crate::reference::{Reference, Seen};
use crate::rules::grants;
use crate::violation::{Violation, hold};

const NAME: &str = "reads";

/// Judges one read of who had proved these identities.
pub(crate) fn check(
    reference: &Reference,
    who: &[Principal],
    read: &Read,
    zxid: Zxid,
    answer: &Answer,
) -> Result<(), Violation> {
    let expected = expected(reference, who, read, zxid);
    let right = match (&expected, answer) {
        (Ok(expected), Ok(outcome)) => Outcome::from(expected.clone()) == *outcome,
        (Err(code), Err(fault)) => fault.code == *code,
        _ => false,
    };
    hold!(
        right,
        NAME,
        "{read:?} at {zxid} by {who:?} was answered {answer:?}, but there was {expected:?}"
    );
    Ok(())
}

/// Judges several reads of one point in time.
pub(crate) fn check_all(
    reference: &Reference,
    who: &[Principal],
    reads: &[Read],
    zxid: Zxid,
    answer: &Answer,
) -> Result<(), Violation> {
    let Ok(Outcome::MultiRead(answers)) = answer else {
        let what = format!("{} reads together were answered {answer:?}", reads.len());
        return Err(Violation::new(NAME, what));
    };
    hold!(
        answers.len() == reads.len(),
        NAME,
        "{reads:?} were answered {answers:?}"
    );
    for (read, one) in reads.iter().zip(answers) {
        let one = one.clone().map(Outcome::from);
        check(reference, who, read, zxid, &one)?;
    }
    Ok(())
}

fn expected(
    reference: &Reference,
    principals: &[Principal],
    read: &Read,
    zxid: Zxid,
) -> Result<ReadOutcome, ErrorCode> {
    let seen = |path| seen_at(reference, path, zxid);
    let found = |path| {
        let seen = seen_at(reference, path, zxid).ok_or(ErrorCode::NoNode)?;
        may(seen, principals, Permissions::READ).map(|()| seen)
    };
    match read {
        Read::Get { path, .. } => found(path).map(|seen| ReadOutcome::Got {
            data: seen.data.clone(),
            stat: seen.stat,
        }),
        Read::Exists { path, .. } => Ok(ReadOutcome::Existence(seen(path).map(|seen| seen.stat))),
        Read::Children { path, .. } => found(path).map(|seen| ReadOutcome::Children {
            names: reference.names_at(path, zxid).map(str::to_owned).collect(),
            stat: seen.stat,
            more: false,
        }),
        Read::Acl { path } => {
            let seen = seen(path).ok_or(ErrorCode::NoNode)?;
            let administers = may(seen, principals, Permissions::ADMIN).is_ok();
            if !administers {
                may(seen, principals, Permissions::READ)?;
            }
            let stat = seen.stat;
            let acl = match administers {
                true => seen.acl.clone(),
                false => without_hashes(&seen.acl),
            };
            Ok(ReadOutcome::GotAcl { acl, stat })
        }
        Read::PluginStats { .. } | Read::PluginLog { .. } => {
            unreachable!("no client asks what a server has seen of its plugins")
        }
        Read::Count { path } => {
            found(path)?;
            let within = reference.within_at(path, zxid).count() as u64;
            Ok(ReadOutcome::Counted(within - 1))
        }
        Read::Ephemerals {
            session,
            under,
            page,
        } => {
            if let Some(seen) = seen(under) {
                may(seen, principals, Permissions::READ)?;
            }
            let of = |seen: &Seen| match seen.stat.lifetime {
                Lifetime::Ephemeral(owner) => session.is_none_or(|session| session == owner),
                _ => false,
            };
            let within = reference.within_at(under, zxid);
            let all = within.filter(|(path, seen)| {
                of(seen) && page.after.as_ref().is_none_or(|after| *path > after)
            });
            let mut paths: Vec<ZnodePath> = all.map(|(path, _)| path.clone()).collect();
            let limit = if page.limit == 0 {
                usize::MAX
            } else {
                page.limit as usize
            };
            let more = paths.len() > limit;
            paths.truncate(limit);
            Ok(ReadOutcome::Paths { paths, more })
        }
        Read::WhoAmI => Ok(ReadOutcome::Identities(principals.to_vec())),
    }
}

fn seen_at<'a>(reference: &'a Reference, path: &ZnodePath, zxid: Zxid) -> Option<&'a Seen> {
    reference.at(path, zxid)
}

fn may(seen: &Seen, principals: &[Principal], wanted: Permissions) -> Result<(), ErrorCode> {
    match grants(&seen.acl, principals, wanted) {
        true => Ok(()),
        false => Err(ErrorCode::NoAuth),
    }
}

/// As somebody sees it who does not administer the node.
fn without_hashes(acl: &Acl) -> Acl {
    let mut shown = acl.clone();
    for entry in &mut shown.0 {
        if entry.principal.scheme == "digest" {
            let user = entry.principal.id.split(':').next().unwrap_or_default();
            entry.principal.id = format!("{user}:x");
        }
    }
    shown
}

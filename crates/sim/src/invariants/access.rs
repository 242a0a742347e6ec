//! No change without the permission for it: CREATE and DELETE on the parent, WRITE and ADMIN on the node,
//! READ for a check, ADMIN on the ensemble's list for what concerns everybody. Judged where the change
//! stands in the history, so that what was on its way counts. A refusal for want of a permission must
//! have been right at some time between question and answer.

use zareba_model::{
    Acl, AclEntry, Answer, Change, Effect, ErrorCode, Op, Permissions, Principal, Write, ZnodePath,
    Zxid,
};

use crate::invariants::locks::MOUNT;
use crate::reference::{RESERVED, Reference, is_within};
use crate::rules::grants;
use crate::violation::{Violation, hold};

const NAME: &str = "access";

/// A request as its session has asked it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) op: Op,
    pub(crate) principals: Vec<Principal>,
}

/// A request is executed, before its effects.
pub(crate) fn of_request(
    reference: &Reference,
    request: &Request,
    zxid: Zxid,
    answer: Option<&Answer>,
) -> Result<(), Violation> {
    let Op::Write(write) = &request.op else {
        return Ok(());
    };
    let list = reference.administrators_at(zxid);
    hold!(
        !administers(write) || grants(&list, &request.principals, Permissions::ADMIN),
        NAME,
        "{request:?} was executed at {zxid} though {list:?} says who may administer"
    );
    if let (Write::Change(Change::Check { path, .. }), Some(Ok(_))) = (write, answer) {
        let seen = reference.node(path);
        hold!(
            seen.is_some_and(|seen| grants(&seen.acl, &request.principals, Permissions::READ)),
            NAME,
            "{request:?} was executed at {zxid}, where {seen:?} was"
        );
    }
    Ok(())
}

/// One effect of a request, before it is applied.
pub(crate) fn of_effect(
    reference: &Reference,
    request: &Request,
    zxid: Zxid,
    effect: &Effect,
) -> Result<(), Violation> {
    let Op::Write(write) = &request.op else {
        return Ok(());
    };
    if !matches!(
        write,
        Write::Change(_) | Write::Multi(_) | Write::DeleteSubtree { .. }
    ) {
        return Ok(());
    }
    let (guarded, wanted) = match effect {
        Effect::CreateNode { path, .. } => (path.parent(), Permissions::CREATE),
        Effect::DeleteNode { path } => (path.parent(), Permissions::DELETE),
        Effect::SetNode { path, .. } => (Some(path.clone()), Permissions::WRITE),
        Effect::SetAcl { path, .. } => (Some(path.clone()), Permissions::ADMIN),
        _ => return Ok(()),
    };
    let Some(guarded) = guarded.filter(|path| !path.as_str().starts_with(MOUNT)) else {
        return Ok(());
    };
    let acl = match guarded.as_str() {
        RESERVED => Some(reference.administrators_at(zxid)),
        _ => reference.node(&guarded).map(|seen| seen.acl.clone()),
    };
    hold!(
        acl.as_ref()
            .is_some_and(|acl| grants(acl, &request.principals, wanted)),
        NAME,
        "{effect:?} at {zxid} by {:?}, but {guarded} has {acl:?}",
        request.principals
    );
    if let Effect::CreateNode { acl, .. } | Effect::SetAcl { acl, .. } = effect {
        let asked = changes(write).iter().filter_map(list_of);
        let mut kept = asked.map(|asked| expanded(asked, &request.principals));
        hold!(
            kept.any(|kept| kept == *acl),
            NAME,
            "{effect:?} at {zxid} keeps another list than {write:?} by {:?}",
            request.principals
        );
    }
    Ok(())
}

/// A request was refused for want of a permission; `during` is every state between question and answer.
pub(crate) fn of_refusal(
    reference: &Reference,
    request: (&Op, &[Principal]),
    during: impl Iterator<Item = Zxid>,
    index: Option<u32>,
) -> Result<(), Violation> {
    let (op, principals) = request;
    let Op::Write(write) = op else { return Ok(()) };
    let mut during = during;
    hold!(
        during.any(|zxid| is_forbidden(reference, write, principals, zxid, index)),
        NAME,
        "{op:?} by {principals:?} was refused, though it was allowed all the time"
    );
    Ok(())
}

fn is_forbidden(
    reference: &Reference,
    write: &Write,
    principals: &[Principal],
    zxid: Zxid,
    index: Option<u32>,
) -> bool {
    let lacks = |acl: &Acl, wanted| !grants(acl, principals, wanted);
    if administers(write) && lacks(&reference.administrators_at(zxid), Permissions::ADMIN) {
        return true;
    }
    if let Write::DeleteSubtree { path } = write {
        let mut within = reference.within_at(path, zxid);
        return within.any(|(path, _)| {
            let parent = path.parent().and_then(|parent| reference.at(&parent, zxid));
            parent.is_some_and(|parent| lacks(&parent.acl, Permissions::DELETE))
        });
    }
    let all = changes(write);
    let place = index.map_or(0, |index| index as usize);
    let Some(change) = all.get(place) else {
        return false;
    };
    let (guarded, wanted) = needs(change);
    if guarded.as_str() == RESERVED {
        // Nobody writes there; its list is the administrators' affair.
        return !matches!(change, Change::SetAcl { .. })
            || lacks(&reference.administrators_at(zxid), wanted);
    }
    // What the multi has done to that node before counts.
    let staged = all.get(..place).unwrap_or(&[]).iter().rev();
    let names = |change: &&Change| match change {
        // Nobody knows its name before it is there.
        Change::Create { mode, .. } if mode.is_sequential() => false,
        change => *change.path() == guarded,
    };
    let staged = staged.filter(names).find_map(list_of);
    match staged {
        Some(acl) => lacks(&expanded(acl, principals), wanted),
        None => reference
            .at(&guarded, zxid)
            .is_some_and(|seen| lacks(&seen.acl, wanted)),
    }
}

/// What a change needs, and of which node.
fn needs(change: &Change) -> (ZnodePath, Permissions) {
    let path = change.path();
    let parent = || path.parent().unwrap_or_else(ZnodePath::root);
    match change {
        Change::Create { .. } => (parent(), Permissions::CREATE),
        Change::Delete { .. } => (parent(), Permissions::DELETE),
        Change::Set { .. } => (path.clone(), Permissions::WRITE),
        Change::SetAcl { .. } => (path.clone(), Permissions::ADMIN),
        Change::Check { .. } => (path.clone(), Permissions::READ),
    }
}

/// What concerns everybody.
fn administers(write: &Write) -> bool {
    matches!(
        write,
        Write::Plugin(_) | Write::Ensemble(_) | Write::SetQuota { .. } | Write::KillSession(_)
    )
}

fn changes(write: &Write) -> &[Change] {
    match write {
        Write::Change(change) => std::slice::from_ref(change),
        Write::Multi(changes) => changes,
        _ => &[],
    }
}

fn list_of(change: &Change) -> Option<&Acl> {
    match change {
        Change::Create { acl, .. } | Change::SetAcl { acl, .. } => Some(acl),
        _ => None,
    }
}

/// A list as it is kept: `auth` stands for whatever the asker has proved.
fn expanded(acl: &Acl, principals: &[Principal]) -> Acl {
    let mut kept = Vec::new();
    for entry in &acl.0 {
        if entry.principal.scheme != "auth" {
            kept.push(entry.clone());
            continue;
        }
        let proved = principals.iter().filter(|one| one.scheme == "digest");
        kept.extend(proved.map(|one| AclEntry {
            permissions: entry.permissions,
            principal: one.clone(),
        }));
    }
    Acl(kept)
}

/// A hard limit was the reason: there was one above what was asked for.
pub(crate) fn of_quota_refusal(
    reference: &Reference,
    op: &Op,
    during: impl Iterator<Item = Zxid>,
    code: ErrorCode,
) -> Result<(), Violation> {
    let Op::Write(write) = op else { return Ok(()) };
    let mut during = during;
    let is_limited = |zxid| {
        let mut all = reference.quotas.at(zxid).iter();
        all.any(|it| {
            let is_hard = it.quota.nodes_hard.is_some() || it.quota.bytes_hard.is_some();
            let changes = changes(write);
            let mut above = changes
                .iter()
                .map(|change| is_within(change.path(), &it.path));
            is_hard && (changes.is_empty() || above.any(|above| above))
        })
    };
    hold!(
        during.any(is_limited),
        "quotas",
        "{op:?} was refused with {code}, though nothing was limited"
    );
    Ok(())
}

//! What clients ask of the kernel: a small tree that many of them change, read and watch at once. Knows
//! no client's state but what it is shown.

use bytes::Bytes;
use zareba_model::{
    Acl, AclEntry, Change, ChildrenPage, CreateMode, Op, PathsPage, Permissions, Principal, Quota,
    Read, SessionId, WatchKind, WatchOp, Write, ZnodePath, Zxid,
};

use super::{View, path};
use crate::dice::Dice;
use crate::identity::{self, NAMES as USERS};
use crate::reference::RESERVED;

const NAMES: [&str; 5] = ["/a", "/b", "/c", "/d", "/e"];

/// Something that is answered where the session is held.
pub(super) fn read(view: &View<'_>, dice: &mut Dice) -> Op {
    match dice.below(12) {
        0 | 1 => watch(view, dice),
        2 => Op::MultiRead {
            reads: (0..dice.between(1, 4))
                .map(|_| one_read(view, false, dice))
                .collect(),
            linearizable: dice.percent(30),
        },
        3 => Op::LinearizableRead(one_read(view, dice.percent(40), dice)),
        _ => Op::Read(one_read(view, dice.percent(40), dice)),
    }
}

fn watch(view: &View<'_>, dice: &mut Dice) -> Op {
    if dice.percent(30)
        && let Some((path, kind)) = view.watches.nth(dice.next())
    {
        return Op::Watch(WatchOp::Remove { path, kind });
    }
    let path = match dice.below(6) {
        0 => ZnodePath::root(),
        1 => path(RESERVED),
        _ => any_path(dice),
    };
    let since = match dice.below(4) {
        0 => Some(view.whole),
        1 => Some(Zxid::ZERO),
        _ => None,
    };
    Op::Watch(WatchOp::Add {
        path,
        recursive: dice.percent(50),
        since,
    })
}

fn one_read(view: &View<'_>, watch: bool, dice: &mut Dice) -> Read {
    let path = any_path(dice);
    match dice.below(12) {
        0..=2 => Read::Get { path, watch },
        3..=5 => Read::Exists { path, watch },
        6..=7 => Read::Children {
            path,
            page: ChildrenPage::default(),
            watch,
        },
        8 => Read::Acl { path },
        9 => Read::Count { path },
        10 => ephemerals(view, path, dice),
        _ => Read::WhoAmI,
    }
}

fn ephemerals(view: &View<'_>, under: ZnodePath, dice: &mut Dice) -> Read {
    Read::Ephemerals {
        session: dice.percent(50).then(|| some_session(view, dice)),
        under: if dice.percent(50) {
            ZnodePath::root()
        } else {
            under
        },
        page: PathsPage {
            after: dice.percent(20).then(|| any_path(dice)),
            limit: dice.pick(&[0, 0, 1, 2]).unwrap_or(0),
        },
    }
}

fn some_session(view: &View<'_>, dice: &mut Dice) -> SessionId {
    let all: Vec<SessionId> = view.tree.sessions().map(|it| it.id).collect();
    dice.pick(&all).unwrap_or(SessionId(7))
}

/// Something that the leader orders.
pub(super) fn write(view: &View<'_>, dice: &mut Dice) -> Op {
    Op::Write(match dice.below(100) {
        0..=14 => Write::Multi((0..dice.between(1, 4)).map(|_| change(dice)).collect()),
        15 | 16 => Write::DeleteSubtree {
            path: any_path(dice),
        },
        17..=19 => Write::SetQuota {
            path: if dice.once_in(8) {
                ZnodePath::root()
            } else {
                any_path(dice)
            },
            quota: quota(dice),
        },
        20 if dice.once_in(3) => Write::KillSession(some_session(view, dice)),
        21 if dice.once_in(3) => Write::Change(Change::SetAcl {
            path: path(RESERVED),
            acl: acl(dice),
            version: dice.percent(20).then(|| dice.below(3)),
        }),
        _ => Write::Change(change(dice)),
    })
}

fn quota(dice: &mut Dice) -> Quota {
    let mut limit = |low, high| dice.percent(40).then(|| dice.between(low, high));
    Quota {
        nodes_soft: limit(1, 5),
        nodes_hard: limit(2, 12),
        bytes_soft: limit(10, 100),
        bytes_hard: limit(50, 4_000),
    }
}

fn change(dice: &mut Dice) -> Change {
    let path = any_path(dice);
    let version = dice.percent(20).then(|| dice.below(3));
    match dice.below(22) {
        0..=8 => Change::Create {
            path,
            data: data(dice),
            mode: mode(dice),
            acl: if dice.percent(15) {
                acl(dice)
            } else {
                Acl::open()
            },
        },
        9..=14 => Change::Set {
            path,
            data: data(dice),
            version,
        },
        15..=18 => Change::Delete { path, version },
        19 => Change::SetAcl {
            path,
            acl: acl(dice),
            version,
        },
        _ => Change::Check { path, version },
    }
}

fn mode(dice: &mut Dice) -> CreateMode {
    let ttl_ms = dice.between(100, 1_200);
    dice.pick(&[
        CreateMode::Persistent,
        CreateMode::Persistent,
        CreateMode::Persistent,
        CreateMode::PersistentSequential,
        CreateMode::Ephemeral,
        CreateMode::Ephemeral,
        CreateMode::EphemeralSequential,
        CreateMode::Container,
        CreateMode::Ttl(ttl_ms),
        CreateMode::TtlSequential(ttl_ms),
    ])
    .unwrap_or_default()
}

/// Often the open list, so that not everything is shut in the end.
fn acl(dice: &mut Dice) -> Acl {
    let anyone = || Principal {
        scheme: "world".to_owned(),
        id: "anyone".to_owned(),
    };
    let near = || Principal {
        scheme: "ip".to_owned(),
        id: "10.0.0.2/31".to_owned(),
    };
    let auth = || Principal {
        scheme: "auth".to_owned(),
        id: String::new(),
    };
    let user = identity::named(dice.pick(&USERS).unwrap_or("ann"));
    let some = Permissions(dice.below(32) as u8);
    let entry = |permissions, principal| AclEntry {
        permissions,
        principal,
    };
    match dice.below(8) {
        0 => Acl(vec![entry(Permissions::ALL, user)]),
        1 => Acl(vec![entry(some, anyone())]),
        2 => Acl(vec![entry(some, anyone()), entry(Permissions::ALL, user)]),
        3 => Acl(vec![entry(Permissions::READ, user), entry(some, near())]),
        4 => Acl(vec![entry(Permissions::ALL, auth())]),
        _ => Acl::open(),
    }
}

fn data(dice: &mut Dice) -> Bytes {
    let length = if dice.once_in(20) { 3_000 } else { 20 };
    Bytes::from(vec![dice.next() as u8; dice.below(length) as usize])
}

fn any_path(dice: &mut Dice) -> ZnodePath {
    let above = dice.pick(&NAMES).unwrap_or("/a");
    if dice.percent(50) {
        // A neighbour whose name begins alike is nobody's child.
        return path(if dice.once_in(8) { "/ab" } else { above });
    }
    let below = dice.pick(&NAMES).unwrap_or("/a");
    path(&format!("{above}{below}"))
}

/// The kinds of watch, for whoever counts them.
pub(crate) const fn kind_of(recursive: bool) -> WatchKind {
    match recursive {
        true => WatchKind::Recursive,
        false => WatchKind::Persistent,
    }
}

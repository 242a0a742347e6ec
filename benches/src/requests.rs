//! Requests, their answers and the transactions that they become, with 1 KiB of data.
//! Must never know what is done with them.

use bytes::Bytes;
use zareba_model::{
    Acked, Acl, Cause, Change, CreateMode, Effect, Lifetime, Op, Outcome, Password, Read, ServerId,
    SessionId, Stat, Txn, Write, Xid, ZnodePath, Zxid,
};

/// The session of all requests here.
pub const SESSION: SessionId = SessionId(1);

/// Nodes that sets and gets go round over: more than the caches of a core hold.
pub const NODES: u64 = 10_000;

/// A value of 1 KiB; clones share it.
pub fn value() -> Bytes {
    Bytes::from(vec![7; 1024])
}

/// A path of this house.
pub fn path(text: &str) -> ZnodePath {
    ZnodePath::parse(text).expect("a benchmark's paths are valid")
}

/// The path of the node of that number.
pub fn node(number: u64) -> ZnodePath {
    path(&format!("/bench/node-{number:07}"))
}

/// The parent of all numbered nodes.
pub fn folder() -> ZnodePath {
    path("/bench")
}

/// A client's create.
pub fn create(path: ZnodePath) -> Op {
    Op::Write(Write::Change(Change::Create {
        path,
        data: value(),
        mode: CreateMode::Persistent,
        acl: Acl::open(),
    }))
}

/// A client's set.
pub fn set(path: ZnodePath, data: Bytes) -> Op {
    Op::Write(Write::Change(Change::Set {
        path,
        data,
        version: None,
    }))
}

/// A client's get.
pub fn get(path: ZnodePath) -> Op {
    Op::Read(Read::Get { path, watch: false })
}

/// The transaction that opens the session.
pub fn open_session() -> Txn {
    system(vec![Effect::OpenSession {
        session: SESSION,
        password: Password([0; 16]),
        timeout_ms: 10_000,
        server: ServerId(1),
    }])
}

/// The transaction that creates the parent of all numbered nodes.
pub fn create_folder() -> Txn {
    create_at(folder(), Bytes::new(), 1)
}

/// The transaction that creates a numbered node as its parent's child of that count.
pub fn create_txn(number: u64, data: Bytes, parent_created: u64) -> Txn {
    create_at(node(number), data, parent_created)
}

/// The transaction that creates a node as its parent's child of that count.
pub fn create_at(path: ZnodePath, data: Bytes, parent_created: u64) -> Txn {
    system(vec![Effect::CreateNode {
        path,
        data,
        acl: Acl::open(),
        lifetime: Lifetime::Persistent,
        parent_created,
    }])
}

/// The transaction that deletes a node.
pub fn delete_txn(number: u64) -> Txn {
    system(vec![Effect::DeleteNode { path: node(number) }])
}

/// The transaction of a session's set, with the result that is kept for it.
pub fn set_txn(path: ZnodePath, xid: u64, version: u64) -> Txn {
    Txn {
        time: 1_700_000_000_000,
        cause: Cause::Request {
            session: SESSION,
            xid: Xid(xid),
            acked: Acked::up_to(Xid(xid.saturating_sub(1))),
            answer: Some(Ok(Outcome::Set(stat(version)))),
        },
        effects: vec![Effect::SetNode {
            path,
            data: value(),
            version,
        }],
        mark: None,
    }
}

/// A stat like those of a server that has run for a while.
pub fn stat(version: u64) -> Stat {
    Stat {
        czxid: Zxid::new(3, 70_000),
        mzxid: Zxid::new(3, 1_000_000),
        pzxid: Zxid::new(3, 70_000),
        ctime: 1_700_000_000_000,
        mtime: 1_700_000_100_000,
        version,
        data_length: 1024,
        ..Stat::default()
    }
}

fn system(effects: Vec<Effect>) -> Txn {
    Txn {
        time: 1_700_000_000_000,
        cause: Cause::System,
        effects,
        mark: None,
    }
}

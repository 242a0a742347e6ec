//! How large a request will be in a frame, from above. Knows no session.

use std::collections::BTreeMap;

use zareba_model::limits::ADDRESS_BYTES_MAX;
use zareba_model::{Acl, Change, Claim, Op, PluginOp, Read, WatchOp, Write};

use crate::limits::{FRAME_OVERHEAD_BYTES, ITEM_OVERHEAD_BYTES};

/// At least as many bytes as the request will take, cheaply. An xid is spent for good, so that
/// what cannot be sent must be refused before it gets one.
pub(super) fn estimate(op: &Op) -> usize {
    let variable = match op {
        Op::Read(one) | Op::LinearizableRead(one) => read(one),
        Op::MultiRead { reads, .. } => reads.iter().map(read).sum(),
        Op::Write(write) => self::write(write),
        Op::Sync => 0,
        Op::Call { mount, op, input } | Op::Explain { mount, op, input } => {
            mount.as_str().len() + op.len() + input.len()
        }
        Op::Watch(WatchOp::Add { path, .. } | WatchOp::Remove { path, .. }) => path.as_str().len(),
        Op::Authenticate(Claim { scheme, credential }) => scheme.len() + credential.0.len(),
    };
    variable + FRAME_OVERHEAD_BYTES
}

fn read(read: &Read) -> usize {
    let path = read.path().map_or(0, |path| path.as_str().len());
    let page = match read {
        Read::Children { page, .. } => {
            page.prefix.len() + page.after.as_ref().map_or(0, String::len)
        }
        Read::Ephemerals { page, .. } => page.after.as_ref().map_or(0, |it| it.as_str().len()),
        Read::Get { .. }
        | Read::Exists { .. }
        | Read::Acl { .. }
        | Read::Count { .. }
        | Read::PluginStats { .. }
        | Read::PluginLog { .. }
        | Read::WhoAmI => 0,
    };
    path + page + ITEM_OVERHEAD_BYTES
}

fn write(write: &Write) -> usize {
    match write {
        Write::Change(one) => change(one),
        Write::Multi(changes) => changes.iter().map(change).sum(),
        Write::Plugin(op) => plugin(op),
        // Two addresses at most.
        Write::Ensemble(_) => 2 * ADDRESS_BYTES_MAX,
        Write::CloseSession | Write::KillSession(_) => 0,
        Write::DeleteSubtree { path } => path.as_str().len(),
        Write::SetQuota { path, .. } => path.as_str().len() + ITEM_OVERHEAD_BYTES,
    }
}

fn change(change: &Change) -> usize {
    let data = match change {
        Change::Create {
            data, acl: list, ..
        } => data.len() + acl(list),
        Change::Set { data, .. } => data.len(),
        Change::SetAcl { acl: list, .. } => acl(list),
        Change::Delete { .. } | Change::Check { .. } => 0,
    };
    data + change.path().as_str().len() + ITEM_OVERHEAD_BYTES
}

fn acl(acl: &Acl) -> usize {
    let entries = acl.0.iter().map(|entry| {
        let principal = &entry.principal;
        principal.scheme.len() + principal.id.len() + ITEM_OVERHEAD_BYTES
    });
    entries.sum()
}

fn plugin(op: &PluginOp) -> usize {
    match op {
        PluginOp::PushChunk { name, data, .. } => name.len() + data.len(),
        PluginOp::Mount {
            name, path, config, ..
        } => name.len() + path.as_str().len() + self::config(config),
        PluginOp::Configure { path, config, .. } => path.as_str().len() + self::config(config),
        PluginOp::Register {
            name, signature, ..
        } => {
            let signature = signature.as_ref();
            name.len() + signature.map_or(0, |it| it.publisher.len() + it.bytes.len())
        }
        PluginOp::Pause { path, reason } => path.as_str().len() + reason.len(),
        PluginOp::Activate { name, .. }
        | PluginOp::Remove { name, .. }
        | PluginOp::SetPublisher { name, .. } => name.len(),
        PluginOp::Unmount { path }
        | PluginOp::Resume { path }
        | PluginOp::ClearQuarantine { path, .. } => path.as_str().len(),
        PluginOp::RequireSignatures(_) => 0,
    }
}

fn config(config: &BTreeMap<String, String>) -> usize {
    let pairs = config.iter();
    let pairs = pairs.map(|(key, value)| key.len() + value.len() + ITEM_OVERHEAD_BYTES);
    pairs.sum()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use zareba_model::{
        Acked, AclEntry, ChildrenPage, Credential, PathsPage, Permissions, Principal, Quota,
        SessionId, WatchKind, Xid, ZnodePath, Zxid,
    };
    use zareba_wire::ClientMessage;

    use super::*;

    fn path() -> ZnodePath {
        ZnodePath::parse(&format!("/{}", "x".repeat(3_000))).unwrap()
    }

    fn large_requests() -> Vec<Op> {
        let acl = Acl(vec![AclEntry {
            permissions: Permissions::ALL,
            principal: Principal {
                scheme: "digest".to_owned(),
                id: "i".repeat(1_000),
            },
        }]);
        let reads = [
            Read::Acl { path: path() },
            Read::Count { path: path() },
            Read::WhoAmI,
            Read::Ephemerals {
                session: Some(SessionId(u64::MAX)),
                under: path(),
                page: PathsPage {
                    after: Some(path()),
                    limit: u32::MAX,
                },
            },
            Read::Children {
                path: path(),
                page: ChildrenPage {
                    after: Some("a".repeat(2_000)),
                    prefix: "p".repeat(2_000),
                    limit: u32::MAX,
                },
                watch: true,
            },
        ];
        let mut ops: Vec<_> = reads.iter().cloned().map(Op::Read).collect();
        ops.push(Op::MultiRead {
            reads: reads.iter().cycle().take(1_000).cloned().collect(),
            linearizable: true,
        });
        ops.push(Op::Watch(WatchOp::Add {
            path: path(),
            recursive: true,
            since: Some(Zxid::new(u32::MAX, u32::MAX)),
        }));
        let kind = WatchKind::Recursive;
        ops.push(Op::Watch(WatchOp::Remove { path: path(), kind }));
        ops.push(Op::Authenticate(Claim {
            scheme: "digest".to_owned(),
            credential: Credential("c".repeat(1_000)),
        }));
        let set_acl = Change::SetAcl {
            path: path(),
            acl,
            version: Some(u64::MAX),
        };
        ops.push(Op::Write(Write::Multi(vec![set_acl; 100])));
        ops.push(Op::Write(Write::DeleteSubtree { path: path() }));
        let most = Some(u64::MAX);
        ops.push(Op::Write(Write::SetQuota {
            path: path(),
            quota: Quota {
                nodes_soft: most,
                nodes_hard: most,
                bytes_soft: most,
                bytes_hard: most,
            },
        }));
        ops.push(Op::Write(Write::KillSession(SessionId(u64::MAX))));
        ops
    }

    #[test]
    fn no_request_is_larger_than_estimated() {
        for op in large_requests() {
            let estimated = estimate(&op);
            let mut frame = BytesMut::new();
            let (xid, acked) = (Xid(u64::MAX), Acked::up_to(Xid(u64::MAX)));
            let message = ClientMessage::Request { xid, acked, op };
            zareba_wire::encode_frame(&message, &mut frame).unwrap();
            assert!(frame.len() <= estimated, "{} > {estimated}", frame.len());
        }
    }
}

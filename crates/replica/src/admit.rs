//! The first look at a client's request, on the server that holds its session: is it within the
//! limits? Never looks at the tree.

use core::net::SocketAddr;

use zareba_model::limits::{
    ACKED_EXCEPT_MAX, ACL_ENTRIES_MAX, ADDRESS_BYTES_MAX, DATA_BYTES_MAX, IDENTITY_BYTES_MAX,
    MULTI_OPS_MAX, MULTI_READS_MAX,
};
use zareba_model::{
    Acked, Acl, AclEntry, Change, EnsembleChange, EnsembleOp, ErrorCode, Fault, Op, Read, Write,
};

/// Refuses what is too large before it costs anybody else anything.
pub(crate) fn check(op: &Op, acked: &Acked) -> Result<(), Fault> {
    if acked.except.len() > ACKED_EXCEPT_MAX {
        let why = format!("an acknowledgement leaves out at most {ACKED_EXCEPT_MAX} calls");
        return Err(Fault::new(ErrorCode::TooLarge, why));
    }
    match op {
        Op::Write(Write::Change(change)) => check_change(change),
        Op::Write(Write::Multi(changes)) => {
            if changes.len() > MULTI_OPS_MAX {
                let why = format!(
                    "{} changes; a multi has at most {MULTI_OPS_MAX}",
                    changes.len()
                );
                return Err(Fault::new(ErrorCode::TooLarge, why));
            }
            for (index, change) in changes.iter().enumerate() {
                check_change(change).map_err(|fault| fault.at(index))?;
            }
            Ok(())
        }
        Op::Call { input, .. } | Op::Explain { input, .. } => {
            check_length("the input", input.len())
        }
        Op::Write(Write::Ensemble(op)) => check_addresses(op),
        Op::Write(
            Write::Plugin(_)
            | Write::CloseSession
            | Write::DeleteSubtree { .. }
            | Write::SetQuota { .. }
            | Write::KillSession(_),
        ) => Ok(()),
        Op::MultiRead { reads, .. } => check_reads(reads),
        Op::Read(_) | Op::LinearizableRead(_) | Op::Watch(_) | Op::Authenticate(_) | Op::Sync => {
            Ok(())
        }
    }
}

fn check_reads(reads: &[Read]) -> Result<(), Fault> {
    if reads.len() > MULTI_READS_MAX {
        let why = format!(
            "{} reads; at most {MULTI_READS_MAX} come together",
            reads.len()
        );
        return Err(Fault::new(ErrorCode::TooLarge, why));
    }
    if reads.iter().any(Read::leaves_watch) {
        let why = "a read among several leaves no watch; add the watch by itself";
        return Err(Fault::new(ErrorCode::BadArguments, why));
    }
    Ok(())
}

fn check_addresses(op: &EnsembleOp) -> Result<(), Fault> {
    match op {
        EnsembleOp::Change {
            change:
                EnsembleChange::Add {
                    peer_address,
                    client_address,
                    ..
                }
                | EnsembleChange::Move {
                    peer_address,
                    client_address,
                    ..
                },
            ..
        } => check_address(peer_address).and_then(|()| check_address(client_address)),
        EnsembleOp::Change { .. } | EnsembleOp::AddToken { .. } => Ok(()),
    }
}

/// Refuses what is not `host:port`, and what is everywhere and so nowhere; whether anybody is there or
/// not.
pub(crate) fn check_address(address: &str) -> Result<(), Fault> {
    let parts = address.rsplit_once(':');
    let fits = parts.is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    let is_everywhere = address
        .parse::<SocketAddr>()
        .is_ok_and(|address| address.ip().is_unspecified());
    if is_everywhere {
        let why = format!(
            "at {address} a server can listen but nobody can reach it; an address of its host is \
             expected"
        );
        return Err(Fault::new(ErrorCode::BadArguments, why));
    }
    if fits && address.len() <= ADDRESS_BYTES_MAX {
        return Ok(());
    }
    let why = format!(
        "{address:?} is no address; a host and a port are expected, such as \"b.example.org:7401\""
    );
    Err(Fault::new(ErrorCode::BadArguments, why))
}

fn check_change(change: &Change) -> Result<(), Fault> {
    match change {
        Change::Create { data, acl, .. } => {
            check_length("the data", data.len())?;
            check_acl(acl)
        }
        Change::Set { data, .. } => check_length("the data", data.len()),
        Change::SetAcl { acl, .. } => check_acl(acl),
        Change::Delete { .. } | Change::Check { .. } => Ok(()),
    }
}

fn check_acl(acl: &Acl) -> Result<(), Fault> {
    if acl.0.len() > ACL_ENTRIES_MAX {
        let why = format!(
            "{} entries; an access control list has at most {ACL_ENTRIES_MAX}",
            acl.0.len()
        );
        return Err(Fault::new(ErrorCode::TooLarge, why));
    }
    let longest = |it: &AclEntry| it.principal.scheme.len().max(it.principal.id.len());
    let length = acl.0.iter().map(longest).max().unwrap_or(0);
    if length > IDENTITY_BYTES_MAX {
        let why = format!("an identity has at most {IDENTITY_BYTES_MAX} bytes, not {length}");
        return Err(Fault::new(ErrorCode::TooLarge, why));
    }
    Ok(())
}

fn check_length(what: &str, length: usize) -> Result<(), Fault> {
    if length <= DATA_BYTES_MAX {
        return Ok(());
    }
    let why = format!("{what} would have {length} bytes; the limit is {DATA_BYTES_MAX}");
    Err(Fault::new(ErrorCode::TooLarge, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use zareba_model::ZnodePath;

    #[test]
    fn too_much_data_is_refused_and_names_its_place_in_a_multi() {
        let set = |len| Change::Set {
            path: ZnodePath::root(),
            data: Bytes::from(vec![0; len]),
            version: None,
        };
        let check = |op| check(&op, &Acked::default());
        assert!(check(Op::Write(Write::Change(set(DATA_BYTES_MAX)))).is_ok());
        let fault = check(Op::Write(Write::Multi(vec![
            set(0),
            set(DATA_BYTES_MAX + 1),
        ])));
        let fault = fault.unwrap_err();
        assert_eq!((fault.code, fault.index), (ErrorCode::TooLarge, Some(1)));
    }

    #[test]
    fn an_address_is_one_that_others_can_reach() {
        for good in ["a.example.org:7401", "10.0.0.7:1", "[::1]:7401"] {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "a",
            ":7401",
            "a:",
            "a:0",
            "a:70000",
            "0.0.0.0:7401",
            "[::]:7401",
        ] {
            let fault = check_address(bad).unwrap_err();
            assert_eq!(fault.code, ErrorCode::BadArguments, "{bad}");
        }
    }
}

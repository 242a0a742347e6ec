//! Faults and the numbers in them. Says nothing of when they occur.

use crate::Fault;

/// The kernel's numbers; a plugin's own are above 0.
#[allow(missing_docs, reason = "the names are ZooKeeper's")]
pub mod code {
    pub const SYSTEM_ERROR: i32 = -1;
    pub const OPERATION_TIMEOUT: i32 = -7;
    pub const BAD_ARGUMENTS: i32 = -8;
    pub const NO_NODE: i32 = -101;
    pub const NO_AUTH: i32 = -102;
    pub const BAD_VERSION: i32 = -103;
    pub const NO_CHILDREN_FOR_EPHEMERALS: i32 = -108;
    pub const NODE_EXISTS: i32 = -110;
    pub const NOT_EMPTY: i32 = -111;
    pub const SESSION_EXPIRED: i32 = -112;
    pub const PLUGIN_TRAP: i32 = -204;
    pub const PLUGIN_LIMIT: i32 = -206;
    pub const PLUGIN_QUARANTINED: i32 = -208;
    pub const CALL_CANCELLED: i32 = -209;
}

/// A fault of one kind with its explanation.
pub fn refuse(code: i32, message: impl Into<String>) -> Fault {
    Fault {
        code,
        message: message.into(),
    }
}

/// The fault for an operation that the plugin does not have.
pub fn unknown_op(op: &str) -> Fault {
    refuse(
        code::BAD_ARGUMENTS,
        format!("no operation {op:?}; `zareba describe` lists them"),
    )
}

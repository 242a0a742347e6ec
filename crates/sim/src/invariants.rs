//! The properties, one file each. They judge; they change nothing of what they judge.

pub(crate) mod durability;
pub(crate) mod ephemerals;
pub(crate) mod expiry;
pub(crate) mod leadership;
pub(crate) mod liveness;
pub(crate) mod locks;
pub(crate) mod reads;
pub(crate) mod reference_model;
pub(crate) mod replies;
pub(crate) mod session_order;
pub(crate) mod sessions_held;
pub(crate) mod watches;

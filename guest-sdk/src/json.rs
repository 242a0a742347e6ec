//! Payloads as JSON, the way of the standard recipes. Knows no operation.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{code, refuse};
use crate::{Fault, Outcome};

/// Reads an operation's input; none at all is `{}`.
pub fn input<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    read(if bytes.is_empty() { b"{}" } else { bytes })
}

/// Reads JSON, such as a node's data; the fault says where it is wrong.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|e| {
        refuse(
            code::BAD_ARGUMENTS,
            format!("not the JSON expected here: {e}"),
        )
    })
}

/// Writes an answer or a node's data.
pub fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(value).map_err(|e| {
        refuse(
            code::SYSTEM_ERROR,
            format!("cannot be written as JSON: {e}"),
        )
    })
}

/// The answer of a command that is done.
pub fn done<T: Serialize>(value: &T) -> Result<Outcome, Fault> {
    write(value).map(Outcome::Done)
}

//! Jute's primitives, in an order that the input names. Must never know any record made of them.

use bytes::{Bytes, BytesMut};
use zareba_zk_wire::{JuteError, Reader, Writer};

use crate::input::Input;
use crate::memory::{Bound, within};

/// A string is copied; a vector of the shortest strings takes a `String` for four bytes.
const VALUES: Bound = Bound::per_byte(32);

/// What the lengths are bounded by: what has no bound yet must be refused by the bytes.
const MAXES: [usize; 4] = [0, 3, 64, usize::MAX];

/// Values are read until one is refused; written again they are the bytes that they came from.
pub(crate) fn jute(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let script = input.piece().unwrap_or_default();
    let record = Bytes::copy_from_slice(input.rest());
    let mut reader = Reader::new(record.clone());
    let mut written = BytesMut::new();
    for kind in script {
        let before = written.len();
        let mut writer = Writer::new(&mut written);
        let read = within(VALUES, record.len(), || {
            copy(*kind, &mut reader, &mut writer)
        });
        if read.is_err() {
            written.truncate(before);
            assert!(record.starts_with(&written));
            return;
        }
    }
    assert!(record.starts_with(&written));
    let end = match record.len() - written.len() {
        0 => Ok(()),
        left => Err(JuteError::TrailingBytes(left)),
    };
    assert_eq!(reader.finish(), end);
}

/// Reads one value and writes it.
fn copy(kind: u8, reader: &mut Reader, writer: &mut Writer<'_>) -> Result<(), JuteError> {
    let max = usize::from(kind >> 4) % MAXES.len();
    let max = MAXES.get(max).copied().unwrap_or_default();
    match kind & 0xf {
        0 => writer.int(reader.int()?),
        1 => writer.long(reader.long()?),
        2 => writer.bool(reader.bool()?),
        3 => writer.buffer(reader.buffer(max)?.as_deref())?,
        4 => writer.ustring(reader.ustring(max)?.as_deref())?,
        5 => {
            let members = reader.vector(max, Reader::int)?;
            let write = |writer: &mut Writer<'_>, member: &i32| {
                writer.int(*member);
                Ok(())
            };
            writer.vector(members.as_deref(), write)?;
        }
        _ => {
            let members = reader.vector(max, |reader| reader.ustring(max))?;
            let write = |writer: &mut Writer<'_>, member: &Option<String>| {
                writer.ustring(member.as_deref())
            };
            writer.vector(members.as_deref(), write)?;
        }
    }
    Ok(())
}

//! The running hash of the state: a wrapping sum of one hash for each item, so that a change costs
//! the item's hash and the order of items does not matter. Knows hashes, not what they are of.
//!
//! Items are hashed over an encoding of their own, fixed here (little-endian, lengths and variant
//! numbers before values), because servers of different builds compare digests.

use std::collections::VecDeque;
use std::fmt;

use serde::{Serialize, ser};
use xxhash_rust::xxh3::xxh3_64;
use zareba_model::Zxid;

/// What kind of item a hash is of, so that equal bytes of different kinds differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    Node = 1,
    Acl,
    Session,
    Result,
    Call,
    Timer,
    Mount,
    Revision,
    PluginHead,
    Chunk,
    Ensemble,
    Token,
    Administrators,
    Quota,
    Publishers,
}

/// A digest under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest(pub(crate) u64);

impl Digest {
    pub(crate) fn add(&mut self, hash: u64) {
        self.0 = self.0.wrapping_add(hash);
    }

    pub(crate) fn subtract(&mut self, hash: u64) {
        self.0 = self.0.wrapping_sub(hash);
    }
}

/// The digests after the last transactions, for comparing with the leader's.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(VecDeque<(Zxid, u64)>);

/// How many digests are remembered: a mark names a state at most as far back as proposals may be
/// outstanding in practice; an older mark is simply not compared.
const HISTORY_MAX: usize = 4096;

impl History {
    pub(crate) fn push(&mut self, zxid: Zxid, digest: u64) {
        if self.0.len() == HISTORY_MAX {
            self.0.pop_front();
        }
        self.0.push_back((zxid, digest));
    }

    pub(crate) fn at(&self, zxid: Zxid) -> Option<u64> {
        let at = self.0.binary_search_by_key(&zxid, |entry| entry.0).ok()?;
        self.0.get(at).map(|entry| entry.1)
    }
}

/// The hash of a fixed number of words.
pub(crate) fn hash_words<const N: usize>(words: &[u64; N]) -> u64 {
    let mut bytes = [[0; 8]; N];
    for (to, word) in bytes.iter_mut().zip(words) {
        *to = word.to_le_bytes();
    }
    xxh3_64(bytes.as_flattened())
}

/// The hash of any value.
pub(crate) fn hash_of(tag: Tag, value: &impl Serialize) -> u64 {
    let mut encoder = Encoder(Vec::with_capacity(160));
    encoder.0.push(tag as u8);
    match value.serialize(&mut encoder) {
        Ok(()) => xxh3_64(&encoder.0),
        Err(error) => panic!("replicated records always serialize: {error}"),
    }
}

struct Encoder(Vec<u8>);

impl Encoder {
    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&(length as u64).to_le_bytes());
    }
}

/// Only a foreign `Serialize` could cause it; the model's never do.
#[derive(Debug)]
struct Unencodable(String);

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unencodable {}

impl ser::Error for Unencodable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

macro_rules! numbers {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Result<(), Unencodable> {
            self.0.extend_from_slice(&value.to_le_bytes());
            Ok(())
        })*
    };
}

type Encoded = Result<(), Unencodable>;

impl<'a> ser::Serializer for &'a mut Encoder {
    type Ok = ();
    type Error = Unencodable;
    type SerializeSeq = &'a mut Encoder;
    type SerializeTuple = &'a mut Encoder;
    type SerializeTupleStruct = &'a mut Encoder;
    type SerializeTupleVariant = &'a mut Encoder;
    type SerializeMap = &'a mut Encoder;
    type SerializeStruct = &'a mut Encoder;
    type SerializeStructVariant = &'a mut Encoder;

    numbers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_f32: f32, serialize_f64: f64
    );

    fn serialize_bool(self, value: bool) -> Encoded {
        self.serialize_u8(u8::from(value))
    }
    fn serialize_char(self, value: char) -> Encoded {
        self.serialize_u32(u32::from(value))
    }
    fn serialize_str(self, value: &str) -> Encoded {
        self.serialize_bytes(value.as_bytes())
    }
    fn serialize_bytes(self, value: &[u8]) -> Encoded {
        self.length(value.len());
        self.0.extend_from_slice(value);
        Ok(())
    }
    fn serialize_none(self) -> Encoded {
        self.serialize_u8(0)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Encoded {
        self.0.push(1);
        value.serialize(self)
    }
    fn serialize_unit(self) -> Encoded {
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Encoded {
        Ok(())
    }
    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Encoded {
        self.serialize_u32(index)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Encoded {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Encoded {
        self.0.extend_from_slice(&index.to_le_bytes());
        value.serialize(self)
    }
    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Unencodable> {
        self.length(length.unwrap_or(usize::MAX));
        Ok(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, Unencodable> {
        Ok(self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Unencodable> {
        Ok(self)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Unencodable> {
        self.0.extend_from_slice(&index.to_le_bytes());
        Ok(self)
    }
    fn serialize_map(self, length: Option<usize>) -> Result<Self, Unencodable> {
        self.serialize_seq(length)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Unencodable> {
        Ok(self)
    }
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self, Unencodable> {
        self.serialize_tuple_variant(name, index, variant, length)
    }
}

macro_rules! compounds {
    ($($trait:ident: $method:ident),*) => {
        $(impl ser::$trait for &mut Encoder {
            type Ok = ();
            type Error = Unencodable;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Encoded {
                value.serialize(&mut **self)
            }
            fn end(self) -> Encoded {
                Ok(())
            }
        })*
    };
}

compounds!(
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
);

macro_rules! structs {
    ($($trait:ident),*) => {
        $(impl ser::$trait for &mut Encoder {
            type Ok = ();
            type Error = Unencodable;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Encoded {
                value.serialize(&mut **self)
            }
            fn end(self) -> Encoded {
                Ok(())
            }
        })*
    };
}

structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for &mut Encoder {
    type Ok = ();
    type Error = Unencodable;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Encoded {
        key.serialize(&mut **self)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Encoded {
        value.serialize(&mut **self)
    }
    fn end(self) -> Encoded {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_of_items_is_fixed() {
        let mut encoder = Encoder(Vec::new());
        (1_u16, Some("ab"), vec![true], None::<u8>)
            .serialize(&mut encoder)
            .unwrap();
        let expected = [
            &[1, 0, 1][..],
            &[2, 0, 0, 0, 0, 0, 0, 0],
            b"ab",
            &[1, 0, 0, 0, 0, 0, 0, 0, 1, 0],
        ];
        assert_eq!(encoder.0, expected.concat());
    }

    #[test]
    fn equal_values_of_different_kinds_have_different_hashes() {
        assert_ne!(hash_of(Tag::Session, &5_u64), hash_of(Tag::Call, &5_u64));
    }

    #[test]
    fn the_history_forgets_the_oldest_digest_first() {
        let mut history = History::default();
        for counter in 1..=5000 {
            history.push(Zxid::new(1, counter), u64::from(counter));
        }
        assert_eq!(history.at(Zxid::new(1, 904)), None);
        assert_eq!(history.at(Zxid::new(1, 905)), Some(905));
        assert_eq!(history.at(Zxid::new(1, 5000)), Some(5000));
    }
}

//! Jute's primitives: big-endian integers, one-byte booleans, and buffers, strings and vectors
//! behind an `i32` length, of which -1 means null. Must never know any record made of them.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::JuteError;

/// Reads one record's values in order, sharing the memory of its bytes.
#[derive(Clone, Debug)]
pub struct Reader {
    bytes: Bytes,
}

impl Reader {
    /// A reader at the beginning of `bytes`.
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// An `int`.
    pub fn int(&mut self) -> Result<i32, JuteError> {
        self.need(size_of::<i32>())?;
        Ok(self.bytes.get_i32())
    }

    /// A `long`.
    pub fn long(&mut self) -> Result<i64, JuteError> {
        self.need(size_of::<i64>())?;
        Ok(self.bytes.get_i64())
    }

    /// A `boolean`.
    pub fn bool(&mut self) -> Result<bool, JuteError> {
        self.need(1)?;
        match self.bytes.get_u8() {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(JuteError::NotBoolean(other)),
        }
    }

    /// A `buffer` of at most `max` bytes; `None` for null.
    pub fn buffer(&mut self, max: usize) -> Result<Option<Bytes>, JuteError> {
        let Some(length) = self.length(max)? else {
            return Ok(None);
        };
        self.need(length)?;
        Ok(Some(self.bytes.split_to(length)))
    }

    /// A `ustring` of at most `max` bytes; `None` for null.
    pub fn ustring(&mut self, max: usize) -> Result<Option<String>, JuteError> {
        let Some(bytes) = self.buffer(max)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| JuteError::NotUtf8)?;
        Ok(Some(text.to_owned()))
    }

    /// A `vector` of at most `max` members, each read by `member`; `None` for null.
    pub fn vector<T>(
        &mut self,
        max: usize,
        mut member: impl FnMut(&mut Self) -> Result<T, JuteError>,
    ) -> Result<Option<Vec<T>>, JuteError> {
        let Some(length) = self.length(max)? else {
            return Ok(None);
        };
        // Every member of every jute vector has at least one byte, so the bytes bound the memory.
        self.need(length)?;
        let members = (0..length).map(|_| member(self));
        members.collect::<Result<_, _>>().map(Some)
    }

    /// Makes sure that the record has been read to its end.
    pub fn finish(self) -> Result<(), JuteError> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(JuteError::TrailingBytes(left)),
        }
    }

    fn length(&mut self, max: usize) -> Result<Option<usize>, JuteError> {
        let announced = self.int()?;
        if announced == NULL {
            return Ok(None);
        }
        let length = usize::try_from(announced);
        let length = length.map_err(|_| JuteError::NegativeLength(announced))?;
        if length > max {
            return Err(JuteError::TooLong { length, max });
        }
        Ok(Some(length))
    }

    fn need(&self, needed: usize) -> Result<(), JuteError> {
        let left = self.bytes.len();
        if left < needed {
            return Err(JuteError::Truncated { needed, left });
        }
        Ok(())
    }
}

/// Appends one record's values in order.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut BytesMut,
}

impl<'a> Writer<'a> {
    /// A writer at the end of `out`.
    pub fn new(out: &'a mut BytesMut) -> Self {
        Self { out }
    }

    /// An `int`.
    pub fn int(&mut self, value: i32) {
        self.out.put_i32(value);
    }

    /// A `long`.
    pub fn long(&mut self, value: i64) {
        self.out.put_i64(value);
    }

    /// A `boolean`.
    pub fn bool(&mut self, value: bool) {
        self.out.put_u8(u8::from(value));
    }

    /// A `buffer`, or null.
    pub fn buffer(&mut self, value: Option<&[u8]>) -> Result<(), JuteError> {
        let Some(bytes) = value else {
            self.int(NULL);
            return Ok(());
        };
        self.length(bytes.len())?;
        self.out.put_slice(bytes);
        Ok(())
    }

    /// A `ustring`, or null.
    pub fn ustring(&mut self, value: Option<&str>) -> Result<(), JuteError> {
        self.buffer(value.map(str::as_bytes))
    }

    /// A `vector`, each member written by `member`, or null.
    pub fn vector<T>(
        &mut self,
        members: Option<&[T]>,
        mut member: impl FnMut(&mut Self, &T) -> Result<(), JuteError>,
    ) -> Result<(), JuteError> {
        let Some(members) = members else {
            self.int(NULL);
            return Ok(());
        };
        self.length(members.len())?;
        members.iter().try_for_each(|value| member(self, value))
    }

    fn length(&mut self, length: usize) -> Result<(), JuteError> {
        let max = i32::MAX as usize;
        let value = i32::try_from(length).map_err(|_| JuteError::TooLong { length, max })?;
        self.int(value);
        Ok(())
    }
}

/// The length that means: no value.
const NULL: i32 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Bytes {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        writer.int(-2);
        writer.long(1 << 40);
        writer.bool(true);
        writer.buffer(Some(b"ab")).unwrap();
        writer.buffer(None).unwrap();
        writer.ustring(Some("/ä")).unwrap();
        let names = ["x", "y"];
        let write = |w: &mut Writer<'_>, name: &&str| w.ustring(Some(name));
        writer.vector(Some(&names), write).unwrap();
        out.freeze()
    }

    fn read(bytes: Bytes) -> Result<(), JuteError> {
        let mut reader = Reader::new(bytes);
        assert_eq!(reader.int()?, -2);
        assert_eq!(reader.long()?, 1 << 40);
        assert!(reader.bool()?);
        assert_eq!(reader.buffer(2)?.as_deref(), Some(&b"ab"[..]));
        assert_eq!(reader.buffer(2)?, None);
        assert_eq!(reader.ustring(8)?.as_deref(), Some("/ä"));
        let names = reader.vector(2, |r| r.ustring(8))?;
        let expected = Some(vec![Some("x".to_owned()), Some("y".to_owned())]);
        assert_eq!(names, expected);
        reader.finish()
    }

    #[test]
    fn values_come_back_and_no_prefix_of_them_does() {
        let bytes = sample();
        assert_eq!(read(bytes.clone()), Ok(()));
        for end in 0..bytes.len() {
            let refused = read(bytes.slice(..end));
            assert!(matches!(refused, Err(JuteError::Truncated { .. })), "{end}");
        }
    }

    #[test]
    fn the_bytes_are_those_of_zookeeper() {
        let expected = "fffffffe\
            0000010000000000\
            01\
            000000026162\
            ffffffff\
            000000032fc3a4\
            000000020000000178\
            0000000179";
        let hex: String = sample().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
    }

    #[test]
    fn lengths_are_bounded_before_anything_is_taken() {
        let reader = |length: i32| Reader::new(Bytes::copy_from_slice(&length.to_be_bytes()));
        assert_eq!(reader(-2).buffer(9), Err(JuteError::NegativeLength(-2)));
        let refused = reader(10).ustring(9);
        assert_eq!(refused, Err(JuteError::TooLong { length: 10, max: 9 }));
        let refused = reader(i32::MAX).vector(usize::MAX, Reader::int);
        let needed = i32::MAX as usize;
        assert_eq!(refused, Err(JuteError::Truncated { needed, left: 0 }));
    }

    #[test]
    fn what_is_no_boolean_or_text_or_end_is_refused() {
        let reader = |bytes: &'static [u8]| Reader::new(Bytes::from_static(bytes));
        assert_eq!(reader(&[2]).bool(), Err(JuteError::NotBoolean(2)));
        let refused = reader(&[0, 0, 0, 1, 0xff]).ustring(9);
        assert_eq!(refused, Err(JuteError::NotUtf8));
        assert_eq!(reader(&[0]).finish(), Err(JuteError::TrailingBytes(1)));
    }
}

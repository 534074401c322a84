//! Qt's basic types as `QDataStream` writes them: big-endian numbers, strings, byte arrays.

use alloc::vec::Vec;

use super::QString;
use super::limits::{DecodeError, DecodeLimits};

/// The length of a null string or a null byte array.
const NULL_LENGTH: u32 = u32::MAX;

/// Why reading stopped. Incomplete input is the everyday case, not an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadStop {
    /// More bytes are needed.
    Incomplete,
    /// No further bytes can complete the message.
    Refused(DecodeError),
}

impl From<DecodeError> for ReadStop {
    fn from(error: DecodeError) -> Self {
        Self::Refused(error)
    }
}

/// Reads one message from the front of its input, within limits.
pub(super) struct QtReader<'a> {
    rest: &'a [u8],
    limits: &'a DecodeLimits,
    /// Bytes of the message that were read.
    used: usize,
    /// The least number of bytes behind the next item, set by [`Self::expect`].
    owed: usize,
}

impl<'a> QtReader<'a> {
    pub(super) fn new(input: &'a [u8], limits: &'a DecodeLimits) -> Self {
        Self { rest: input, limits, used: 0, owed: 0 }
    }

    /// Sets the least number of bytes that the message needs behind the next item, so that a message
    /// beyond its limit is refused before its bytes have arrived.
    pub(super) fn expect(&mut self, bytes: usize) {
        self.owed = bytes;
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn u8(&mut self) -> Result<u8, ReadStop> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ReadStop> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, ReadStop> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, ReadStop> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, ReadStop> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn f64(&mut self) -> Result<f64, ReadStop> {
        self.array().map(f64::from_be_bytes)
    }

    pub(super) fn qstring(&mut self) -> Result<QString, ReadStop> {
        let Some(len) = self.length()? else { return Ok(QString::NULL) };
        if len % 2 != 0 {
            return Err(DecodeError::OddString { len }.into());
        }
        let (units, _) = self.take(len)?.as_chunks();
        Ok(QString::from_units(units.iter().copied().map(u16::from_be_bytes).collect()))
    }

    /// A byte array, `None` for the null one.
    pub(super) fn byte_array(&mut self) -> Result<Option<Vec<u8>>, ReadStop> {
        match self.length()? {
            None => Ok(None),
            Some(len) => self.take(len).map(|bytes| Some(bytes.to_vec())),
        }
    }

    /// Reads a length and checks it at once; `None` for null.
    fn length(&mut self) -> Result<Option<usize>, ReadStop> {
        let announced = self.u32()?;
        if announced == NULL_LENGTH {
            return Ok(None);
        }
        let limit = self.limits.string_bytes;
        match usize::try_from(announced) {
            Ok(len) if len <= limit => Ok(Some(len)),
            _ => Err(DecodeError::StringTooLong { len: announced, limit }.into()),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadStop> {
        let bytes = self.take(N)?;
        bytes.first_chunk().copied().ok_or(ReadStop::Incomplete)
    }

    /// Reads the next `len` bytes. Nothing is allocated for missing bytes.
    fn take(&mut self, len: usize) -> Result<&'a [u8], ReadStop> {
        let limit = self.limits.message_bytes;
        let used = self.used.saturating_add(len);
        if used.saturating_add(self.owed) > limit {
            return Err(DecodeError::MessageTooLong { limit }.into());
        }
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(ReadStop::Incomplete)?;
        self.rest = rest;
        self.used = used;
        Ok(bytes)
    }
}

/// Appends values to a buffer. All lengths fit 32 bits: names are bounded, and all other values have a
/// fixed size.
pub(super) struct QtWriter<'a>(&'a mut Vec<u8>);

impl<'a> QtWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self(out)
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn f64(&mut self, value: f64) {
        self.0.extend(value.to_be_bytes());
    }

    pub(super) fn qstring(&mut self, value: &QString) {
        match value.units() {
            None => self.u32(NULL_LENGTH),
            Some(units) => {
                self.length(units.len().saturating_mul(2));
                self.0.extend(units.iter().copied().flat_map(u16::to_be_bytes));
            }
        }
    }

    pub(super) fn byte_array(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.u32(NULL_LENGTH),
            Some(bytes) => {
                self.length(bytes.len());
                self.0.extend_from_slice(bytes);
            }
        }
    }

    /// A count or length, in the wire's 32 bits.
    pub(super) fn length(&mut self, len: usize) {
        debug_assert!(u32::try_from(len).is_ok_and(|len| len < NULL_LENGTH), "{len}");
        self.u32(u32::try_from(len).unwrap_or(NULL_LENGTH - 1));
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::{DecodeError, DecodeLimits, QString, QtReader, QtWriter, ReadStop};

    fn limits() -> DecodeLimits {
        DecodeLimits { message_bytes: 64, entries: 4, string_bytes: 8 }
    }

    #[test]
    fn every_type_is_read_as_it_was_written() {
        let mut out = Vec::new();
        let mut writer = QtWriter::new(&mut out);
        writer.u8(0xfe);
        writer.u32(0xfedc_ba98);
        writer.i32(-2);
        writer.u64(u64::MAX - 1);
        writer.i64(i64::MIN);
        writer.f64(-1.5);
        writer.qstring(&QString::from("é!"));
        writer.byte_array(Some(&[1, 2, 3]));
        let golden = [
            "fe",
            "fedcba98",
            "fffffffe",
            "fffffffffffffffe",
            "8000000000000000",
            "bff8000000000000",
            "0000000400e90021",
            "00000003010203",
        ];
        assert_eq!(hex::encode(&out), golden.concat());
        let limits = limits();
        let mut reader = QtReader::new(&out, &limits);
        assert_eq!(reader.u8(), Ok(0xfe));
        assert_eq!(reader.u32(), Ok(0xfedc_ba98));
        assert_eq!(reader.i32(), Ok(-2));
        assert_eq!(reader.u64(), Ok(u64::MAX - 1));
        assert_eq!(reader.i64(), Ok(i64::MIN));
        assert_eq!(reader.f64(), Ok(-1.5));
        assert_eq!(reader.qstring(), Ok(QString::from("é!")));
        assert_eq!(reader.byte_array(), Ok(Some(Vec::from([1, 2, 3]))));
        assert_eq!((reader.used(), reader.u8()), (out.len(), Err(ReadStop::Incomplete)));
    }

    #[test]
    fn null_and_empty_differ() {
        let mut out = Vec::new();
        let mut writer = QtWriter::new(&mut out);
        writer.qstring(&QString::NULL);
        writer.qstring(&QString::from(""));
        writer.byte_array(None);
        writer.byte_array(Some(&[]));
        assert_eq!(hex::encode(&out), "ffffffff00000000ffffffff00000000");
        let limits = limits();
        let mut reader = QtReader::new(&out, &limits);
        assert_eq!(reader.qstring(), Ok(QString::NULL));
        assert_eq!(reader.qstring(), Ok(QString::from("")));
        assert_eq!(reader.byte_array(), Ok(None));
        assert_eq!(reader.byte_array(), Ok(Some(Vec::new())));
    }

    #[test]
    fn a_length_is_judged_before_its_bytes_are_there() {
        let limits = limits();
        let read = |bytes: &[u8]| QtReader::new(bytes, &limits).qstring();
        assert_eq!(read(&[0, 0, 0, 8]), Err(ReadStop::Incomplete));
        assert_eq!(read(&[0, 0, 0, 3]), Err(DecodeError::OddString { len: 3 }.into()));
        for len in [10u32, 0x7fff_fffe, 0xffff_fffe] {
            let error = DecodeError::StringTooLong { len, limit: 8 };
            assert_eq!(read(&len.to_be_bytes()), Err(error.into()));
        }
    }

    #[test]
    fn bytes_that_must_still_follow_count_against_the_limit() {
        let limits = limits();
        let mut reader = QtReader::new(&[], &limits);
        reader.expect(60);
        assert_eq!(reader.u32(), Err(ReadStop::Incomplete));
        reader.expect(61);
        assert_eq!(reader.u32(), Err(DecodeError::MessageTooLong { limit: 64 }.into()));
    }
}

//! A message on the wire, before its interpretation.

use alloc::vec::Vec;

use super::QString;
use super::limits::{DecodeError, DecodeLimits};
use super::primitive::{QtReader, QtWriter, ReadStop};
use super::variant::Variant;

/// An id and its entries, in the order of the wire.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RawMessage {
    /// The message's id.
    pub(super) id: i64,
    /// Keys and values; a key may be repeated.
    pub(super) entries: Vec<(QString, Variant)>,
}

impl RawMessage {
    /// The shortest entry: the length of an empty key, and the value.
    const MIN_ENTRY_BYTES: usize = 4 + Variant::MIN_BYTES;

    /// A message without entries.
    #[must_use]
    pub(super) const fn new(id: i64) -> Self {
        Self { id, entries: Vec::new() }
    }

    /// Appends an entry.
    #[must_use]
    pub(super) fn with(mut self, key: &str, value: impl Into<Variant>) -> Self {
        self.entries.push((key.into(), value.into()));
        self
    }

    pub(super) fn decode(
        reader: &mut QtReader<'_>,
        limits: &DecodeLimits,
    ) -> Result<Self, ReadStop> {
        let mut message = Self::new(reader.i64()?);
        let announced = reader.u32()?;
        let count = match usize::try_from(announced) {
            Ok(count) if count <= limits.entries => count,
            _ => {
                let limit = limits.entries;
                return Err(DecodeError::TooManyEntries { count: announced, limit }.into());
            }
        };
        for left in (0..count).rev() {
            let behind = left.saturating_mul(Self::MIN_ENTRY_BYTES);
            reader.expect(behind.saturating_add(Variant::MIN_BYTES));
            let key = reader.qstring()?;
            reader.expect(behind);
            message.entries.push((key, Variant::decode(reader)?));
        }
        Ok(message)
    }

    /// Appends the message to `out`, with the entries in their order.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = QtWriter::new(out);
        writer.i64(self.id);
        writer.length(self.entries.len());
        for (key, value) in &self.entries {
            writer.qstring(key);
            value.encode(&mut writer);
        }
    }

    /// The value of a key, the last one if the key is repeated, as in a `QMap`. The null key is the
    /// empty key.
    #[must_use]
    pub(super) fn get(&self, key: &str) -> Option<&Variant> {
        let same = |(candidate, _): &&(QString, Variant)| {
            candidate.units().unwrap_or_default().iter().copied().eq(key.encode_utf16())
        };
        self.entries.iter().rev().find(same).map(|(_, value)| value)
    }

    /// The value of a key as a number; 0 if it is missing or not a number.
    #[must_use]
    pub(super) fn number(&self, key: &str) -> i64 {
        self.get(key).map_or(0, Variant::to_i64)
    }

    /// The value of a key as a text; null if it is missing.
    #[must_use]
    pub(super) fn text(&self, key: &str) -> QString {
        self.get(key).map_or(QString::NULL, Variant::to_qstring)
    }
}

#[cfg(test)]
mod tests {
    use super::{QString, RawMessage, Variant};

    #[test]
    fn of_a_repeated_key_the_last_one_counts() {
        let message = RawMessage::new(1).with("k", 1).with("other", 5).with("k", 2);
        assert_eq!((message.number("k"), message.number("other")), (2, 5));
    }

    #[test]
    fn missing_values_are_zero_or_null() {
        let message = RawMessage::new(1).with("k", 1);
        assert_eq!((message.number("K"), message.text("k ")), (0, QString::NULL));
        assert_eq!(message.get(""), None);
    }

    #[test]
    fn the_null_key_is_the_empty_key() {
        let mut message = RawMessage::new(1);
        message.entries.push((QString::NULL, Variant::from(7)));
        assert_eq!(message.number(""), 7);
    }
}

//! Qt's `QVariant`, with the kinds that this dialect supports.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::QString;
use super::limits::DecodeError;
use super::primitive::{QtReader, QtWriter, ReadStop};

/// Type ids of `QVariant`: the same in Qt 5 and Qt 6.
mod kind {
    pub(super) const INVALID: u32 = 0;
    pub(super) const BOOL: u32 = 1;
    pub(super) const INT: u32 = 2;
    pub(super) const UINT: u32 = 3;
    pub(super) const LONG_LONG: u32 = 4;
    pub(super) const ULONG_LONG: u32 = 5;
    pub(super) const DOUBLE: u32 = 6;
    pub(super) const QSTRING: u32 = 10;
    pub(super) const QBYTE_ARRAY: u32 = 12;
}

/// A value with the null mark that stands beside it on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Variant {
    /// `QVariant::isNull()` of the writer. It changes nothing about the value and is kept for exact
    /// re-encoding only.
    pub(super) null: bool,
    /// The value.
    pub(super) value: Value,
}

/// The value of a [`Variant`].
///
/// The original programs send only [`LongLong`](Self::LongLong) and [`QString`](Self::QString). Any
/// other kind than these has an unknown length and ends decoding.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Kind 0, no bytes.
    Invalid,
    /// Kind 1, one byte.
    Bool(bool),
    /// Kind 2, 4 bytes.
    Int(i32),
    /// Kind 3, 4 bytes.
    UInt(u32),
    /// Kind 4, 8 bytes: every number and status of the dialect.
    LongLong(i64),
    /// Kind 5, 8 bytes.
    ULongLong(u64),
    /// Kind 6, 8 bytes.
    Double(f64),
    /// Kind 10: every text of the dialect.
    QString(QString),
    /// Kind 12: a byte array, `None` for the null one.
    QByteArray(Option<Vec<u8>>),
}

impl Variant {
    /// The shortest variant: its kind and the null mark.
    pub(super) const MIN_BYTES: usize = 5;

    pub(super) fn decode(reader: &mut QtReader<'_>) -> Result<Self, ReadStop> {
        let kind = reader.u32()?;
        let null = reader.u8()? != 0;
        let value = match kind {
            kind::INVALID => Value::Invalid,
            kind::BOOL => Value::Bool(reader.u8()? != 0),
            kind::INT => Value::Int(reader.i32()?),
            kind::UINT => Value::UInt(reader.u32()?),
            kind::LONG_LONG => Value::LongLong(reader.i64()?),
            kind::ULONG_LONG => Value::ULongLong(reader.u64()?),
            kind::DOUBLE => Value::Double(reader.f64()?),
            kind::QSTRING => Value::QString(reader.qstring()?),
            kind::QBYTE_ARRAY => Value::QByteArray(reader.byte_array()?),
            kind => return Err(DecodeError::UnknownKind { kind }.into()),
        };
        Ok(Self { null, value })
    }

    pub(super) fn encode(&self, writer: &mut QtWriter<'_>) {
        writer.u32(self.value.kind());
        writer.u8(u8::from(self.null));
        match &self.value {
            Value::Invalid => {}
            Value::Bool(value) => writer.u8(u8::from(*value)),
            Value::Int(value) => writer.i32(*value),
            Value::UInt(value) => writer.u32(*value),
            Value::LongLong(value) => writer.i64(*value),
            Value::ULongLong(value) => writer.u64(*value),
            Value::Double(value) => writer.f64(*value),
            Value::QString(value) => writer.qstring(value),
            Value::QByteArray(value) => writer.byte_array(value.as_deref()),
        }
    }

    /// Converts the value to a number like `QVariant::toLongLong`: a text is read as a decimal number,
    /// a fraction is rounded, and any other value is 0. The original programs use `toInt` instead and
    /// keep only 32 bits.
    #[must_use]
    pub(super) fn to_i64(&self) -> i64 {
        match &self.value {
            Value::Invalid => 0,
            Value::Bool(value) => i64::from(*value),
            Value::Int(value) => i64::from(*value),
            Value::UInt(value) => i64::from(*value),
            Value::LongLong(value) => *value,
            Value::ULongLong(value) => value.cast_signed(),
            Value::Double(value) => rounded(*value),
            Value::QString(text) => text.to_text().as_deref().map_or(0, decimal),
            Value::QByteArray(bytes) => {
                core::str::from_utf8(bytes.as_deref().unwrap_or_default()).map_or(0, decimal)
            }
        }
    }

    /// Converts the value to a text like `QVariant::toString`: a number in decimal, a byte array as
    /// UTF-8, an invalid value to the null string.
    #[must_use]
    pub(super) fn to_qstring(&self) -> QString {
        match &self.value {
            Value::Invalid | Value::QByteArray(None) => QString::NULL,
            Value::Bool(value) => text(value),
            Value::Int(value) => text(value),
            Value::UInt(value) => text(value),
            Value::LongLong(value) => text(value),
            Value::ULongLong(value) => text(value),
            Value::Double(value) => text(value),
            Value::QString(value) => value.clone(),
            Value::QByteArray(Some(bytes)) => {
                QString::from(String::from_utf8_lossy(bytes).as_ref())
            }
        }
    }
}

impl Value {
    /// The type id on the wire.
    #[must_use]
    pub(super) const fn kind(&self) -> u32 {
        match self {
            Self::Invalid => kind::INVALID,
            Self::Bool(_) => kind::BOOL,
            Self::Int(_) => kind::INT,
            Self::UInt(_) => kind::UINT,
            Self::LongLong(_) => kind::LONG_LONG,
            Self::ULongLong(_) => kind::ULONG_LONG,
            Self::Double(_) => kind::DOUBLE,
            Self::QString(_) => kind::QSTRING,
            Self::QByteArray(_) => kind::QBYTE_ARRAY,
        }
    }
}

impl From<Value> for Variant {
    fn from(value: Value) -> Self {
        Self { null: false, value }
    }
}

impl From<i64> for Variant {
    fn from(value: i64) -> Self {
        Value::LongLong(value).into()
    }
}

impl From<QString> for Variant {
    fn from(value: QString) -> Self {
        Value::QString(value).into()
    }
}

fn text(value: &impl ToString) -> QString {
    QString::from(value.to_string().as_str())
}

fn decimal(text: &str) -> i64 {
    text.trim().parse().unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, reason = "saturating is the meaning that is wanted")]
fn rounded(value: f64) -> i64 {
    // Halves away from zero; `f64::round` needs the standard library.
    (if value < 0.0 { value - 0.5 } else { value + 0.5 }) as i64
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::{QString, Value, Variant};

    fn number(value: Value) -> i64 {
        Variant::from(value).to_i64()
    }

    fn string(value: Value) -> QString {
        Variant::from(value).to_qstring()
    }

    #[test]
    fn any_kind_of_number_is_a_number() {
        assert_eq!(number(Value::Bool(true)), 1);
        assert_eq!(number(Value::Int(-5)), -5);
        assert_eq!(number(Value::UInt(4_000_000_000)), 4_000_000_000);
        assert_eq!(number(Value::LongLong(i64::MIN)), i64::MIN);
        assert_eq!(number(Value::ULongLong(5)), 5);
        assert_eq!(number(Value::ULongLong(u64::MAX)), -1);
        for (value, expected) in [(2.5, 3), (2.4, 2), (-2.6, -3), (-0.4, 0), (f64::NAN, 0)] {
            assert_eq!(number(Value::Double(value)), expected, "{value}");
        }
        assert_eq!(number(Value::Double(1e300)), i64::MAX);
    }

    #[test]
    fn texts_are_read_as_decimal_numbers() {
        let texts = [("42", 42), (" -7\n", -7), ("+3", 3), ("", 0), ("0x10", 0), ("1e3", 0)];
        for (text, expected) in texts {
            assert_eq!(number(Value::QString(text.into())), expected, "{text:?}");
            assert_eq!(number(Value::QByteArray(Some(text.into()))), expected, "{text:?}");
        }
        assert_eq!(number(Value::QString("9223372036854775808".into())), 0);
        assert_eq!(number(Value::QString(QString::from_units(Vec::from([0xd83d])))), 0);
        assert_eq!(number(Value::QString(QString::NULL)), 0);
        assert_eq!(number(Value::QByteArray(Some(Vec::from([0xff])))), 0);
        assert_eq!(number(Value::QByteArray(None)), 0);
        assert_eq!(number(Value::Invalid), 0);
    }

    #[test]
    fn anything_has_a_text() {
        assert_eq!(string(Value::Invalid), QString::NULL);
        assert_eq!(string(Value::QByteArray(None)), QString::NULL);
        assert_eq!(string(Value::QString(QString::NULL)), QString::NULL);
        assert_eq!(string(Value::QString("".into())), "".into());
        assert_eq!(string(Value::Bool(true)), "true".into());
        assert_eq!(string(Value::LongLong(-2)), "-2".into());
        assert_eq!(string(Value::Double(1.5)), "1.5".into());
        assert_eq!(string(Value::QByteArray(Some("é".into()))), "é".into());
    }

    #[test]
    fn the_null_mark_does_not_hide_the_value() {
        let marked = Variant { null: true, value: Value::LongLong(7) };
        assert_eq!(marked.to_i64(), 7);
    }
}

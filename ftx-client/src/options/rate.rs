//! The value of a limit on the rate.

use std::num::NonZeroU64;

use bytesize::ByteSize;

use super::MIN_LIMIT_RATE;
use super::value::OptionValue;

/// Bytes a second, or 0 and `none` for no limit.
impl OptionValue for Option<NonZeroU64> {
    fn number(&self) -> u64 {
        self.map_or(0, NonZeroU64::get)
    }

    fn from_number(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(rate) if rate.get() < MIN_LIMIT_RATE => None,
            rate => Some(rate),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(None);
        }
        Self::from_number(text.parse::<ByteSize>().ok()?.as_u64())
    }

    fn text(&self) -> String {
        self.map_or_else(|| "none".to_owned(), |rate| rate.to_string())
    }
}

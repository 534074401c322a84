//! The value of the option for compression.

use ftx_io::{Compression, CompressionLevel};

use super::value::{OptionChoice, OptionValue};

/// The number of `never`; those of levels are their own.
const NEVER: u64 = 255;

impl OptionValue for Compression {
    const CHOICES: &'static [OptionChoice] = &[
        OptionChoice {
            number: 0,
            constant: "COMPRESS_AUTO",
            about: "Bytes are compressed while the line is slower than the compressor.",
            name: Some("auto"),
            help: None,
        },
        OptionChoice {
            number: NEVER,
            constant: "COMPRESS_NEVER",
            about: "Nothing is compressed, in either direction.",
            name: Some("never"),
            help: None,
        },
    ];

    fn number(&self) -> u64 {
        match self {
            // No option sets it for a client.
            Self::Auto | Self::Always => 0,
            Self::Never => NEVER,
            Self::Level(level) => level.get().into(),
        }
    }

    fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Auto),
            NEVER => Some(Self::Never),
            level => CompressionLevel::new(level.try_into().ok()?).map(Self::Level),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "never" => Some(Self::Never),
            level => CompressionLevel::new(level.parse().ok()?).map(Self::Level),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Auto | Self::Always => "auto".to_owned(),
            Self::Never => "never".to_owned(),
            Self::Level(level) => level.get().to_string(),
        }
    }
}

//! The values of options: as fields of Rust, numbers and bytes of C, and texts of the command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::Overwrite;
use ftx_core::{AccessToken, AccessTokenError};
use ftx_io::Fingerprint;
use ftx_store::Durability;

use super::{MAX_WAIT_MS, OptionError};

/// The dialects that a client may speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DialectChoice {
    /// Native, or legacy with a server that speaks only that. Detected automatically.
    #[default]
    Auto,
    /// Native only.
    Native,
    /// Legacy only: the protocol of the original system.
    Legacy,
}

/// When a client uses TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsChoice {
    /// With servers on other machines, and with those whose key or issuer is given or known.
    #[default]
    Auto,
    /// Always.
    Require,
    /// Never: servers on other machines are refused, unless the settings allow plain connections.
    Off,
}

/// One of the few values of an option.
#[derive(Clone, Copy, Debug)]
pub struct OptionChoice {
    /// Its number in C.
    pub number: u64,
    /// The name of its constant in C, after `FTX_`.
    pub constant: &'static str,
    /// The documentation of the constant.
    pub about: &'static str,
    /// Its name on the command line; `None` for a value that has neither a name nor a number to set it.
    pub name: Option<&'static str>,
    /// An explanation on the command line, if the name says too little.
    pub help: Option<&'static str>,
}

/// The type of an option's field. The defaults of the methods are for an enumeration, whose names and
/// numbers are in `CHOICES`.
pub(super) trait OptionValue: Sized {
    const CHOICES: &'static [OptionChoice] = &[];

    /// The number in C.
    fn number(&self) -> u64;

    fn from_number(number: u64) -> Option<Self>;

    fn from_bytes(_: &[u8]) -> Result<Self, OptionError> {
        Err(OptionError::Value)
    }

    /// The value of a text of the command line.
    fn parse(text: &str) -> Option<Self> {
        let choice = Self::CHOICES.iter().find(|choice| choice.name == Some(text))?;
        Self::from_number(choice.number)
    }

    /// The text on the command line.
    fn text(&self) -> String {
        let choice = Self::CHOICES.iter().find(|choice| choice.number == self.number());
        choice.and_then(|choice| choice.name).unwrap_or_default().to_owned()
    }
}

/// The methods of an enumeration whose values all have a number.
macro_rules! numbered {
    ($($value:ident = $number:literal),+) => {
        fn number(&self) -> u64 {
            match self {
                $(Self::$value => $number,)+
            }
        }

        fn from_number(number: u64) -> Option<Self> {
            match number {
                $($number => Some(Self::$value),)+
                _ => None,
            }
        }
    };
}

impl OptionValue for Duration {
    fn number(&self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }

    fn from_number(number: u64) -> Option<Self> {
        Some(Self::from_millis(number))
    }

    /// A time beyond the limit is cut to it: nobody sees the difference.
    fn parse(text: &str) -> Option<Self> {
        Some(humantime::parse_duration(text).ok()?.min(Self::from_millis(MAX_WAIT_MS)))
    }

    fn text(&self) -> String {
        humantime::format_duration(*self).to_string()
    }
}

impl OptionValue for u32 {
    fn number(&self) -> u64 {
        (*self).into()
    }

    fn from_number(number: u64) -> Option<Self> {
        number.try_into().ok()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// A count, or 0 and `auto` for the choice of the client.
impl OptionValue for Option<NonZeroUsize> {
    fn number(&self) -> u64 {
        self.map_or(0, |count| count.get() as u64)
    }

    fn from_number(number: u64) -> Option<Self> {
        Some(NonZeroUsize::new(number.try_into().ok()?))
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "auto" { Some(None) } else { Some(Some(text.parse().ok()?)) }
    }

    fn text(&self) -> String {
        self.map_or_else(|| "auto".to_owned(), |count| count.to_string())
    }
}

impl OptionValue for DialectChoice {
    const CHOICES: &'static [OptionChoice] = &[
        OptionChoice {
            number: 0,
            constant: "DIALECT_AUTO",
            about: "The native dialect; the dialect of the original system with a server that supports no \
                    other.",
            name: Some("auto"),
            help: None,
        },
        OptionChoice {
            number: 1,
            constant: "DIALECT_NATIVE",
            about: "The native dialect.",
            name: Some("native"),
            help: None,
        },
        OptionChoice {
            number: 2,
            constant: "DIALECT_LEGACY",
            about: "The dialect of the original system.",
            name: Some("legacy"),
            help: None,
        },
    ];

    numbered!(Auto = 0, Native = 1, Legacy = 2);
}

impl OptionValue for TlsChoice {
    const CHOICES: &'static [OptionChoice] = &[
        OptionChoice {
            number: 0,
            constant: "TLS_AUTO",
            about: "TLS with servers on other machines, and with those whose key or issuer is given or \
                    known.",
            name: Some("auto"),
            help: None,
        },
        OptionChoice {
            number: 1,
            constant: "TLS_REQUIRE",
            about: "TLS with every server.",
            name: Some("require"),
            help: None,
        },
        OptionChoice {
            number: 2,
            constant: "TLS_OFF",
            about: "No TLS. Servers on other machines are refused, unless `FTX_OPTION_INSECURE` is set.",
            name: Some("off"),
            help: None,
        },
    ];

    numbered!(Auto = 0, Require = 1, Off = 2);
}

/// 0 or 1. On the command line its flag takes no value.
impl OptionValue for bool {
    fn number(&self) -> u64 {
        (*self).into()
    }

    fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// A fingerprint as the server prints it, or no bytes for none.
impl OptionValue for Option<Fingerprint> {
    fn number(&self) -> u64 {
        0
    }

    fn from_number(_: u64) -> Option<Self> {
        None
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, OptionError> {
        let text = str::from_utf8(bytes).map_err(|_| OptionError::Value)?;
        Self::parse(text).ok_or(OptionError::Value)
    }

    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { Some(Some(text.parse().ok()?)) }
    }

    fn text(&self) -> String {
        self.map(|fingerprint| fingerprint.to_string()).unwrap_or_default()
    }
}

impl OptionValue for Durability {
    const CHOICES: &'static [OptionChoice] = &[
        OptionChoice {
            number: 0,
            constant: "DURABILITY_FULL",
            about: "A finished download survives a power failure.",
            name: Some("full"),
            help: Some("Survive a power failure: sync data and directory"),
        },
        OptionChoice {
            number: 1,
            constant: "DURABILITY_NONE",
            about: "A finished download survives the end of the process, but not a power failure.",
            name: Some("none"),
            help: Some("Survive the end of the process only"),
        },
    ];

    numbered!(Full = 0, None = 1);
}

impl OptionValue for Overwrite {
    const CHOICES: &'static [OptionChoice] = &[
        OptionChoice {
            number: 0,
            constant: "OVERWRITE_REPLACE",
            about: "The file is replaced.",
            name: Some("replace"),
            help: None,
        },
        OptionChoice {
            number: 1,
            constant: "OVERWRITE_FAIL",
            about: "The file stays, and the upload fails with `FTX_ALREADY_EXISTS`.",
            name: Some("fail"),
            help: None,
        },
        OptionChoice {
            number: 2,
            constant: "OVERWRITE_IF_DIGEST",
            about: "The file is replaced if it has the digest of `FTX_OPTION_OVERWRITE_DIGEST`; otherwise \
                    the upload fails with `FTX_PRECONDITION_FAILED`. Setting the digest sets this.",
            name: None,
            help: None,
        },
    ];

    fn number(&self) -> u64 {
        match self {
            Self::Replace => 0,
            Self::Fail => 1,
            Self::IfUnchanged(_) => 2,
        }
    }

    fn from_number(number: u64) -> Option<Self> {
        [Self::Replace, Self::Fail].into_iter().find(|known| known.number() == number)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, OptionError> {
        let digest = bytes.try_into().map_err(|_| OptionError::Value)?;
        Ok(Self::IfUnchanged(Digest(digest)))
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "replace" => Some(Self::Replace),
            "fail" => Some(Self::Fail),
            digest => Some(Self::IfUnchanged(digest.parse().ok()?)),
        }
    }
}

/// The text of a token, or no bytes for none. It is a secret: no text shows it.
impl OptionValue for Option<AccessToken> {
    fn number(&self) -> u64 {
        0
    }

    fn from_number(_: u64) -> Option<Self> {
        None
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, OptionError> {
        let text = str::from_utf8(bytes.trim_ascii());
        match text.map_err(|_| OptionError::Token(AccessTokenError::Form))? {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(OptionError::Token),
        }
    }

    fn parse(_: &str) -> Option<Self> {
        None
    }

    fn text(&self) -> String {
        String::new()
    }
}

/// A path, or no bytes for none.
impl OptionValue for Option<PathBuf> {
    fn number(&self) -> u64 {
        0
    }

    fn from_number(_: u64) -> Option<Self> {
        None
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, OptionError> {
        match bytes {
            [] => Ok(None),
            _ if bytes.contains(&0) => Err(OptionError::PathWithNul),
            _ => path(bytes).map(Some).ok_or(OptionError::Value),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(if text.is_empty() { None } else { Some(text.into()) })
    }

    fn text(&self) -> String {
        self.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> Option<PathBuf> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

#[cfg(not(unix))]
fn path(bytes: &[u8]) -> Option<PathBuf> {
    str::from_utf8(bytes).ok().map(PathBuf::from)
}

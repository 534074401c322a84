//! Status codes of the C ABI: those of the original system, the reasons of ftx, and a few that only
//! a C ABI needs.

use std::ffi::CStr;

use ftx_core::Status;
use ftx_core::native::Reason;

use crate::api::codes::{
    FTX_CATEGORY_CALLER, FTX_CATEGORY_INTERNAL, FTX_CATEGORY_LOCAL, FTX_CATEGORY_NETWORK,
    FTX_CATEGORY_NONE, FTX_CATEGORY_PROTOCOL, FTX_CATEGORY_SERVER,
};

macro_rules! own_codes {
    ($( $variant:ident = $code:literal, $name:literal, $text:literal; )+) => {
        /// Misuse of the ABI, or a status that only the ABI needs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum AbiStatus { $( $variant, )+ }

        impl AbiStatus {
            #[cfg(test)]
            pub(crate) const TABLE: &'static [AbiStatus] = &[ $( AbiStatus::$variant, )+ ];

            pub(crate) const fn code(self) -> i32 {
                match self { $( AbiStatus::$variant => $code, )+ }
            }

            const fn from_code(code: i32) -> Option<Self> {
                match code { $( $code => Some(AbiStatus::$variant), )+ _ => None }
            }

            const fn name(self) -> &'static CStr {
                match self { $( AbiStatus::$variant => c_text(concat!($name, "\0")), )+ }
            }

            const fn text(self) -> &'static CStr {
                match self { $( AbiStatus::$variant => c_text(concat!($text, "\0")), )+ }
            }
        }
    };
}

const fn c_text(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    }
}

// From -551 and -651 downwards: far from the codes on the wire.
own_codes! {
    NullPointer = -551, "NULL_POINTER", "a pointer is NULL that must not be";
    InvalidUtf8 = -552, "INVALID_UTF8", "a text is not valid UTF-8";
    UnknownOption = -553, "UNKNOWN_OPTION", "there is no such option";
    WrongType = -554, "WRONG_TYPE", "the option has another type";
    StructSize = -555, "STRUCT_SIZE", "the struct_size is not set";
    Forked = -556, "FORKED", "the process was forked after the handle was made; make another one";
    Reentered = -557, "REENTERED", "a callback may not wait for its own client";
    Pending = -558, "PENDING", "not yet";
    WrongState = -559, "WRONG_STATE", "the job is in a state in which that cannot be done";
    NoSuchFile = -560, "NO_SUCH_FILE", "the job has no file of that index";
    NoResources = -651, "NO_RESOURCES", "the system gives no thread or no descriptor";
}

/// The meaning of a code, as a fragment of a sentence.
pub(crate) fn text(code: i32) -> &'static CStr {
    match AbiStatus::from_code(code) {
        Some(own) => own.text(),
        None if code > -100 => Status::from_code(i64::from(code)).text_for_c(),
        None => Reason::from_code(code).text_for_c(),
    }
}

/// The name of a code's constant, without `FTX_`.
pub(crate) fn name(code: i32) -> &'static CStr {
    if let Some(own) = AbiStatus::from_code(code) {
        return own.name();
    }
    crate::api::codes::name(code)
}

/// The code of the original system for a code.
pub(crate) fn original(code: i32) -> i32 {
    if code > -100 {
        return code;
    }
    let status = match AbiStatus::from_code(code) {
        Some(AbiStatus::Pending) => Status::Timeout,
        Some(AbiStatus::NoResources | AbiStatus::Forked) => Status::ConnectError,
        Some(_) => Status::OpenError,
        None => Reason::from_code(code).status(),
    };
    i32::try_from(status.code()).unwrap_or(Reason::Internal.code())
}

/// The category of a code.
pub(crate) fn category(code: i32) -> u32 {
    match code {
        0.. => FTX_CATEGORY_NONE,
        // All codes of the original come from its server, except these.
        -5 | -7 => FTX_CATEGORY_NETWORK,
        -6 => FTX_CATEGORY_PROTOCOL,
        -100..0 => FTX_CATEGORY_SERVER,
        -200..=-101 => FTX_CATEGORY_NETWORK,
        -300..=-201 => FTX_CATEGORY_PROTOCOL,
        -400..=-301 => FTX_CATEGORY_LOCAL,
        -500..=-401 => FTX_CATEGORY_SERVER,
        -600..=-501 => FTX_CATEGORY_CALLER,
        _ => FTX_CATEGORY_INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ftx_client::{Reason, Status};

    use super::{AbiStatus, category, name, original, text};

    /// The constants of the header, as they stand in the source.
    fn constants() -> BTreeMap<i32, &'static str> {
        let lines = include_str!("api/codes.rs").lines();
        let codes = lines.filter_map(|line| line.strip_prefix("pub const FTX_"));
        codes
            .filter_map(|line| line.split_once(": i32 = "))
            .map(|(name, code)| (code.trim_end_matches(';').parse().unwrap(), name))
            .collect()
    }

    #[test]
    fn every_code_has_its_constant_and_its_name() {
        let mut expected = BTreeMap::new();
        for status in Status::TABLE {
            expected.insert(i32::try_from(status.code()).unwrap(), status.name());
        }
        expected.extend(Reason::TABLE.iter().map(|reason| (reason.code(), reason.name())));
        let own = AbiStatus::TABLE.iter().map(|own| (own.code(), own.name().to_str().unwrap()));
        expected.extend(own);
        assert_eq!(constants(), expected);
        for (code, its_name) in expected {
            assert_eq!(name(code).to_str(), Ok(its_name));
            assert!(!text(code).is_empty(), "{code}");
        }
    }

    #[test]
    fn every_code_has_a_group_and_an_original() {
        for code in constants().into_keys().filter(|code| *code < 0) {
            assert_ne!(category(code), 0, "{code}");
            assert!((-10..0).contains(&original(code)), "{code}");
            assert!(code == -4 || original(code) != -4, "{code} would look like success");
        }
        assert_eq!((category(0), original(0)), (0, 0));
    }

    #[test]
    fn unknown_codes_are_named_as_unknown() {
        for code in [i32::MIN, -9999, -99, 7, i32::MAX] {
            assert_eq!(name(code), c"UNKNOWN");
            assert!(text(code).to_str().unwrap().starts_with("unknown"));
        }
    }
}

//! The table is consistent, and its numbers are those of the ABI.

use std::collections::BTreeSet;

use ftx_core::AccessTokenError;

use super::*;

/// The numbers that programs in C have been built with: for a client, and for a job.
const ABI_NUMBERS: [(&str, u32, Option<u32>); 22] = [
    ("TIMEOUT_MS", 1, None),
    ("RETRIES", 2, Some(3)),
    ("MIN_BACKOFF_MS", 3, None),
    ("MAX_BACKOFF_MS", 4, None),
    ("STREAMS", 5, None),
    ("DIALECT", 6, None),
    ("DURABILITY", 7, None),
    ("OVERWRITE", 8, Some(4)),
    ("OVERWRITE_DIGEST", 9, Some(5)),
    ("CACHE", 10, None),
    ("STALL_TIMEOUT_MS", 11, None),
    ("TLS", 12, None),
    ("FINGERPRINT", 13, None),
    ("CA", 14, None),
    ("KNOWN_HOSTS", 15, None),
    ("ACCEPT_NEW", 16, None),
    ("INSECURE", 17, None),
    ("CLIENT_CERT", 18, None),
    ("CLIENT_KEY", 19, None),
    ("TOKEN", 20, None),
    ("LIMIT_RATE", 21, None),
    ("COMPRESS", 22, None),
];

/// The same for the values of options.
const CHOICE_NUMBERS: [(&str, u64); 13] = [
    ("COMPRESS_AUTO", 0),
    ("COMPRESS_NEVER", 255),
    ("DIALECT_AUTO", 0),
    ("DIALECT_NATIVE", 1),
    ("DIALECT_LEGACY", 2),
    ("DURABILITY_FULL", 0),
    ("DURABILITY_NONE", 1),
    ("OVERWRITE_REPLACE", 0),
    ("OVERWRITE_FAIL", 1),
    ("OVERWRITE_IF_DIGEST", 2),
    ("TLS_AUTO", 0),
    ("TLS_REQUIRE", 1),
    ("TLS_OFF", 2),
];

fn changed(option: &ClientOption, text: &str) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::default();
    option.set_text(&mut config, text).map(|()| config)
}

fn named(name: &str) -> &'static ClientOption {
    abi_options().find(|(_, abi)| abi.name == name).unwrap().0
}

#[test]
fn abi_numbers_do_not_change() {
    for (name, number, job) in ABI_NUMBERS {
        let (_, abi) = abi_options().find(|(_, abi)| abi.name == name).unwrap();
        assert_eq!((abi.number, abi.job.map(|job| job.number)), (number, job), "{name}");
    }
    let choices: Vec<_> = OPTIONS.iter().flat_map(|option| option.choices).collect();
    for (constant, number) in CHOICE_NUMBERS {
        let choice = choices.iter().find(|choice| choice.constant == constant).unwrap();
        assert_eq!(choice.number, number, "{constant}");
    }
}

#[test]
fn each_number_and_name_is_given_once() {
    let mut numbers: Vec<_> = abi_options().map(|(_, abi)| abi.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=u32::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
    // The first two numbers of jobs have no counterpart in the client.
    let jobs = abi_options().filter_map(|(_, abi)| Some(abi.job?.number));
    let jobs: BTreeSet<_> = jobs.inspect(|number| assert!(of_job(*number).is_some())).collect();
    assert_eq!(jobs, (3..3 + u32::try_from(jobs.len()).unwrap()).collect());
    let names: BTreeSet<_> = abi_options().map(|(_, abi)| abi.name).collect();
    let flags: Vec<_> = OPTIONS.iter().filter_map(|option| option.flag.as_ref()).collect();
    let flag_names: BTreeSet<_> = flags.iter().map(|flag| flag.name).collect();
    assert_eq!((names.len(), flag_names.len()), (numbers.len(), flags.len()));
}

#[test]
fn the_texts_have_the_values_of_the_row() {
    for (option, abi) in abi_options() {
        let texts = [option.about(abi), option.help()];
        assert!(texts.iter().all(|text| !text.contains(['{', '}'])), "{texts:?}");
        if let AbiForm::Number(range) = &abi.form {
            let default = number_of(&ClientConfig::default(), abi.number).unwrap();
            assert!(range.contains(&default), "{}", abi.name);
        }
    }
    let dialect = named("DIALECT");
    let expected =
        "`FTX_DIALECT_AUTO` (the default), `FTX_DIALECT_NATIVE` or `FTX_DIALECT_LEGACY`.";
    assert_eq!(dialect.about(&dialect.abi[0]), expected);
    assert!(named("STREAMS").help().ends_with("1 to 64, or `auto` [default: auto]"));
}

#[test]
fn the_default_of_a_flag_is_a_value_it_takes() {
    for option in OPTIONS.iter().filter(|option| option.flag.is_some()) {
        let text = (option.access.text)(&ClientConfig::default());
        let config = changed(option, &text).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", ClientConfig::default()), "{text}");
    }
}

#[test]
fn texts_outside_the_range_are_refused_with_a_hint() {
    let (streams, timeout) = (named("STREAMS"), named("TIMEOUT_MS"));
    assert_eq!(changed(streams, "64").unwrap().streams, NonZeroUsize::new(64));
    for text in ["0", "65", "-1", ""] {
        let hint = changed(streams, text).unwrap_err();
        assert_eq!(hint, "give a number from 1 to 64, or auto");
    }
    assert_eq!(changed(timeout, "0s").unwrap_err(), "give a time such as 30s");
    let year = Duration::from_millis(MAX_WAIT_MS);
    assert_eq!(changed(timeout, "300000000000years").unwrap().timeout, year);
}

#[test]
fn a_rate_is_a_size_or_none_and_has_a_least_value() {
    let limit_rate = named("LIMIT_RATE");
    let rate =
        |text| changed(limit_rate, text).map(|config| config.limit_rate.map(NonZeroU64::get));
    for (text, bytes) in [
        ("8KiB", Some(MIN_LIMIT_RATE)),
        ("8192", Some(8192)),
        ("10 MB", Some(10_000_000)),
        ("1.5MiB", Some(3 << 19)),
        ("none", None),
        ("0", None),
    ] {
        assert_eq!(rate(text), Ok(bytes), "{text}");
    }
    for text in ["8191", "1B", "8 KB", "-1", "", "fast"] {
        let hint = rate(text).unwrap_err();
        assert!(hint.contains("at least 8 KiB, or none"), "{text}: {hint}");
    }
    // The texts cannot be made of the constant.
    assert_eq!(MIN_LIMIT_RATE, 8 * 1024);
    let about = limit_rate.about(&limit_rate.abi[0]);
    assert!(about.contains(" 8192 (`FTX_MIN_LIMIT_RATE`) or more"), "{about}");
}

#[test]
fn compression_is_automatic_off_or_a_level() {
    let compress = named("COMPRESS");
    let number = |text: &str| {
        let config = changed(compress, text)?;
        let number = number_of(&config, 22).unwrap();
        assert_eq!((compress.access.text)(&config), text);
        Ok::<_, String>(number)
    };
    for (text, expected) in [("auto", 0), ("never", 255), ("1", 1), ("19", 19)] {
        assert_eq!(number(text), Ok(expected), "{text}");
        let mut config = ClientConfig::default();
        assert_eq!(set_number(&mut config, 22, expected), Ok(()));
        assert_eq!((compress.access.text)(&config), text);
    }
    for text in ["0", "20", "255", "-1", "", "always", "zstd"] {
        assert_eq!(number(text).unwrap_err(), "give auto, never, or a level from 1 to 19");
    }
}

#[test]
fn numbers_outside_the_range_and_of_another_form_are_refused() {
    let mut config = ClientConfig::default();
    let before = format!("{config:?}");
    let wrong = [
        (1, 0),
        (1, MAX_WAIT_MS + 1),
        (2, u64::from(u32::MAX) + 1),
        (5, 65),
        (6, 3),
        (8, 2),
        (21, 1),
        (21, MIN_LIMIT_RATE - 1),
        (22, 20),
        (22, 254),
        (22, 256),
    ];
    for (number, value) in wrong {
        assert_eq!(set_number(&mut config, number, value), Err(OptionError::Value), "{number}");
    }
    for number in [9, 10] {
        assert_eq!(set_number(&mut config, number, 0), Err(OptionError::Form));
        assert_eq!(number_of(&config, number), Err(OptionError::Form));
    }
    let next = u32::try_from(abi_options().count()).unwrap() + 1;
    for number in [0, next, u32::MAX] {
        assert_eq!(set_number(&mut config, number, 0), Err(OptionError::Unknown));
        assert_eq!(set_bytes(&mut config, number, b""), Err(OptionError::Unknown));
        assert_eq!(number_of(&config, number), Err(OptionError::Unknown));
    }
    assert_eq!(set_bytes(&mut config, 1, b"1"), Err(OptionError::Form));
    assert_eq!(set_bytes(&mut config, 9, &[0; 31]), Err(OptionError::Value));
    assert_eq!(set_bytes(&mut config, 10, b"a\0b"), Err(OptionError::PathWithNul));
    assert_eq!(format!("{config:?}"), before);
    assert_eq!(set_bytes(&mut config, 9, &[7; 32]), Ok(()));
    assert_eq!(number_of(&config, 8), Ok(2));
}

#[test]
fn a_token_is_checked_at_once_and_never_shown() {
    let token = AccessToken::new(ftx_core::TokenId([0x1a; 4]), [0x2b; AccessToken::SECRET_BYTES]);
    let text = token.to_string();
    let mut config = ClientConfig::default();
    assert_eq!(set_bytes(&mut config, 20, format!(" {text}\r\n").as_bytes()), Ok(()));
    assert_eq!(config.token.as_ref().map(ToString::to_string), Some(text.clone()));
    let mistyped = text.replacen("2b", "2c", 1);
    for (wrong, error) in [
        (mistyped.as_bytes(), AccessTokenError::Checksum),
        (b"ftx_", AccessTokenError::Form),
        (b"\xff", AccessTokenError::Form),
    ] {
        assert_eq!(set_bytes(&mut config, 20, wrong), Err(OptionError::Token(error)));
        assert!(config.token.is_some());
    }
    let texts: Vec<_> = OPTIONS.iter().map(|option| (option.access.text)(&config)).collect();
    let shown = format!("{config:?} {texts:?}");
    assert!(shown.contains("1a1a1a1a") && !shown.contains("2b2b"), "{shown}");
    assert_eq!(set_bytes(&mut config, 20, b""), Ok(()));
    assert!(config.token.is_none());
}

//! The options of a client, in one table.
//!
//! A row makes a field of [`ClientConfig`] with its default, the flag of `ftx-client`, and the numbers
//! and the documentation of the option in `include/ftx.h`. A new option needs a row, the place where it
//! acts, its line in `docs/cli.md`, and the generated header.

mod compress;
mod rate;
mod row;
mod value;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use ftx_core::AccessToken;
use ftx_core::native::wire::Overwrite;
use ftx_io::{Compression, Fingerprint};
use ftx_store::Durability;

use self::row::OptionAccess;
pub use self::row::{
    AbiForm, AbiJobOption, AbiOption, CliFlag, ClientOption, CommandScope, OptionError,
    abi_options, number_of, of_job, set_bytes, set_number,
};
use self::value::OptionValue;
pub use self::value::{DialectChoice, OptionChoice, TlsChoice};

/// The longest wait, a year: longer ones would overflow clocks.
const MAX_WAIT_MS: u64 = 365 * 24 * 60 * 60 * 1000;

/// The least limit on the rate of a client: a slower one would run into the time limits of servers.
pub const MIN_LIMIT_RATE: u64 = 8 * 1024;

/// The most connections of a client; more make no transfer faster.
pub const MAX_STREAM_COUNT: u64 = 64;

macro_rules! options {
    ($( $(#[doc = $doc:literal])+
        $field:ident: $type:ty = $default:expr, [ $( $abi:expr ),+ $(,)? ], $flag:expr;
    )+) => {
        /// Settings of a client.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct ClientConfig {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        impl Default for ClientConfig {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        /// The table of all options.
        pub static OPTIONS: &[ClientOption] = &[ $(
            ClientOption {
                abi: &[ $( $abi ),+ ],
                flag: $flag,
                choices: <$type as OptionValue>::CHOICES,
                access: OptionAccess {
                    number: |config| config.$field.number(),
                    text: |config| config.$field.text(),
                    set_number: |config, number| {
                        OptionValue::from_number(number).map(|value| config.$field = value)
                    },
                    set_bytes: |config, bytes| {
                        OptionValue::from_bytes(bytes).map(|value| config.$field = value)
                    },
                    set_text: |config, text| {
                        OptionValue::parse(text).map(|value| config.$field = value)
                    },
                },
            },
        )+ ];
    };
}

// `{min}`, `{max}`, `{default}` and `{choices}` in the texts stand for the values of the row. Numbers
// are the ABI's: they never change, and a new option takes the next.
options! {
    /// The longest wait for a connection, a reply, or the next bytes.
    timeout: Duration = Duration::from_secs(30),
        [AbiOption::number(
            1,
            "TIMEOUT_MS",
            1..=MAX_WAIT_MS,
            "Milliseconds to wait for a connection, an answer or the next bytes: {min} to {max}, \
             {default} by default.",
        )],
        Some(
            CliFlag::new(
                "timeout",
                "TIME",
                "Time limit for a connection, a reply, or the next bytes",
            )
            .takes("a time such as 30s"),
        );

    /// The most retries after a transient failure. An attempt that gets further than all before it
    /// does not count, so a transfer that makes progress is never given up. A connection that fails
    /// before the first byte of a file has moved is not retried.
    retries: u32 = 5,
        [AbiOption::number(
            2,
            "RETRIES",
            0..=u32::MAX as u64,
            "Retries of a file after a transient failure: {min} to {max}, {default} by default. An \
             attempt that gets further than every earlier one is not counted. A connection that \
             fails before the first byte of a file has moved is not retried.",
        )
        .per_job(
            3,
            "As `FTX_OPTION_RETRIES`, for this job; defaults to the setting of the client.",
        )],
        Some(
            CliFlag::new(
                "retries",
                "N",
                "Retries of a transfer that was moving; an attempt that makes progress does not count",
            )
            .takes("a number from {min} to {max}"),
        );

    /// The pause before the first retry; it doubles with each, up to
    /// [`max_backoff`](Self::max_backoff), and is varied at random.
    min_backoff: Duration = Duration::from_millis(100),
        [AbiOption::number(
            3,
            "MIN_BACKOFF_MS",
            0..=MAX_WAIT_MS,
            "Milliseconds before the first retry, doubled for each further one: {min} to {max}, \
             {default} by default.",
        )],
        None;

    /// The longest pause between two attempts.
    max_backoff: Duration = Duration::from_secs(15),
        [AbiOption::number(
            4,
            "MAX_BACKOFF_MS",
            0..=MAX_WAIT_MS,
            "Maximum milliseconds between two attempts: {min} to {max}, {default} by default.",
        )],
        None;

    /// The longest time in which no byte of a transfer moves, over all its attempts: it then fails with
    /// the error of its first loss. A server that works on a request and says so does not stall.
    stall_timeout: Duration = Duration::from_secs(30),
        [AbiOption::number(
            11,
            "STALL_TIMEOUT_MS",
            0..=MAX_WAIT_MS,
            "Milliseconds without a byte after which a transfer that has lost its connection is no \
             longer retried: {min} to {max}, {default} by default. It then fails with the status of \
             its first loss.",
        )],
        Some(
            CliFlag::new(
                "stall-timeout",
                "TIME",
                "Time without a byte after which a lost connection is no longer retried",
            )
            .takes("a time such as 30s"),
        );

    /// The number of connections that share the work, in the native dialect; `None` chooses it by
    /// files and distance.
    streams: Option<NonZeroUsize> = None,
        [AbiOption::number(
            5,
            "STREAMS",
            0..=MAX_STREAM_COUNT,
            "Connections that share the work in the native dialect: 1 to {max}; {default}, the \
             default, lets the client choose.",
        )],
        Some(
            CliFlag::new(
                "streams",
                "N",
                "Number of parallel connections in the native dialect, 1 to {max}, or `auto`",
            )
            .takes("a number from 1 to {max}, or auto"),
        );

    /// The most bytes of files in a second, in each direction, of all connections together; at least
    /// [`MIN_LIMIT_RATE`]. `None` sets no limit.
    limit_rate: Option<NonZeroU64> = None,
        [AbiOption::number(
            21,
            "LIMIT_RATE",
            0..=u64::MAX,
            "Maximum bytes of files in a second, in each direction, of all connections of the client \
             together: 8192 (`FTX_MIN_LIMIT_RATE`) or more; {default}, the default, for no limit.",
        )],
        Some(
            CliFlag::new(
                "limit-rate",
                "SIZE",
                "Most bytes of files in a second, in each direction, over all connections, or `none`",
            )
            .takes("a size for each second such as 10 MB or 512 KiB, at least 8 KiB, or none"),
        );

    /// When bytes are compressed, in the native dialect, with servers that agree. A level holds for uploads;
    /// the server chooses that of downloads.
    compress: Compression = Compression::Auto,
        [AbiOption::number(
            22,
            "COMPRESS",
            0..=255,
            "When bytes are compressed, in the native dialect: {choices}; or always, at a level from 1, \
             the fastest, to 19, the smallest. A level holds for uploads; the server chooses that of \
             downloads. Bytes that do not shrink are sent as they are.",
        )],
        Some(
            CliFlag::new(
                "compress",
                "WHEN",
                "Compression on the line: `auto` while the line is slower than the compressor, `never`, or \
                 always at a level from 1 to 19",
            )
            .takes("auto, never, or a level from 1 to 19"),
        );

    /// The dialect to speak.
    dialect: DialectChoice = DialectChoice::Auto,
        [AbiOption::number(6, "DIALECT", 0..=u64::MAX, "{choices}.")],
        Some(CliFlag::new(
            "dialect",
            "DIALECT",
            "Protocol to speak; `auto` picks the native one if the server supports it",
        ));

    /// The failures that a finished download survives.
    durability: Durability = Durability::Full,
        [AbiOption::number(7, "DURABILITY", 0..=u64::MAX, "{choices}.")],
        Some(
            CliFlag::new("durability", "DURABILITY", "Failures that a finished download survives")
                .of(CommandScope::Download),
        );

    /// Whether an upload may replace an existing file, in the native dialect.
    overwrite: Overwrite = Overwrite::Replace,
        [
            AbiOption::number(
                8,
                "OVERWRITE",
                0..=u64::MAX,
                "How an upload treats an existing file, in the native dialect: {choices}.",
            )
            .per_job(
                4,
                "As `FTX_OPTION_OVERWRITE`, for the uploads of this job; defaults to the setting \
                 of the client.",
            ),
            AbiOption::bytes(
                9,
                "OVERWRITE_DIGEST",
                "32 bytes, set by `ftx_config_set_bytes`: the BLAKE3 digest of the file that an \
                 upload may replace.",
            )
            .per_job(
                5,
                "As `FTX_OPTION_OVERWRITE_DIGEST`, for the uploads of this job; set by \
                 `ftx_job_set_bytes`.",
            ),
        ],
        Some(
            CliFlag::new(
                "overwrite",
                "POLICY",
                "Policy for a file that exists: replace, fail, or the digest it must have to be \
                 replaced",
            )
            .of(CommandScope::Upload)
            .takes("replace, fail, or the digest of the version to replace"),
        );

    /// A directory, used by clients only, for the chaining values of local files by device, inode,
    /// size and times, in the native dialect. An unchanged file is then not read again to find the
    /// blocks that the server lacks. `None` keeps them in memory only.
    cache: Option<PathBuf> = None,
        [AbiOption::bytes(
            10,
            "CACHE",
            "The path of a cache directory, set by `ftx_config_set_bytes`. It keeps the hashes of \
             local files, so that unchanged files are read only once. Empty, the default, means no \
             cache. The client creates the directory if necessary; only clients may write to it.",
        )],
        None;

    /// Whether connections use TLS, which encrypts them and proves the server's identity.
    tls: TlsChoice = TlsChoice::Auto,
        [AbiOption::number(12, "TLS", 0..=u64::MAX, "{choices}.")],
        Some(CliFlag::new(
            "tls",
            "TLS",
            "Encryption; `auto` requires it, except from servers on this machine",
        ));

    /// The fingerprint of the server's key. A server with another key, or without TLS, is refused.
    fingerprint: Option<Fingerprint> = None,
        [AbiOption::bytes(
            13,
            "FINGERPRINT",
            "The fingerprint of the server's key, as the server prints it: `sha256:` and 64 hexadecimal \
             digits. Set by `ftx_config_set_bytes`. A server with another key, or without TLS, is \
             refused. Empty, the default, means that issuers or `FTX_OPTION_KNOWN_HOSTS` decide.",
        )],
        Some(
            CliFlag::new(
                "fingerprint",
                "SHA256",
                "Fingerprint that the server's key must have, as the server prints it",
            )
            .takes("sha256: and 64 hexadecimal digits"),
        );

    /// A PEM file with the issuers whose certificates are trusted, in place of those of the system.
    ca: Option<PathBuf> = None,
        [AbiOption::bytes(
            14,
            "CA",
            "The path of a PEM file with the issuers whose certificates are trusted, in place of those \
             of the system. Set by `ftx_config_set_bytes`.",
        )],
        Some(
            CliFlag::new("ca", "FILE", "PEM file with the trusted issuers of certificates")
                .takes("the path of a PEM file"),
        );

    /// The file of servers whose keys are known from earlier connections. `None` knows no server.
    known_hosts: Option<PathBuf> = None,
        [AbiOption::bytes(
            15,
            "KNOWN_HOSTS",
            "The path of the file of servers whose keys are known, set by `ftx_config_set_bytes`. A \
             known server with another key, or without TLS, is refused. Empty, the default, means \
             that no server is known.",
        )],
        None;

    /// Whether a server that is not known yet is trusted, and added to `known_hosts`.
    accept_new: bool = false,
        [AbiOption::number(
            16,
            "ACCEPT_NEW",
            0..=1,
            "1 trusts a server that is not known yet, and adds it to `FTX_OPTION_KNOWN_HOSTS`; {default} \
             by default.",
        )],
        Some(CliFlag::new(
            "accept-new",
            "",
            "Trust a server that is not known yet, and remember its key",
        ));

    /// Whether connections to other machines may do without TLS.
    insecure: bool = false,
        [AbiOption::number(
            17,
            "INSECURE",
            0..=1,
            "1 allows connections without TLS to other machines, as servers of the original system need; \
             {default} by default.",
        )],
        Some(CliFlag::new(
            "insecure",
            "",
            "Allow servers on other machines to do without encryption",
        ));

    /// A PEM file with the certificate that the client shows, for servers that ask for one.
    client_cert: Option<PathBuf> = None,
        [AbiOption::bytes(
            18,
            "CLIENT_CERT",
            "The path of a PEM file with the certificate that the client shows to a server that asks for \
             one. Set by `ftx_config_set_bytes`.",
        )],
        Some(
            CliFlag::new("client-cert", "FILE", "PEM file with the client's own certificate")
                .takes("the path of a PEM file"),
        );

    /// A PEM file with the key of `client_cert`; `None` if it is in the same file.
    client_key: Option<PathBuf> = None,
        [AbiOption::bytes(
            19,
            "CLIENT_KEY",
            "The path of a PEM file with the key of `FTX_OPTION_CLIENT_CERT`, set by \
             `ftx_config_set_bytes`. Empty, the default, means that it is in the same file.",
        )],
        Some(
            CliFlag::new("client-key", "FILE", "PEM file with the key of the client's certificate")
                .takes("the path of a PEM file"),
        );

    /// The token that proves to the server who the client is. It never crosses a plain connection to
    /// another machine, whatever the other settings say. A server of the original system gets none. On
    /// the command line it is no argument, which every user of the machine could read.
    token: Option<AccessToken> = None,
        [AbiOption::bytes(
            20,
            "TOKEN",
            "The token that proves to the server who the client is, as `ftx-server token add` prints it. \
             Set by `ftx_config_set_bytes`; white space around it does not count. A server on another \
             machine gets it encrypted or not at all, whatever `FTX_OPTION_INSECURE` says. A mistyped \
             token is `FTX_INVALID_ARGUMENT`. Empty, the default, means that the client proves nothing.",
        )],
        None;
}

#[cfg(test)]
mod tests;

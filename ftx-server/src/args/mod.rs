//! The command line of `ftx-server`, and its configuration file.

mod invocation;
mod keys;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Parser, Subcommand, ValueEnum};
use ftx_core::escaped;
use ftx_io::{Compression, MinSpeed};
use ftx_server::process::{FileUsage, NeededFile, SandboxMode, UserSpec};
use ftx_server::store::local::LocalStoreConfig;
use ftx_server::{AddressLimit, Config, Limits, MIN_SPEED_WINDOW, ServerCertificate, TlsFiles};
use ftx_store::{Durability, DurableNames};
use tracing_subscriber::EnvFilter;

pub(crate) use self::invocation::{Invocation, USAGE_EXIT_CODE};
use crate::token_command::TokenCommand;

/// The directory of a server's state beside its configuration file.
const STATE_DIRECTORY: &str = "ftx-state";

/// The files in it that another user may have made.
const STATE_FILES: [&str; 3] = ["key.pem", "certificate.pem", TOKEN_FILE];
const TOKEN_FILE: &str = "tokens";

/// The server's own directory in the root.
const PRIVATE_DIR: &str = ".ftx";

/// Serves a directory to ftx clients and to the original Qt FileClient.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub(crate) struct ServerArgs {
    #[command(subcommand)]
    command: Option<ServerCommand>,

    /// Configuration file with settings, users and rights; the flags here take precedence
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Address to listen on; with port 0 the system chooses a port, printed in the first line
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7411")]
    pub(crate) listen: String,

    /// Directory to serve; created if missing
    #[arg(long, value_name = "DIR", default_value = "./files")]
    pub(crate) root: PathBuf,

    /// Reactor threads, or `auto` for one per core
    #[arg(long, value_name = "N|auto", default_value = "1", value_parser = threads)]
    threads: NonZeroUsize,

    /// Allow other machines to connect without TLS and, without a configuration file, to do everything
    #[arg(long)]
    pub(crate) insecure: bool,

    /// Directory of the server's own key, certificate and tokens, created if missing; turns on TLS.
    /// With a configuration file, `ftx-state` beside it by default
    #[arg(long, value_name = "DIR", env = "STATE_DIRECTORY")]
    state: Option<PathBuf>,

    /// PEM file with the certificate to show, followed by those of its issuers; turns on TLS
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// PEM file with the key of the certificate
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// PEM file with the issuers of certificates that clients may show
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,

    /// Failures that a confirmed upload survives: `full` includes a power failure, `none` only the
    /// end of this process
    #[arg(long, value_enum, default_value = "full")]
    durability: DurabilityArg,

    /// How long an interrupted upload can be resumed
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = humantime::parse_duration)]
    staging_ttl: Duration,

    /// Limit of simultaneous connections
    #[arg(long, value_name = "N", default_value_t = 4096)]
    max_connections: usize,

    /// Limit of simultaneous connections of one address: 256 by default, and none for this machine
    #[arg(long, value_name = "N|none", value_parser = count_or_none)]
    max_connections_per_address: Option<AddressLimit>,

    /// Limit of new connections of one address in a second: 64 by default, and none for this machine
    #[arg(long, value_name = "N|none", value_parser = count_or_none)]
    max_new_connections_per_address: Option<AddressLimit>,

    /// Size of the largest file that is stored
    #[arg(long, value_name = "SIZE", default_value = "16TiB")]
    max_file: ByteSize,

    /// Parts of the longest path that is stored: `a/b/c` has three
    #[arg(long, value_name = "N", default_value_t = 128)]
    max_name_parts: usize,

    /// Bytes of the longest path that is stored
    #[arg(long, value_name = "N", default_value_t = 4096)]
    max_name_bytes: usize,

    /// Limit of uploads that are open at one time; small files do not count
    #[arg(long, value_name = "N", default_value_t = 4096)]
    max_uploads: usize,

    /// Limit of uploads of one user that are open at one time
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_uploads_per_user: usize,

    /// Limit of unfinished uploads of one user that are kept
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_stagings_per_user: usize,

    /// Memory for blocks that the store makes durable together, several at a time; files need none
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    max_granule_memory: ByteSize,

    /// Time limit for the first request of a connection
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    hello_timeout: Duration,

    /// Time limit for a transfer without progress
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    stall_timeout: Duration,

    /// Least bytes a second of a client in a message or a transfer, on average over a minute of waiting
    #[arg(long, value_name = "SIZE|none", default_value = "1KiB", value_parser = rate_or_none)]
    min_speed: Rate,

    /// Most bytes of files in a second, of all connections in each direction
    #[arg(long, value_name = "SIZE|none", default_value = "none", value_parser = rate_or_none)]
    limit_rate: Rate,

    /// Most bytes of files in a second of each user, in each direction; a user of the configuration file may
    /// have another limit
    #[arg(long, value_name = "SIZE|none", default_value = "none", value_parser = rate_or_none)]
    limit_rate_per_user: Rate,

    /// Most bytes of files in a second of each connection, in each direction
    #[arg(long, value_name = "SIZE|none", default_value = "none", value_parser = rate_or_none)]
    limit_rate_per_connection: Rate,

    /// Compression on the line, with native clients that agree: `auto` while the line is slower than the
    /// compressor
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    compress: CompressArg,

    /// Time limit for an idle connection
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    idle_timeout: Duration,

    /// Time for running transfers to finish after SIGTERM, before they are suspended
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    grace: Duration,

    /// User of this system as which to run, once the address is bound; needs root. Without a group, all
    /// groups of the user
    #[arg(long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<UserSpec>,

    /// Restriction of the process to the files that it serves and needs, by Landlock: `auto` as far as the
    /// kernel can, `require` or not at all, `off` for file systems on which it fails
    #[arg(long, value_enum, default_value = "auto")]
    sandbox: SandboxArg,

    /// Filter for the log on standard error, in the syntax of `tracing`: error, warn, info, debug …
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "info")]
    log: String,
}

/// Bytes a second; `None` for no limit.
#[derive(Clone, Copy, Debug)]
struct Rate(Option<NonZeroU64>);

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DurabilityArg {
    Full,
    None,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CompressArg {
    Auto,
    Never,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SandboxArg {
    Auto,
    Off,
    Require,
}

/// What to do instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Check a configuration file: say what it means, or all that is wrong with it
    Check {
        /// Configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Manage the tokens by which users prove who they are
    #[command(subcommand)]
    Token(TokenCommand),
}

impl ServerArgs {
    pub(crate) fn log(&self) -> EnvFilter {
        // Prints the errors of the filter.
        EnvFilter::builder().parse_lossy(escaped(&self.log).to_string())
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::default();
        config.threads = self.threads;
        config.limits = self.limits();
        config.timeouts.handshake = self.hello_timeout;
        config.timeouts.stall = self.stall_timeout;
        config.timeouts.idle = self.idle_timeout;
        config.timeouts.grace = self.grace;
        config.compression = match self.compress {
            CompressArg::Auto => Compression::Auto,
            CompressArg::Never => Compression::Never,
        };
        config
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.connections = self.max_connections;
        let min_speed =
            |rate: NonZeroU64| MinSpeed { bytes_per_second: rate.get(), window: MIN_SPEED_WINDOW };
        limits.min_speed = self.min_speed.0.map(min_speed);
        let store = &mut limits.store;
        store.max_file_bytes = self.max_file.as_u64();
        (store.name_parts, store.name_bytes) = (self.max_name_parts, self.max_name_bytes);
        store.open_uploads = self.max_uploads;
        store.open_uploads_per_user = self.max_uploads_per_user;
        store.stagings_per_user = self.max_stagings_per_user;
        limits.granule_memory_bytes = self.max_granule_memory.as_u64();
        limits.bandwidth.all = self.limit_rate.0;
        limits.bandwidth.user = self.limit_rate_per_user.0;
        limits.bandwidth.connection = self.limit_rate_per_connection.0;
        if let Some(limit) = self.max_connections_per_address {
            limits.connections_per_address = limit;
        }
        if let Some(limit) = self.max_new_connections_per_address {
            limits.new_connections_per_address = limit;
        }
        limits
    }

    /// The directory of the server's state, if it has one.
    pub(crate) fn state(&self) -> Option<PathBuf> {
        let beside =
            |config: &PathBuf| config.parent().unwrap_or(Path::new("")).join(STATE_DIRECTORY);
        self.state.clone().or_else(|| self.config.as_ref().map(beside))
    }

    /// The files for TLS, if it is turned on, for a server with this directory for its state.
    pub(crate) fn tls_files(&self, state: Option<PathBuf>) -> Option<TlsFiles> {
        let certificate = match (&self.cert, &self.key, state) {
            (Some(cert), Some(key), _) => {
                ServerCertificate::Files { cert: cert.clone(), key: key.clone() }
            }
            (_, _, Some(dir)) => ServerCertificate::SelfSigned { dir },
            _ => return None,
        };
        Some(TlsFiles { certificate, client_ca: self.client_ca.clone() })
    }

    /// Whether confirmed uploads have to survive a power failure.
    pub(crate) fn survives_power_failure(&self) -> bool {
        matches!(self.durability, DurabilityArg::Full)
    }

    /// The mode of the sandbox.
    pub(crate) fn sandbox(&self) -> SandboxMode {
        match self.sandbox {
            SandboxArg::Auto => SandboxMode::Auto,
            SandboxArg::Off => SandboxMode::Off,
            SandboxArg::Require => SandboxMode::Require,
        }
    }

    /// The files outside of root and state that the server reads, also on a reload.
    pub(crate) fn files_to_read(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.config, &self.cert, &self.key, &self.client_ca].into_iter().flatten()
    }

    /// The files that the server uses while it runs, besides those below its root. They need not exist.
    pub(crate) fn needed_files(&self) -> Vec<NeededFile> {
        let mut files = Vec::new();
        let mut add = |usage, path: PathBuf| files.push(NeededFile { path, usage });
        self.files_to_read().for_each(|file| add(FileUsage::Read, file.clone()));
        if let Some(state) = self.state() {
            add(FileUsage::Own, state.clone());
            let is_used = |name: &&&str| self.cert.is_none() || **name == TOKEN_FILE;
            let names = STATE_FILES.iter().filter(is_used);
            names.for_each(|name| add(FileUsage::Read, state.join(name)));
        }
        add(FileUsage::Write, self.root.clone());
        add(FileUsage::Own, self.root.join(PRIVATE_DIR));
        files
    }

    /// The settings of the store, for a server with these settings.
    pub(crate) fn store_config(
        &self,
        server: &Config,
        durable_names: Arc<DurableNames>,
    ) -> LocalStoreConfig {
        let mut config = LocalStoreConfig::new(&self.root).for_server(server);
        config.durability = match self.durability {
            DurabilityArg::Full => Durability::Full,
            DurabilityArg::None => Durability::None,
        };
        config.staging_ttl = self.staging_ttl;
        config.durable_names = durable_names;
        config
    }
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    if text == "auto" {
        return std::thread::available_parallelism().map_err(|error| error.to_string());
    }
    match text.parse() {
        Ok(threads) if NonZeroUsize::get(threads) <= 1024 => Ok(threads),
        _ => Err("a number from 1 to 1024, or auto".to_owned()),
    }
}

fn count_or_none(text: &str) -> Result<AddressLimit, String> {
    match text.parse() {
        Ok(most) => Ok(AddressLimit::for_all(Some(most))),
        Err(_) if text == "none" => Ok(AddressLimit::for_all(None)),
        Err(_) => Err("a number from 1 on, or none".to_owned()),
    }
}

fn rate_or_none(text: &str) -> Result<Rate, String> {
    if text == "none" {
        return Ok(Rate(None));
    }
    match text.parse::<ByteSize>().ok().and_then(|size| NonZeroU64::new(size.as_u64())) {
        Some(rate) => Ok(Rate(Some(rate))),
        None => Err("a size for each second such as 10 MB or 512 KiB, or none".to_owned()),
    }
}

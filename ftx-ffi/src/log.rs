//! Passes log messages to the callback, if there is one.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{OnceLock, PoisonError, RwLock};

use ftx_core::escaped;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, set_global_default};
use tracing::{Level, Metadata, Subscriber};

use crate::api::codes::{FTX_LOG_DEBUG, FTX_LOG_ERROR, FTX_LOG_INFO, FTX_LOG_TRACE, FTX_LOG_WARN};
use crate::failure::Failure;
use crate::status::AbiStatus;
use crate::thread_state;

/// The receiver of a message: level and text.
pub(crate) type Tell = Box<dyn Fn(u32, &str) + Send + Sync>;

static TELL: RwLock<Option<Tell>> = RwLock::new(None);
static LEVEL: AtomicU32 = AtomicU32::new(0);

/// Sends messages at `level` or above to `tell`. The previous receiver is no longer called once
/// this returns.
pub(crate) fn set(level: u32, tell: Option<Tell>) -> Result<(), Failure> {
    static SET: OnceLock<bool> = OnceLock::new();
    if thread_state::is_in_log() {
        return Err(Failure::abi(AbiStatus::Reentered, "the log callback may not change itself"));
    }
    if tell.is_some() && !*SET.get_or_init(|| set_global_default(LogSubscriber).is_ok()) {
        let message = "the process already has its own log";
        return Err(Failure::abi(AbiStatus::WrongState, message));
    }
    let mut place = TELL.write().unwrap_or_else(PoisonError::into_inner);
    LEVEL.store(if tell.is_some() { level } else { 0 }, Relaxed);
    *place = tell;
    Ok(())
}

/// Logs an error of this library itself.
pub(crate) fn error(message: &str) {
    tell(FTX_LOG_ERROR, message);
}

/// Escapes names and messages from outside in the text.
fn tell(level: u32, message: &str) {
    if level > LEVEL.load(Relaxed) {
        return;
    }
    // Messages caused by the callback itself are dropped: they would recurse for ever.
    thread_state::in_log(|| {
        let place = TELL.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(tell) = &*place {
            tell(level, &escaped(message).to_string());
        }
    });
}

fn code(level: Level) -> u32 {
    match level {
        Level::ERROR => FTX_LOG_ERROR,
        Level::WARN => FTX_LOG_WARN,
        Level::INFO => FTX_LOG_INFO,
        Level::DEBUG => FTX_LOG_DEBUG,
        _ => FTX_LOG_TRACE,
    }
}

/// Receives the log of the other crates.
struct LogSubscriber;

impl Subscriber for LogSubscriber {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // The level may be changed at any time.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        code(*metadata.level()) <= LEVEL.load(Relaxed) && metadata.target().starts_with("ftx")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(format!("{}:", event.metadata().target()));
        event.record(&mut line);
        tell(code(*event.metadata().level()), &line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The text of an event.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

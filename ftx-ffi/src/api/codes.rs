//! The constants of the header, except those of options, which come from the table of `ftx_client::options`.
//! A test compares the codes with the tables of `ftx-core` and `status`.

use std::ffi::CStr;

/// Done.
pub const FTX_OK: i32 = 0;
/// The file could not be written.
pub const FTX_FILE_WRITE_ERROR: i32 = -1;
/// The file could not be opened.
pub const FTX_FILE_OPEN_ERROR: i32 = -2;
/// The position is not valid for this file.
pub const FTX_FILE_SEEK_ERROR: i32 = -3;
/// The file is already there.
pub const FTX_FILE_ALREADY_EXISTS_ERROR: i32 = -4;
/// No answer in time, or the connection was lost.
pub const FTX_RECV_DATA_TIMEOUT_ERROR: i32 = -5;
/// An answer that does not fit the request.
pub const FTX_RECV_UNKNOW_DATA_ERROR: i32 = -6;
/// The server could not be reached.
pub const FTX_CONNECT_SERVER_ERROR: i32 = -7;
/// The upload failed.
pub const FTX_UPLOAD_FILE_ERROR: i32 = -8;
/// The download failed.
pub const FTX_DOWNLOAD_FILE_ERROR: i32 = -10;
/// The server's name has no address.
pub const FTX_ADDRESS_NOT_FOUND: i32 = -101;
/// No connection to the server could be made.
pub const FTX_CONNECT_FAILED: i32 = -102;
/// The connection was lost.
pub const FTX_CONNECTION_LOST: i32 = -103;
/// The peer said nothing for too long.
pub const FTX_TIMED_OUT: i32 = -104;
/// No encrypted connection could be made.
pub const FTX_TLS_FAILED: i32 = -105;
/// The peer's bytes are no valid message.
pub const FTX_MALFORMED: i32 = -201;
/// The peer speaks another protocol.
pub const FTX_OTHER_DIALECT: i32 = -202;
/// Both sides have no version of the protocol in common.
pub const FTX_NO_COMMON_VERSION: i32 = -203;
/// A message came where it does not belong.
pub const FTX_OUT_OF_STEP: i32 = -204;
/// The peer exceeded a limit of the protocol.
pub const FTX_LIMIT_EXCEEDED: i32 = -205;
/// The local file does not exist.
pub const FTX_LOCAL_NOT_FOUND: i32 = -301;
/// No permission for the local file.
pub const FTX_LOCAL_PERMISSION_DENIED: i32 = -302;
/// The local path is not a regular file.
pub const FTX_LOCAL_NOT_A_FILE: i32 = -303;
/// No space left for the local file.
pub const FTX_LOCAL_NO_SPACE: i32 = -304;
/// The local file could not be read or written.
pub const FTX_LOCAL_IO_ERROR: i32 = -305;
/// The local file was changed meanwhile.
pub const FTX_LOCAL_CHANGED: i32 = -306;
/// The local file is in use.
pub const FTX_LOCAL_IN_USE: i32 = -307;
/// The local file is there already.
pub const FTX_LOCAL_ALREADY_EXISTS: i32 = -308;
/// The name is not allowed.
pub const FTX_NAME_REFUSED: i32 = -401;
/// There is no such file on the server.
pub const FTX_NOT_FOUND: i32 = -402;
/// The server has no permission for the file.
pub const FTX_PERMISSION_DENIED: i32 = -403;
/// The name is not that of a file.
pub const FTX_NOT_A_FILE: i32 = -404;
/// No space left on the server.
pub const FTX_NO_SPACE: i32 = -405;
/// There is such a file on the server already.
pub const FTX_ALREADY_EXISTS: i32 = -406;
/// The file on the server is not the expected one.
pub const FTX_PRECONDITION_FAILED: i32 = -407;
/// The file on the server was changed meanwhile.
pub const FTX_CHANGED: i32 = -408;
/// The upload was taken over by another connection.
pub const FTX_TAKEN_OVER: i32 = -409;
/// The file is in use on the server.
pub const FTX_BUSY: i32 = -410;
/// The stored file does not have the announced digest.
pub const FTX_DIGEST_MISMATCH: i32 = -411;
/// A block did not arrive as it was sent.
pub const FTX_BLOCK_MISMATCH: i32 = -412;
/// The server could not read or write the file.
pub const FTX_IO_ERROR: i32 = -413;
/// The file is too large for the server.
pub const FTX_TOO_LARGE: i32 = -414;
/// The server is shutting down.
pub const FTX_SHUTTING_DOWN: i32 = -415;
/// The server does not accept the credentials.
pub const FTX_UNAUTHORISED: i32 = -416;
/// Too many requests at a time.
pub const FTX_TOO_MANY_REQUESTS: i32 = -417;
/// The server does not support the request.
pub const FTX_UNSUPPORTED: i32 = -418;
/// The user has no right to do this.
pub const FTX_FORBIDDEN: i32 = -419;
/// The file exceeds the user's quota.
pub const FTX_QUOTA_EXCEEDED: i32 = -420;
/// An argument is not valid.
pub const FTX_INVALID_ARGUMENT: i32 = -501;
/// The server's address is not valid.
pub const FTX_INVALID_ADDRESS: i32 = -502;
/// Cancelled; it can be continued.
pub const FTX_CANCELLED: i32 = -503;
/// An internal error; please report it.
pub const FTX_INTERNAL: i32 = -601;
/// A pointer is NULL that must not be.
pub const FTX_NULL_POINTER: i32 = -551;
/// A text is not valid UTF-8.
pub const FTX_INVALID_UTF8: i32 = -552;
/// There is no such option.
pub const FTX_UNKNOWN_OPTION: i32 = -553;
/// The option has another type.
pub const FTX_WRONG_TYPE: i32 = -554;
/// The struct_size is not set.
pub const FTX_STRUCT_SIZE: i32 = -555;
/// The process was forked after the handle was made; make another one.
pub const FTX_FORKED: i32 = -556;
/// A callback may not wait for its own client.
pub const FTX_REENTERED: i32 = -557;
/// Not yet.
pub const FTX_PENDING: i32 = -558;
/// The job is in a state in which that cannot be done.
pub const FTX_WRONG_STATE: i32 = -559;
/// The job has no file of that index.
pub const FTX_NO_SUCH_FILE: i32 = -560;
/// The system gives no thread or no descriptor.
pub const FTX_NO_RESOURCES: i32 = -651;
/// No failure.
pub const FTX_CATEGORY_NONE: u32 = 0;
/// The connection failed: -101 and below, and -5 and -7.
pub const FTX_CATEGORY_NETWORK: u32 = 1;
/// The protocol was violated: -201 and below, and -6.
pub const FTX_CATEGORY_PROTOCOL: u32 = 2;
/// A local file failed: -301 and below.
pub const FTX_CATEGORY_LOCAL: u32 = 3;
/// The server refused: -401 and below, and the other codes of the original system.
pub const FTX_CATEGORY_SERVER: u32 = 4;
/// Misuse or cancellation by the caller: -501 and below.
pub const FTX_CATEGORY_CALLER: u32 = 5;
/// A bug in ftx, or the system lacks a resource: -601 and below.
pub const FTX_CATEGORY_INTERNAL: u32 = 6;
/// Between client and server, or unknown.
pub const FTX_SIDE_NONE: u32 = 0;
/// This machine.
pub const FTX_SIDE_LOCAL: u32 = 1;
/// The server.
pub const FTX_SIDE_SERVER: u32 = 2;
/// Uploads files.
pub const FTX_JOB_UPLOAD: u32 = 1;
/// Downloads files.
pub const FTX_JOB_DOWNLOAD: u32 = 2;
/// Lists a directory of a native server; the root, if no name is added.
pub const FTX_JOB_LIST: u32 = 3;
/// Asks a native server for the entries of names.
pub const FTX_JOB_STAT: u32 = 4;
/// Asks a native server for the digests of files.
pub const FTX_JOB_DIGEST: u32 = 5;
/// Removes files on a native server.
pub const FTX_JOB_REMOVE: u32 = 6;
/// Finds out the dialect of the server; `ftx_job_dialect` returns it.
pub const FTX_JOB_DIALECT: u32 = 7;
/// 0, the default: the first file that fails ends the job. 1: the job continues with the other
/// files.
pub const FTX_JOB_OPTION_KEEP_GOING: u32 = 1;
/// 0, the default: a listing shows the directory. 1: it includes all subdirectories.
pub const FTX_JOB_OPTION_RECURSIVE: u32 = 2;
/// Not started.
pub const FTX_STATE_NEW: u32 = 0;
/// Queued behind earlier jobs.
pub const FTX_STATE_QUEUED: u32 = 1;
/// Running.
pub const FTX_STATE_RUNNING: u32 = 2;
/// Paused.
pub const FTX_STATE_PAUSED: u32 = 3;
/// Ended: done, failed or cancelled.
pub const FTX_STATE_ENDED: u32 = 4;
/// Hashing the bytes already present: `done` of `total` bytes.
pub const FTX_EVENT_HASHING: u32 = 1;
/// Bytes of a file begin to move. Both sides already hold `done` of its `total` bytes, which need not
/// be its first ones.
pub const FTX_EVENT_STARTED: u32 = 2;
/// `done` of the `total` bytes of a file are transferred.
pub const FTX_EVENT_PROGRESS: u32 = 3;
/// The job was cancelled, but an original server would hang if the client disconnected now: it
/// still sends `total` bytes.
pub const FTX_EVENT_DRAINING: u32 = 4;
/// An attempt failed with `status`; attempt number `attempt` follows after `pause_ms`.
pub const FTX_EVENT_RETRYING: u32 = 5;
/// A file is done, or has failed with `status`. `done` is the number of bytes that the last attempt
/// moved; `already_there` is 1 if the file was up to date. Never dropped.
pub const FTX_EVENT_FILE_ENDED: u32 = 6;
/// Entries wait for `ftx_job_next_entry`.
pub const FTX_EVENT_ENTRIES: u32 = 7;
/// A job is paused.
pub const FTX_EVENT_JOB_PAUSED: u32 = 8;
/// A job has ended with `status`, the first failure; `done` of its `total` files are done. Always
/// the last event of its job, and never dropped.
pub const FTX_EVENT_JOB_ENDED: u32 = 9;
/// Another run uploads the same file to the same name, and the server permits one run at a time.
/// The upload of the file resumes when the other run has ended or stalled.
pub const FTX_EVENT_WAITING: u32 = 10;
/// A file.
pub const FTX_ENTRY_FILE: u32 = 1;
/// A directory.
pub const FTX_ENTRY_DIRECTORY: u32 = 2;
/// Something in a directory that cannot be transferred: `obstacle` gives the reason. A program that
/// downloads a listing skips the entry and reports it to its user.
pub const FTX_ENTRY_UNTRANSFERABLE: u32 = 3;
/// No obstacle.
pub const FTX_OBSTACLE_NONE: u32 = 0;
/// The entry is a symbolic link.
pub const FTX_OBSTACLE_LINK: u32 = 1;
/// The entry is a device, a FIFO, a socket or another special file.
pub const FTX_OBSTACLE_SPECIAL: u32 = 2;
/// The name is not valid UTF-8.
pub const FTX_OBSTACLE_NOT_UTF8: u32 = 3;
/// The name is not allowed.
pub const FTX_OBSTACLE_NAME_REFUSED: u32 = 4;
/// The name, or a part of it, exceeds the length limit.
pub const FTX_OBSTACLE_TOO_LONG: u32 = 5;
/// Errors only.
pub const FTX_LOG_ERROR: u32 = 1;
/// Warnings and errors.
pub const FTX_LOG_WARN: u32 = 2;
/// Events, and the levels above.
pub const FTX_LOG_INFO: u32 = 3;
/// Every message on the wire, and the levels above.
pub const FTX_LOG_DEBUG: u32 = 4;
/// Everything.
pub const FTX_LOG_TRACE: u32 = 5;
/// The job itself, in place of the index of a file.
pub const FTX_WHOLE_JOB: u64 = 0xffff_ffff_ffff_ffff;
/// Length of a digest in bytes.
pub const FTX_DIGEST_BYTES: usize = 32;

/// The name of a code that travels on the wire, without `FTX_`.
pub(crate) const fn name(code: i32) -> &'static CStr {
    match code {
        0 => c"OK",
        -1 => c"FILE_WRITE_ERROR",
        -2 => c"FILE_OPEN_ERROR",
        -3 => c"FILE_SEEK_ERROR",
        -4 => c"FILE_ALREADY_EXISTS_ERROR",
        -5 => c"RECV_DATA_TIMEOUT_ERROR",
        -6 => c"RECV_UNKNOW_DATA_ERROR",
        -7 => c"CONNECT_SERVER_ERROR",
        -8 => c"UPLOAD_FILE_ERROR",
        -10 => c"DOWNLOAD_FILE_ERROR",
        -101 => c"ADDRESS_NOT_FOUND",
        -102 => c"CONNECT_FAILED",
        -103 => c"CONNECTION_LOST",
        -104 => c"TIMED_OUT",
        -105 => c"TLS_FAILED",
        -201 => c"MALFORMED",
        -202 => c"OTHER_DIALECT",
        -203 => c"NO_COMMON_VERSION",
        -204 => c"OUT_OF_STEP",
        -205 => c"LIMIT_EXCEEDED",
        -301 => c"LOCAL_NOT_FOUND",
        -302 => c"LOCAL_PERMISSION_DENIED",
        -303 => c"LOCAL_NOT_A_FILE",
        -304 => c"LOCAL_NO_SPACE",
        -305 => c"LOCAL_IO_ERROR",
        -306 => c"LOCAL_CHANGED",
        -307 => c"LOCAL_IN_USE",
        -308 => c"LOCAL_ALREADY_EXISTS",
        -401 => c"NAME_REFUSED",
        -402 => c"NOT_FOUND",
        -403 => c"PERMISSION_DENIED",
        -404 => c"NOT_A_FILE",
        -405 => c"NO_SPACE",
        -406 => c"ALREADY_EXISTS",
        -407 => c"PRECONDITION_FAILED",
        -408 => c"CHANGED",
        -409 => c"TAKEN_OVER",
        -410 => c"BUSY",
        -411 => c"DIGEST_MISMATCH",
        -412 => c"BLOCK_MISMATCH",
        -413 => c"IO_ERROR",
        -414 => c"TOO_LARGE",
        -415 => c"SHUTTING_DOWN",
        -416 => c"UNAUTHORISED",
        -417 => c"TOO_MANY_REQUESTS",
        -418 => c"UNSUPPORTED",
        -419 => c"FORBIDDEN",
        -420 => c"QUOTA_EXCEEDED",
        -501 => c"INVALID_ARGUMENT",
        -502 => c"INVALID_ADDRESS",
        -503 => c"CANCELLED",
        -601 => c"INTERNAL",
        _ => c"UNKNOWN",
    }
}

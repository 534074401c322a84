/* libftx: the C ABI of ftx. Generated from the crate ftx-ffi; do not edit.
 *
 * A client (ftx_client) stands for a server. Calls that block, such as ftx_client_upload, return when
 * something is done. Jobs (ftx_job) are started and go on by themselves; what happens is taken from
 * the client's queue of events.
 *
 * Status: functions return FTX_OK or a code below 0. The codes from -1 to -10 are those of the
 * original system; -101 and on is the network, -201 the protocol, -301 a local file, -401 what the
 * server refuses, -501 the caller's mistakes, -601 faults of ftx. ftx_last_error tells more of a
 * failure on the calling thread. Results are written on success only.
 *
 * Ownership: what a function whose name has `_new` gives is freed with the `_free` of its kind, which
 * ignores NULL. Texts that are handed in are copied. Nothing else is to be freed.
 *
 * Structs that are filled in begin with struct_size, which the caller sets to their sizeof, so that
 * programs and libraries of different versions go together.
 *
 * Texts are UTF-8 and end with a NUL; ftx_job_add_bytes takes local paths of any bytes.
 *
 * Threads: a handle may be used by several threads at the same time, but for its `_free`. Callbacks
 * are called on the thread that has called, but for that of the log. A child process after a `fork`
 * makes clients of its own: to what its parent has made it gets FTX_FORKED.
 *
 * The library handles no signals, and its threads get none; it raises no SIGPIPE. It prints nothing.
 * After a dlclose it stays in memory, since its threads may still be at work.
 */

#ifndef FTX_H
#define FTX_H

#include <stddef.h>
#include <stdint.h>

/**
 * Done.
 */
#define FTX_OK 0

/**
 * The file could not be written.
 */
#define FTX_FILE_WRITE_ERROR -1

/**
 * The file could not be opened.
 */
#define FTX_FILE_OPEN_ERROR -2

/**
 * The position is not valid for this file.
 */
#define FTX_FILE_SEEK_ERROR -3

/**
 * The file is already there.
 */
#define FTX_FILE_ALREADY_EXISTS_ERROR -4

/**
 * No answer in time, or the connection was lost.
 */
#define FTX_RECV_DATA_TIMEOUT_ERROR -5

/**
 * An answer that does not fit the request.
 */
#define FTX_RECV_UNKNOW_DATA_ERROR -6

/**
 * The server could not be reached.
 */
#define FTX_CONNECT_SERVER_ERROR -7

/**
 * The upload failed.
 */
#define FTX_UPLOAD_FILE_ERROR -8

/**
 * The download failed.
 */
#define FTX_DOWNLOAD_FILE_ERROR -10

/**
 * The server's name has no address.
 */
#define FTX_ADDRESS_NOT_FOUND -101

/**
 * No connection to the server could be made.
 */
#define FTX_CONNECT_FAILED -102

/**
 * The connection was lost.
 */
#define FTX_CONNECTION_LOST -103

/**
 * The peer said nothing for too long.
 */
#define FTX_TIMED_OUT -104

/**
 * No encrypted connection could be made.
 */
#define FTX_TLS_FAILED -105

/**
 * The peer's bytes are no valid message.
 */
#define FTX_MALFORMED -201

/**
 * The peer speaks another protocol.
 */
#define FTX_OTHER_DIALECT -202

/**
 * Both sides have no version of the protocol in common.
 */
#define FTX_NO_COMMON_VERSION -203

/**
 * A message came where it does not belong.
 */
#define FTX_OUT_OF_STEP -204

/**
 * The peer exceeded a limit of the protocol.
 */
#define FTX_LIMIT_EXCEEDED -205

/**
 * The local file does not exist.
 */
#define FTX_LOCAL_NOT_FOUND -301

/**
 * No permission for the local file.
 */
#define FTX_LOCAL_PERMISSION_DENIED -302

/**
 * The local path is not a regular file.
 */
#define FTX_LOCAL_NOT_A_FILE -303

/**
 * No space left for the local file.
 */
#define FTX_LOCAL_NO_SPACE -304

/**
 * The local file could not be read or written.
 */
#define FTX_LOCAL_IO_ERROR -305

/**
 * The local file was changed meanwhile.
 */
#define FTX_LOCAL_CHANGED -306

/**
 * The local file is in use.
 */
#define FTX_LOCAL_IN_USE -307

/**
 * The local file is there already.
 */
#define FTX_LOCAL_ALREADY_EXISTS -308

/**
 * The name is not allowed.
 */
#define FTX_NAME_REFUSED -401

/**
 * There is no such file on the server.
 */
#define FTX_NOT_FOUND -402

/**
 * The server has no permission for the file.
 */
#define FTX_PERMISSION_DENIED -403

/**
 * The name is not that of a file.
 */
#define FTX_NOT_A_FILE -404

/**
 * No space left on the server.
 */
#define FTX_NO_SPACE -405

/**
 * There is such a file on the server already.
 */
#define FTX_ALREADY_EXISTS -406

/**
 * The file on the server is not the expected one.
 */
#define FTX_PRECONDITION_FAILED -407

/**
 * The file on the server was changed meanwhile.
 */
#define FTX_CHANGED -408

/**
 * The upload was taken over by another connection.
 */
#define FTX_TAKEN_OVER -409

/**
 * The file is in use on the server.
 */
#define FTX_BUSY -410

/**
 * The stored file does not have the announced digest.
 */
#define FTX_DIGEST_MISMATCH -411

/**
 * A block did not arrive as it was sent.
 */
#define FTX_BLOCK_MISMATCH -412

/**
 * The server could not read or write the file.
 */
#define FTX_IO_ERROR -413

/**
 * The file is too large for the server.
 */
#define FTX_TOO_LARGE -414

/**
 * The server is shutting down.
 */
#define FTX_SHUTTING_DOWN -415

/**
 * The server does not accept the credentials.
 */
#define FTX_UNAUTHORISED -416

/**
 * Too many requests at a time.
 */
#define FTX_TOO_MANY_REQUESTS -417

/**
 * The server does not support the request.
 */
#define FTX_UNSUPPORTED -418

/**
 * An argument is not valid.
 */
#define FTX_INVALID_ARGUMENT -501

/**
 * The server's address is not valid.
 */
#define FTX_INVALID_ADDRESS -502

/**
 * Cancelled; it can be continued.
 */
#define FTX_CANCELLED -503

/**
 * An internal error; please report it.
 */
#define FTX_INTERNAL -601

/**
 * A pointer is NULL that must not be.
 */
#define FTX_NULL_POINTER -551

/**
 * A text is not valid UTF-8.
 */
#define FTX_INVALID_UTF8 -552

/**
 * There is no such option.
 */
#define FTX_UNKNOWN_OPTION -553

/**
 * The option has another type.
 */
#define FTX_WRONG_TYPE -554

/**
 * The struct_size is not set.
 */
#define FTX_STRUCT_SIZE -555

/**
 * The process was forked after the handle was made; make another one.
 */
#define FTX_FORKED -556

/**
 * A callback may not wait for its own client.
 */
#define FTX_REENTERED -557

/**
 * Not yet.
 */
#define FTX_PENDING -558

/**
 * The job is in a state in which that cannot be done.
 */
#define FTX_WRONG_STATE -559

/**
 * The job has no file of that index.
 */
#define FTX_NO_SUCH_FILE -560

/**
 * The system gives no thread or no descriptor.
 */
#define FTX_NO_RESOURCES -651

/**
 * No failure.
 */
#define FTX_CATEGORY_NONE 0

/**
 * The connection: -101 and below, and -5 and -7.
 */
#define FTX_CATEGORY_NETWORK 1

/**
 * The protocol: -201 and below, and -6.
 */
#define FTX_CATEGORY_PROTOCOL 2

/**
 * A local file: -301 and below.
 */
#define FTX_CATEGORY_LOCAL 3

/**
 * The server has refused: -401 and below, and the other codes of the original.
 */
#define FTX_CATEGORY_SERVER 4

/**
 * The caller's mistake, or its wish: -501 and below.
 */
#define FTX_CATEGORY_CALLER 5

/**
 * A fault of ftx or a lack of the system: -601 and below.
 */
#define FTX_CATEGORY_INTERNAL 6

/**
 * Between the two, or nobody knows.
 */
#define FTX_SIDE_NONE 0

/**
 * This machine.
 */
#define FTX_SIDE_LOCAL 1

/**
 * The server.
 */
#define FTX_SIDE_SERVER 2

/**
 * The native dialect, or that of the original system with a server that knows no other.
 */
#define FTX_DIALECT_AUTO 0

/**
 * The native dialect.
 */
#define FTX_DIALECT_NATIVE 1

/**
 * That of the original system.
 */
#define FTX_DIALECT_LEGACY 2

/**
 * A finished download survives a loss of power.
 */
#define FTX_DURABILITY_FULL 0

/**
 * It survives the end of the process.
 */
#define FTX_DURABILITY_NONE 1

/**
 * The file is replaced.
 */
#define FTX_OVERWRITE_REPLACE 0

/**
 * The file stays, and the upload fails with `FTX_ALREADY_EXISTS`.
 */
#define FTX_OVERWRITE_FAIL 1

/**
 * The file is replaced if it has the digest of `FTX_OPTION_OVERWRITE_DIGEST`; otherwise the
 * upload fails with `FTX_PRECONDITION_FAILED`. Setting the digest sets this.
 */
#define FTX_OVERWRITE_IF_DIGEST 2

/**
 * Milliseconds to wait for a connection, an answer or the next bytes: 1 to 31536000000, 30000 by
 * default.
 */
#define FTX_OPTION_TIMEOUT_MS 1

/**
 * How often a file is tried again after a failure that may pass: 0 to 4294967295, 5 by default.
 * Tries that got further than any before are not counted.
 */
#define FTX_OPTION_RETRIES 2

/**
 * Milliseconds before the first retry; doubled with each: 0 to 31536000000, 100 by default.
 */
#define FTX_OPTION_MIN_BACKOFF_MS 3

/**
 * Milliseconds between two tries, at most: 0 to 31536000000, 15000 by default.
 */
#define FTX_OPTION_MAX_BACKOFF_MS 4

/**
 * Connections that share the work in the native dialect: 1 to 64; 0, the default, for as many as
 * seem worth it.
 */
#define FTX_OPTION_STREAMS 5

/**
 * One of `FTX_DIALECT_AUTO` (the default) and its like.
 */
#define FTX_OPTION_DIALECT 6

/**
 * `FTX_DURABILITY_FULL` (the default) or `FTX_DURABILITY_NONE`.
 */
#define FTX_OPTION_DURABILITY 7

/**
 * What becomes of a file that an upload finds, in the native dialect: `FTX_OVERWRITE_REPLACE`
 * (the default) or `FTX_OVERWRITE_FAIL`.
 */
#define FTX_OPTION_OVERWRITE 8

/**
 * 32 bytes, set by `ftx_config_set_bytes`: the BLAKE3 digest of the file that an upload may
 * replace.
 */
#define FTX_OPTION_OVERWRITE_DIGEST 9

/**
 * The path of a directory, set by `ftx_config_set_bytes`, in which what is known of local files is
 * kept, so that those that did not change are not read again; none, the default, if it is empty.
 * It may be made by the client, and belongs to clients alone.
 */
#define FTX_OPTION_CACHE 10

/**
 * Uploads files.
 */
#define FTX_JOB_UPLOAD 1

/**
 * Downloads files.
 */
#define FTX_JOB_DOWNLOAD 2

/**
 * Lists a directory of a native server; the root, if no name is added.
 */
#define FTX_JOB_LIST 3

/**
 * Asks a native server what names stand for.
 */
#define FTX_JOB_STAT 4

/**
 * Asks a native server for the digests of files.
 */
#define FTX_JOB_DIGEST 5

/**
 * Removes files on a native server.
 */
#define FTX_JOB_REMOVE 6

/**
 * Finds out what the server speaks, which `ftx_job_dialect` tells then.
 */
#define FTX_JOB_DIALECT 7

/**
 * 0, the default: the first file that fails ends the job. 1: the others are done, too.
 */
#define FTX_JOB_OPTION_KEEP_GOING 1

/**
 * 0, the default: a listing shows the directory. 1: all that is below, too.
 */
#define FTX_JOB_OPTION_RECURSIVE 2

/**
 * As `FTX_OPTION_RETRIES`, for this job; what the client has, by default.
 */
#define FTX_JOB_OPTION_RETRIES 3

/**
 * As `FTX_OPTION_OVERWRITE`, for the uploads of this job; what the client has, by default.
 */
#define FTX_JOB_OPTION_OVERWRITE 4

/**
 * As `FTX_OPTION_OVERWRITE_DIGEST`, for the uploads of this job; set by `ftx_job_set_bytes`.
 */
#define FTX_JOB_OPTION_OVERWRITE_DIGEST 5

/**
 * Not started.
 */
#define FTX_STATE_NEW 0

/**
 * Waits for the jobs before it.
 */
#define FTX_STATE_QUEUED 1

/**
 * Under way.
 */
#define FTX_STATE_RUNNING 2

/**
 * Paused.
 */
#define FTX_STATE_PAUSED 3

/**
 * Ended, well or not.
 */
#define FTX_STATE_ENDED 4

/**
 * Bytes that are there already are hashed: `done` of `total`.
 */
#define FTX_EVENT_HASHING 1

/**
 * Bytes of a file begin to move, from `done` on, of `total`.
 */
#define FTX_EVENT_STARTED 2

/**
 * `done` of the `total` bytes of a file are across.
 */
#define FTX_EVENT_PROGRESS 3

/**
 * The job was cancelled, but an original server would hang if it were left now: `total` bytes
 * are still to come.
 */
#define FTX_EVENT_DRAINING 4

/**
 * A try failed with `status`; `attempt` follows after `pause_ms`.
 */
#define FTX_EVENT_RETRYING 5

/**
 * A file is done, or has failed, which `status` says. `done` is how many of its bytes were moved
 * by the last try; `already_there` says whether both sides had it. Never dropped.
 */
#define FTX_EVENT_FILE_ENDED 6

/**
 * There are entries to be taken with `ftx_job_next_entry`.
 */
#define FTX_EVENT_ENTRIES 7

/**
 * A job is paused.
 */
#define FTX_EVENT_JOB_PAUSED 8

/**
 * A job has ended with `status`, the first failure; `done` of its `total` files are done. Always
 * the last event of its job, and never dropped.
 */
#define FTX_EVENT_JOB_ENDED 9

/**
 * Another run uploads this very file to this name, and the server lets one do it at a time. The file
 * goes on when that one has ended or stands still.
 */
#define FTX_EVENT_WAITING 10

/**
 * A file.
 */
#define FTX_ENTRY_FILE 1

/**
 * A directory.
 */
#define FTX_ENTRY_DIRECTORY 2

/**
 * Something in a directory that cannot be transferred: `obstacle` says why. A program that downloads what
 * is listed leaves it out, and tells its user.
 */
#define FTX_ENTRY_UNTRANSFERABLE 3

/**
 * Nothing is in the way.
 */
#define FTX_OBSTACLE_NONE 0

/**
 * It is a symbolic link.
 */
#define FTX_OBSTACLE_LINK 1

/**
 * It is a device, a FIFO, a socket or the like.
 */
#define FTX_OBSTACLE_SPECIAL 2

/**
 * Its name is not UTF-8.
 */
#define FTX_OBSTACLE_NOT_UTF8 3

/**
 * Its name is none that is allowed.
 */
#define FTX_OBSTACLE_NAME_REFUSED 4

/**
 * Its name, or a part of it, is longer than names may be.
 */
#define FTX_OBSTACLE_TOO_LONG 5

/**
 * Errors only.
 */
#define FTX_LOG_ERROR 1

/**
 * Warnings, and what is above.
 */
#define FTX_LOG_WARN 2

/**
 * What happens, and what is above.
 */
#define FTX_LOG_INFO 3

/**
 * Every message on the wire, and what is above.
 */
#define FTX_LOG_DEBUG 4

/**
 * All there is.
 */
#define FTX_LOG_TRACE 5

/**
 * Stands for the job itself where the index of a file is asked for.
 */
#define FTX_WHOLE_JOB 18446744073709551615ull

/**
 * Bytes of a digest.
 */
#define FTX_DIGEST_BYTES 32

/**
 * Bytes of the longest name, with the NUL at its end.
 */
#define FTX_NAME_BYTES 4100

/**
 * Bytes of the message in an error, with the NUL at its end.
 */
#define FTX_MESSAGE_BYTES 1024

/**
 * Version of the ABI: raised when a program built against an older header no longer works.
 */
#define FTX_ABI_VERSION 1

/**
 * A client of one server. It connects when that is needed, keeps the connection, and does its jobs
 * one after another on a thread of its own.
 */
typedef struct ftx_client ftx_client;

/**
 * Settings of clients that are made later. A client copies them: what is set afterwards changes no
 * client that is there. What can be set for a job as well is among `FTX_JOB_OPTION_KEEP_GOING` and
 * its like; the rest belongs to the connections of a client, and another client has others.
 */
typedef struct ftx_config ftx_config;

/**
 * Work of a client that goes on by itself once it is started.
 */
typedef struct ftx_job ftx_job;

/**
 * A file or directory of the server, or something in a directory that cannot be transferred. Set
 * `struct_size` to `sizeof(ftx_entry)` before it is filled in.
 */
typedef struct ftx_entry {
  /**
   * Bytes of this struct, as the caller knows it.
   */
  uint32_t struct_size;
  /**
   * `FTX_ENTRY_FILE`, `FTX_ENTRY_DIRECTORY` or `FTX_ENTRY_UNTRANSFERABLE`; listings alone have the
   * last one.
   */
  uint32_t kind;
  /**
   * Bytes of the file; 0 for what is none.
   */
  uint64_t size;
  /**
   * When it was last changed: seconds since 1970-01-01T00:00:00Z.
   */
  int64_t mtime_seconds;
  /**
   * Nanoseconds after these.
   */
  uint32_t mtime_nanoseconds;
  /**
   * 1 if it is known when it was changed, otherwise 0.
   */
  uint32_t has_mtime;
  /**
   * 1 if its owner may run it, otherwise 0.
   */
  uint32_t executable;
  /**
   * Bytes of the name, without the NUL: what `strlen` says of it.
   */
  uint32_t name_length;
  /**
   * Its whole remote name; UTF-8, ends with a NUL. With `FTX_ENTRY_UNTRANSFERABLE` it is for people,
   * and no request takes it: bytes that are no UTF-8 are escaped as `\xff` and backslashes as `\\`,
   * and the middle of one that is too long is left out.
   */
  char name[FTX_NAME_BYTES];
  /**
   * Why it cannot be transferred: one of `FTX_OBSTACLE_LINK` and its like; `FTX_OBSTACLE_NONE` for a
   * file or directory.
   */
  uint32_t obstacle;
} ftx_entry;

/**
 * Is shown an entry of a listing, on the thread that has called. `entry` is valid during the call.
 * Anything but 0 ends the listing, which then returns `FTX_CANCELLED`. Otherwise as
 * `ftx_progress_fn`.
 */
typedef int32_t (*ftx_entry_fn)(const struct ftx_entry *entry, void *user_data);

/**
 * Something that happened with a job. Set `struct_size` to `sizeof(ftx_event)` before it is filled
 * in. What is not said of a field by the kind of the event is 0.
 */
typedef struct ftx_event {
  /**
   * Bytes of this struct, as the caller knows it.
   */
  uint32_t struct_size;
  /**
   * `FTX_EVENT_PROGRESS` or its like.
   */
  uint32_t kind;
  /**
   * Which job: what `ftx_job_id` says.
   */
  uint64_t job_id;
  /**
   * Which file of the job, from 0 on; `FTX_WHOLE_JOB` if it is about all of it.
   */
  uint64_t file_index;
  /**
   * Bytes of the file that are done, from its start; see the kind.
   */
  uint64_t done;
  /**
   * Bytes of the whole file; see the kind.
   */
  uint64_t total;
  /**
   * Milliseconds before the next try.
   */
  uint64_t pause_ms;
  /**
   * What failed, or 0.
   */
  int32_t status;
  /**
   * The code of the original system for it.
   */
  int32_t original_status;
  /**
   * Which try the next one is; the first retry is 1.
   */
  uint32_t attempt;
  /**
   * 1 if both sides had the file and nothing was moved, otherwise 0.
   */
  uint32_t already_there;
  /**
   * What was set with `ftx_job_set_user_data`, or what was handed to the call that blocks.
   */
  void *user_data;
  /**
   * Files of the whole job. This and what follows is as in `ftx_totals`, which says when it is
   * known, and for each kind of event: how far the job is when the event is taken.
   */
  uint64_t files_total;
  /**
   * Files of the job whose sizes are known.
   */
  uint64_t files_sized;
  /**
   * Files of the job that are done.
   */
  uint64_t files_done;
  /**
   * Files of the job that have failed.
   */
  uint64_t files_failed;
  /**
   * Bytes of the files of the job whose sizes are known: of all, if `files_sized` is
   * `files_total`.
   */
  uint64_t bytes_total;
  /**
   * Bytes of all files of the job that are across.
   */
  uint64_t bytes_done;
} ftx_event;

/**
 * Is told what happens during a call that blocks, on the thread that has called. `event` is valid
 * during the call. Anything but 0 cancels: the call returns `FTX_CANCELLED`, unless all was done by
 * then; what was transferred is kept, and a later call goes on from there. It is not called again.
 *
 * It may start and cancel jobs, and free the client, which cancels as well, though what had happened
 * before may still be told; it may not wait for the same client (`FTX_REENTERED`). No exception may
 * leave it. If the process forks in it, the call returns `FTX_FORKED` in the child.
 */
typedef int32_t (*ftx_progress_fn)(const struct ftx_event *event, void *user_data);

/**
 * A failure. Set `struct_size` to `sizeof(ftx_error)` before it is filled in.
 */
typedef struct ftx_error {
  /**
   * Bytes of this struct, as the caller knows it.
   */
  uint32_t struct_size;
  /**
   * What a function has returned for it: 0 if nothing failed.
   */
  int32_t status;
  /**
   * The code of the original system for it.
   */
  int32_t original_status;
  /**
   * `FTX_CATEGORY_NETWORK` or its like.
   */
  uint32_t category;
  /**
   * Where it happened: `FTX_SIDE_LOCAL`, `FTX_SIDE_SERVER` or `FTX_SIDE_NONE`.
   */
  uint32_t side;
  /**
   * 1 if the same may go well a little later, otherwise 0. The client's own retries are over.
   */
  uint32_t retryable;
  /**
   * The system's number (`errno`), or 0.
   */
  int32_t os_error;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Which file of the job it was, from 0 on; `FTX_WHOLE_JOB` if it was none.
   */
  uint64_t file_index;
  /**
   * About how many bytes of the file are across, and are not sent again by a later try.
   */
  uint64_t resume_at;
  /**
   * What happened and what helps, in English; a line of UTF-8 that ends with a NUL, without its
   * middle if it is too long. Control characters are escaped.
   */
  char message[FTX_MESSAGE_BYTES];
} ftx_error;

/**
 * Is told what ftx logs. `level` is `FTX_LOG_ERROR` or its like; `message` is a line of UTF-8, whose
 * control characters are escaped, and is valid during the call. It is called on any thread, by
 * several at a time, and must not block for long. It may call functions of this library, but for
 * `ftx_set_log_callback`; what that logs is not told.
 */
typedef void (*ftx_log_fn)(uint32_t level, const char *message, void *user_data);

/**
 * A file of a job. Set `struct_size` to `sizeof(ftx_file)` before it is filled in.
 */
typedef struct ftx_file {
  /**
   * Bytes of this struct, as the caller knows it.
   */
  uint32_t struct_size;
  /**
   * 0 if it is done, `FTX_PENDING` if it is not, otherwise why it has failed.
   */
  int32_t status;
  /**
   * The code of the original system for it.
   */
  int32_t original_status;
  /**
   * 1 if both sides had it and nothing was moved, otherwise 0.
   */
  uint32_t already_there;
  /**
   * How many of its bytes were moved by the try that has ended it.
   */
  uint64_t moved;
  /**
   * How many of its bytes are across, as far as that was told.
   */
  uint64_t done;
  /**
   * How many bytes it has, as far as that was told.
   */
  uint64_t total;
} ftx_file;

/**
 * How far a whole job is. Set `struct_size` to `sizeof(ftx_totals)` before it is filled in.
 *
 * The sizes of files to upload are looked at when the job begins, so all are known from its first
 * event on. Those of files to download are known when each begins, or before, if
 * `ftx_job_set_size` has told them. `bytes_total` is that of the whole job when `files_sized` is
 * `files_total`.
 */
typedef struct ftx_totals {
  /**
   * Bytes of this struct, as the caller knows it.
   */
  uint32_t struct_size;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Files of the job.
   */
  uint64_t files_total;
  /**
   * Files whose sizes are known.
   */
  uint64_t files_sized;
  /**
   * Files that are done.
   */
  uint64_t files_done;
  /**
   * Files that have failed.
   */
  uint64_t files_failed;
  /**
   * Bytes of the files whose sizes are known.
   */
  uint64_t bytes_total;
  /**
   * Bytes that are across. May go back when a file is begun again.
   */
  uint64_t bytes_done;
} ftx_totals;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Lists a directory of a native server, in a fixed order. What cannot be transferred, such as symbolic
 * links, is listed, too: `kind` tells it apart.
 *
 * @param client     The client.
 * @param directory  Its name, in UTF-8; NULL or "" for the root.
 * @param recursive  0: what is in it. Otherwise all that is below, too.
 * @param each       Is shown each entry, on this thread; NULL to see whether it can be listed.
 * @param user_data  Is handed to it; stays the caller's.
 * @return `FTX_OK`; `FTX_CANCELLED`; `FTX_NOT_FOUND`, `FTX_OTHER_DIALECT` (an original server), and
 *         whatever else went wrong; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_NAME_REFUSED`,
 *         `FTX_REENTERED`, `FTX_FORKED`. `ftx_last_error` tells more.
 *
 * Threads: any, several at the same time, which are then served one after another.
 *
 * ```c
 * int32_t status = ftx_client_list(client, "docs", 1, on_entry, NULL);
 * ```
 */
int32_t ftx_client_list(struct ftx_client *client,
                        const char *directory,
                        int32_t recursive,
                        ftx_entry_fn each,
                        void *user_data);

/**
 * What a name stands for on a native server.
 *
 * @param client  The client.
 * @param name    The name, in UTF-8.
 * @param entry   Is filled in; `struct_size` must be set.
 * @return As `ftx_client_list`; `FTX_STRUCT_SIZE`.
 *
 * Threads: as `ftx_client_list`.
 *
 * ```c
 * ftx_entry entry;
 * entry.struct_size = sizeof entry;
 * if (ftx_client_stat(client, "docs/a.txt", &entry) == FTX_OK)
 *     printf("%u bytes\n", (unsigned)entry.size);
 * ```
 */
int32_t ftx_client_stat(struct ftx_client *client, const char *name, struct ftx_entry *entry);

/**
 * The digest of a file on a native server: BLAKE3, as `b3sum` prints it.
 *
 * @param client  The client.
 * @param name    The name of the file, in UTF-8.
 * @param digest  `FTX_DIGEST_BYTES` bytes are written here; nothing, if that fails.
 * @return As `ftx_client_list`.
 *
 * Threads: as `ftx_client_list`.
 *
 * ```c
 * uint8_t digest[FTX_DIGEST_BYTES];
 * int32_t status = ftx_client_digest(client, "docs/a.txt", digest);
 * ```
 */
int32_t ftx_client_digest(struct ftx_client *client, const char *name, uint8_t *digest);

/**
 * Removes a file on a native server.
 *
 * @param client  The client.
 * @param name    The name of the file, in UTF-8.
 * @return As `ftx_client_list`.
 *
 * Threads: as `ftx_client_list`.
 *
 * ```c
 * int32_t status = ftx_client_remove(client, "docs/a.txt");
 * ```
 */
int32_t ftx_client_remove(struct ftx_client *client, const char *name);

/**
 * Finds out what the server speaks.
 *
 * @param client   The client.
 * @param dialect  `FTX_DIALECT_NATIVE` or `FTX_DIALECT_LEGACY` is written here.
 * @return `FTX_OK`; why the server cannot be reached; `FTX_NULL_POINTER`, `FTX_REENTERED`,
 *         `FTX_FORKED`.
 *
 * Threads: as `ftx_client_list`.
 *
 * ```c
 * uint32_t dialect;
 * if (ftx_client_dialect(client, &dialect) == FTX_OK && dialect == FTX_DIALECT_NATIVE)
 *     puts("it can list");
 * ```
 */
int32_t ftx_client_dialect(struct ftx_client *client, uint32_t *dialect);

/**
 * Uploads a file, and returns when the server has said that all of it is stored; from an original
 * server, whose word is not good for that, size and MD5 are asked for.
 *
 * What a transfer that was interrupted has left on the server is gone on with, by itself.
 *
 * @param client     The client.
 * @param path       The local file, in UTF-8.
 * @param name       The name that it is to have on the server: parts separated by `/`, in UTF-8.
 * @param progress   Is told what happens, on this thread; NULL for nobody.
 * @param user_data  Is handed to it; stays the caller's.
 * @return `FTX_OK`, also if the server had the file already; `FTX_CANCELLED`; what went wrong after
 *         the last retry; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_NAME_REFUSED`,
 *         `FTX_REENTERED`, `FTX_FORKED`. `ftx_last_error` tells more.
 *
 * Threads: any, several at the same time, whose files are then transferred one after another.
 *
 * ```c
 * int32_t status = ftx_client_upload(client, "/home/me/a.txt", "docs/a.txt", on_progress, NULL);
 * ```
 */
int32_t ftx_client_upload(struct ftx_client *client,
                          const char *path,
                          const char *name,
                          ftx_progress_fn progress,
                          void *user_data);

/**
 * Downloads a file. It appears under its path when all of it is here and is what the server has;
 * until then it grows in `path` + ".ftxpart", from which an interrupted download goes on.
 *
 * @param client     The client.
 * @param name       Its name on the server, in UTF-8.
 * @param path       Where it goes, in UTF-8; the directory is made if it is not there.
 * @param progress   As for `ftx_client_upload`.
 * @param user_data  As for `ftx_client_upload`.
 * @return As `ftx_client_upload`.
 *
 * Threads: as `ftx_client_upload`.
 *
 * ```c
 * int32_t status = ftx_client_download(client, "docs/a.txt", "/tmp/a.txt", NULL, NULL);
 * ```
 */
int32_t ftx_client_download(struct ftx_client *client,
                            const char *name,
                            const char *path,
                            ftx_progress_fn progress,
                            void *user_data);

/**
 * Uploads files. In the native dialect many are under way at the same time.
 *
 * @param client      The client.
 * @param paths       The local files, `count` texts in UTF-8.
 * @param names       Their names on the server, `count` texts in UTF-8.
 * @param count       How many; with 0 nothing happens.
 * @param keep_going  0: the first file that fails ends the call. Otherwise the others are done, too.
 * @param progress    As for `ftx_client_upload`; events carry the index of their file.
 * @param user_data   As for `ftx_client_upload`.
 * @return `FTX_OK` if all are done; otherwise the first failure, as `ftx_client_upload`;
 *         `ftx_last_error` tells which file it was.
 *
 * Threads: as `ftx_client_upload`.
 *
 * ```c
 * const char *paths[] = {"/tmp/a", "/tmp/b"};
 * const char *names[] = {"a", "b"};
 * int32_t status = ftx_client_upload_files(client, paths, names, 2, 0, on_progress, NULL);
 * ```
 */
int32_t ftx_client_upload_files(struct ftx_client *client,
                                const char *const *paths,
                                const char *const *names,
                                size_t count,
                                int32_t keep_going,
                                ftx_progress_fn progress,
                                void *user_data);

/**
 * Downloads files. In the native dialect many are under way at the same time.
 *
 * @param client      The client.
 * @param names       Their names on the server, `count` texts in UTF-8.
 * @param paths       Where they go, `count` texts in UTF-8.
 * @param count       How many; with 0 nothing happens.
 * @param keep_going  As for `ftx_client_upload_files`.
 * @param progress    As for `ftx_client_upload_files`.
 * @param user_data   As for `ftx_client_upload`.
 * @return As `ftx_client_upload_files`.
 *
 * Threads: as `ftx_client_upload`.
 *
 * ```c
 * const char *names[] = {"a", "b"};
 * const char *paths[] = {"/tmp/a", "/tmp/b"};
 * int32_t status = ftx_client_download_files(client, names, paths, 2, 1, NULL, NULL);
 * ```
 */
int32_t ftx_client_download_files(struct ftx_client *client,
                                  const char *const *names,
                                  const char *const *paths,
                                  size_t count,
                                  int32_t keep_going,
                                  ftx_progress_fn progress,
                                  void *user_data);

/**
 * Makes a client. Nothing is connected yet, so the server need not be there.
 *
 * @param address  "host", "host:port", "1.2.3.4:port", "::1" or `[::1]:port`, in UTF-8. Without a
 *                 port it is 7411.
 * @param config   Settings, which are copied; NULL for the defaults.
 * @param client   The client is written here, to be freed with `ftx_client_free`; NULL if that
 *                 fails.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_INVALID_ADDRESS`,
 *         `FTX_NO_RESOURCES`, `FTX_FORKED` (the settings are another process's).
 *
 * Threads: any. A client may be used by several threads at the same time. After a `fork`, the child
 * can do nothing with it but free it; it makes one of its own.
 *
 * ```c
 * ftx_client *mine;
 * int32_t status = ftx_client_new("files.example:7411", config, &mine);
 * if (status == FTX_OK)
 *     ftx_client_free(mine);
 * ```
 */
int32_t ftx_client_new(const char *address,
                       const struct ftx_config *config,
                       struct ftx_client **client);

/**
 * Makes a client, as `ftx_client_new`, of a host and a port.
 *
 * @param host    A host name or an IP address without brackets, in UTF-8.
 * @param port    The port.
 * @param config  As for `ftx_client_new`.
 * @param client  As for `ftx_client_new`.
 * @return As `ftx_client_new`.
 *
 * Threads: as `ftx_client_new`.
 *
 * ```c
 * ftx_client *mine;
 * if (ftx_client_new_at("::1", 7411, NULL, &mine) == FTX_OK)
 *     ftx_client_free(mine);
 * ```
 */
int32_t ftx_client_new_at(const char *host,
                          uint16_t port,
                          const struct ftx_config *config,
                          struct ftx_client **client);

/**
 * Frees a client. Its jobs are cancelled: what was transferred is kept, and calls that wait for
 * them return `FTX_CANCELLED`. Their handles stay valid, and are still to be freed.
 *
 * It waits for the end of the work for a moment, at most a second; what takes longer, such as an
 * original server that must be listened to until it has finished, ends by itself.
 *
 * @param client  A client, not to be used any more; NULL is ignored. Its descriptor is closed when
 *                the last of its jobs is freed.
 *
 * Threads: any, also in a callback of the client's own calls. No other thread may begin a call with
 * it.
 *
 * ```c
 * ftx_client_free(client);
 * ```
 */
void ftx_client_free(struct ftx_client *client);

/**
 * Cancels all that the client is doing, calls that block on other threads as well. What was
 * transferred is kept. Returns at once; each job tells its end.
 *
 * @param client  The client, which can be used further.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_FORKED`.
 *
 * Threads: any, also in callbacks; not in a signal handler.
 *
 * ```c
 * ftx_client_cancel(client);
 * ```
 */
int32_t ftx_client_cancel(struct ftx_client *client);

/**
 * A descriptor that is readable as long as an event waits for `ftx_client_next_event`; for `poll`,
 * `select`, `epoll` or an event loop. It is level-triggered, and only to be looked at: never to be
 * read, written or closed.
 *
 * @param client  The client, which owns the descriptor and closes it when it is freed.
 * @return The descriptor; -1 where there is no such thing (Windows), and if that fails
 *         (`ftx_last_error` says why).
 *
 * Threads: any.
 *
 * ```c
 * struct pollfd ready = {ftx_client_event_fd(client), POLLIN, 0};
 * poll(&ready, 1, -1);
 * ```
 */
int32_t ftx_client_event_fd(const struct ftx_client *client);

/**
 * Takes the next event of the jobs that were started. It never waits.
 *
 * Progress that was not taken is replaced by later progress of the same file. The end of a file and
 * the end of a job are never dropped; they take no more room than the files and jobs that the
 * caller has made. Calls that block put nothing here.
 *
 * @param client  The client.
 * @param event   Is filled in; `struct_size` must be set.
 * @return `FTX_OK`; `FTX_PENDING` if there is none; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE` (the event
 *         stays), `FTX_FORKED`.
 *
 * Threads: any; each event is given to one.
 *
 * ```c
 * ftx_event event;
 * event.struct_size = sizeof event;
 * while (ftx_client_next_event(client, &event) == FTX_OK)
 *     if (event.kind == FTX_EVENT_JOB_ENDED)
 *         printf("job %u: %s\n", (unsigned)event.job_id, ftx_strerror(event.status));
 * ```
 */
int32_t ftx_client_next_event(struct ftx_client *client,
                              struct ftx_event *event);

/**
 * Makes settings, all with their defaults.
 *
 * @return Settings, to be freed with `ftx_config_free`; NULL if that fails (`ftx_last_error` says
 *         why).
 *
 * Threads: any.
 *
 * ```c
 * ftx_config *settings = ftx_config_new();
 * ftx_config_set_u64(settings, FTX_OPTION_RETRIES, 2);
 * ftx_config_free(settings);
 * ```
 */
struct ftx_config *ftx_config_new(void);

/**
 * Frees settings. Clients that were made with them keep theirs.
 *
 * @param config  Settings, not to be used any more; NULL is ignored.
 *
 * Threads: any, while no other uses them.
 *
 * ```c
 * ftx_config_free(config);
 * ```
 */
void ftx_config_free(struct ftx_config *config);

/**
 * Sets an option that is a number.
 *
 * @param config  The settings.
 * @param option  `FTX_OPTION_TIMEOUT_MS` or its like, which says what values it takes.
 * @param value   Its value, in the unit of the option.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION`, `FTX_WRONG_TYPE`,
 *         `FTX_INVALID_ARGUMENT` (nothing is changed then), `FTX_FORKED`.
 *
 * Threads: any.
 *
 * ```c
 * ftx_config_set_u64(config, FTX_OPTION_TIMEOUT_MS, 5000);
 * ftx_config_set_u64(config, FTX_OPTION_DIALECT, FTX_DIALECT_NATIVE);
 * ```
 */
int32_t ftx_config_set_u64(struct ftx_config *config, uint32_t option, uint64_t value);

/**
 * Sets an option that is bytes.
 *
 * @param config  The settings.
 * @param option  `FTX_OPTION_OVERWRITE_DIGEST` or `FTX_OPTION_CACHE`.
 * @param bytes   Its value, which is copied.
 * @param length  How many bytes; 32 for a digest, those of a path without a NUL.
 * @return As `ftx_config_set_u64`.
 *
 * Threads: any.
 *
 * ```c
 * uint8_t digest[FTX_DIGEST_BYTES];
 * if (ftx_client_digest(client, "a.txt", digest) == FTX_OK)
 *     ftx_config_set_bytes(config, FTX_OPTION_OVERWRITE_DIGEST, digest, sizeof digest);
 * ```
 */
int32_t ftx_config_set_bytes(struct ftx_config *config,
                             uint32_t option,
                             const uint8_t *bytes,
                             size_t length);

/**
 * What an option that is a number is set to.
 *
 * @param config  The settings.
 * @param option  `FTX_OPTION_TIMEOUT_MS` or its like.
 * @param value   Its value is written here, in the unit of the option.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION`, `FTX_WRONG_TYPE`, `FTX_FORKED`;
 *         nothing is written then.
 *
 * Threads: any.
 *
 * ```c
 * uint64_t retries;
 * if (ftx_config_get_u64(config, FTX_OPTION_RETRIES, &retries) == FTX_OK)
 *     printf("%u retries\n", (unsigned)retries);
 * ```
 */
int32_t ftx_config_get_u64(const struct ftx_config *config, uint32_t option, uint64_t *value);

/**
 * Starts a job. It is done when those that were started before it have ended; what happens is told
 * by `ftx_client_next_event`.
 *
 * @param job  The job.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_WRONG_STATE` (it was started before, or its client was
 *         freed), `FTX_FORKED`.
 *
 * Threads: any, also in callbacks.
 *
 * ```c
 * if (ftx_job_start(job) == FTX_OK)
 *     puts("under way");
 * ```
 */
int32_t ftx_job_start(struct ftx_job *job);

/**
 * Cancels a job, as soon as both sides can go on from there later; only an original server that is
 * sending is listened to until it has finished. What was transferred is kept, and another job goes
 * on from there. Returns at once; the job ends with `FTX_CANCELLED`, unless it ended before.
 *
 * @param job  The job. One that has ended stays as it is.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_FORKED`.
 *
 * Threads: any, also in callbacks; not in a signal handler.
 *
 * ```c
 * ftx_job_cancel(job);
 * ftx_job_wait(job, -1);
 * ```
 */
int32_t ftx_job_cancel(struct ftx_job *job);

/**
 * Cancels a job at once, even if that leaves a thread of an original server hanging for good.
 * Otherwise as `ftx_job_cancel`, after which it may follow.
 *
 * @param job  The job.
 * @return As `ftx_job_cancel`.
 *
 * Threads: as `ftx_job_cancel`.
 *
 * ```c
 * ftx_job_cancel(job);
 * if (ftx_job_wait(job, 5000) == FTX_PENDING)
 *     ftx_job_abort(job);
 * ```
 */
int32_t ftx_job_abort(struct ftx_job *job);

/**
 * Pauses a job, as soon as both sides can go on from there later. Returns at once; the event
 * `FTX_EVENT_JOB_PAUSED` tells when it is paused. The client does its other jobs meanwhile.
 *
 * @param job  The job. If it ends before it can be paused, it has ended.
 * @return `FTX_OK`, also if it is paused already; `FTX_NULL_POINTER`, `FTX_WRONG_STATE` (not started
 *         or ended), `FTX_FORKED`.
 *
 * Threads: any, also in callbacks.
 *
 * ```c
 * ftx_job_pause(job);
 * ```
 */
int32_t ftx_job_pause(struct ftx_job *job);

/**
 * Goes on with a paused job, from where it was, behind the jobs that were started meanwhile. Files
 * that are done are not done again.
 *
 * @param job  The job.
 * @return `FTX_OK`, also if it is under way; `FTX_NULL_POINTER`, `FTX_WRONG_STATE` (not started or
 *         ended, or its client was freed), `FTX_FORKED`.
 *
 * Threads: any, also in callbacks.
 *
 * ```c
 * ftx_job_resume(job);
 * ```
 */
int32_t ftx_job_resume(struct ftx_job *job);

/**
 * Waits until a job has ended, and says how. A paused job has not ended.
 *
 * @param job         The job.
 * @param timeout_ms  Milliseconds to wait; 0 to look only, below 0 for ever.
 * @return The status of the job: `FTX_OK`, or its first failure, whose details are those of
 *         `ftx_last_error` as well; `FTX_PENDING` if it has not ended in time; `FTX_NULL_POINTER`,
 *         `FTX_REENTERED` (in a callback of the same client), `FTX_FORKED`.
 *
 * Threads: any, several at the same time.
 *
 * ```c
 * int32_t status = ftx_job_wait(job, 1000);
 * if (status == FTX_PENDING)
 *     puts("still under way");
 * ```
 */
int32_t ftx_job_wait(struct ftx_job *job, int64_t timeout_ms);

/**
 * In which state a job is.
 *
 * @param job    The job.
 * @param state  `FTX_STATE_NEW` or its like is written here.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_FORKED`.
 *
 * Threads: any.
 *
 * ```c
 * uint32_t state;
 * if (ftx_job_state(job, &state) == FTX_OK && state == FTX_STATE_PAUSED)
 *     ftx_job_resume(job);
 * ```
 */
int32_t ftx_job_state(const struct ftx_job *job, uint32_t *state);

/**
 * What failed last on the calling thread: details of the last status below 0 that a function of
 * this library returned there, or of a NULL that it returned in place of a handle.
 *
 * What fails in a job is told by `ftx_job_error`, from any thread.
 *
 * @param error  Is filled in; `struct_size` must be set. Its `status` is 0 if nothing has failed.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE`.
 *
 * Threads: any; each has its own last failure.
 *
 * ```c
 * ftx_error error;
 * error.struct_size = sizeof error;
 * if (ftx_client_upload(client, "a.txt", "a.txt", NULL, NULL) != FTX_OK &&
 *     ftx_last_error(&error) == FTX_OK)
 *     fprintf(stderr, "%s (errno %d)\n", error.message, (int)error.os_error);
 * ```
 */
int32_t ftx_last_error(struct ftx_error *error);

/**
 * Makes a job. It does nothing until it is started.
 *
 * @param client  The client that is to do it. It may be freed before the job is.
 * @param kind    `FTX_JOB_UPLOAD` or its like.
 * @param job     The job is written here, to be freed with `ftx_job_free`; NULL if that fails.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION` (no such kind), `FTX_FORKED`.
 *
 * Threads: any. A job may be used by several threads at the same time.
 *
 * ```c
 * ftx_job *upload;
 * if (ftx_job_new(client, FTX_JOB_UPLOAD, &upload) == FTX_OK) {
 *     ftx_job_add(upload, "/home/me/a.txt", "docs/a.txt");
 *     ftx_job_start(upload);
 *     ftx_job_wait(upload, -1);
 *     ftx_job_free(upload);
 * }
 * ```
 */
int32_t ftx_job_new(struct ftx_client *client, uint32_t kind, struct ftx_job **job);

/**
 * Frees a job. If it has not ended, it is cancelled, and what was transferred is kept. Its events
 * are forgotten.
 *
 * @param job  A job, not to be used any more; NULL is ignored.
 *
 * Threads: any, while no other uses it.
 *
 * ```c
 * ftx_job_free(job);
 * ```
 */
void ftx_job_free(struct ftx_job *job);

/**
 * The number of a job, by which its events name it.
 *
 * @param job  The job.
 * @return A number above 0 that no other job of the process has; 0 if that fails (`ftx_last_error`
 *         says why).
 *
 * Threads: any.
 *
 * ```c
 * uint64_t id = ftx_job_id(job);
 * printf("job %u\n", (unsigned)id);
 * ```
 */
uint64_t ftx_job_id(const struct ftx_job *job);

/**
 * Sets what the events of a job carry for the caller, from now on.
 *
 * @param job        The job.
 * @param user_data  Anything; it is handed back, never followed and never freed.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_FORKED`.
 *
 * Threads: any.
 *
 * ```c
 * ftx_job_set_user_data(job, stdout);
 * ```
 */
int32_t ftx_job_set_user_data(struct ftx_job *job, void *user_data);

/**
 * Sets an option of a job that was not started.
 *
 * @param job     The job.
 * @param option  `FTX_JOB_OPTION_KEEP_GOING` or its like, which says what values it takes.
 * @param value   Its value.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION`, `FTX_WRONG_TYPE`,
 *         `FTX_INVALID_ARGUMENT`, `FTX_WRONG_STATE`, `FTX_FORKED`; nothing is changed then.
 *
 * Threads: any.
 *
 * ```c
 * ftx_job_set_u64(job, FTX_JOB_OPTION_KEEP_GOING, 1);
 * ftx_job_set_u64(job, FTX_JOB_OPTION_OVERWRITE, FTX_OVERWRITE_FAIL);
 * ```
 */
int32_t ftx_job_set_u64(struct ftx_job *job, uint32_t option, uint64_t value);

/**
 * Sets an option of a job that was not started, which is bytes.
 *
 * @param job     The job.
 * @param option  `FTX_JOB_OPTION_OVERWRITE_DIGEST`.
 * @param bytes   Its value, which is copied.
 * @param length  How many bytes; 32 for a digest.
 * @return As `ftx_job_set_u64`.
 *
 * Threads: any.
 *
 * ```c
 * uint8_t digest[FTX_DIGEST_BYTES];
 * if (ftx_client_digest(client, "a.txt", digest) == FTX_OK)
 *     ftx_job_set_bytes(job, FTX_JOB_OPTION_OVERWRITE_DIGEST, digest, sizeof digest);
 * ```
 */
int32_t ftx_job_set_bytes(struct ftx_job *job,
                          uint32_t option,
                          const uint8_t *bytes,
                          size_t length);

/**
 * Adds a file to a job that was not started. Files are counted from 0 on.
 *
 * A name that is not allowed is told by the job when its turn comes (`FTX_NAME_REFUSED`), so that
 * the files before it are done.
 *
 * @param job   The job.
 * @param path  The local path, in UTF-8: what is uploaded, or where a download goes, whose directory
 *              is made. Not looked at by other kinds of jobs, which take NULL.
 * @param name  The name on the server: parts separated by `/`, in UTF-8.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_WRONG_STATE`, `FTX_FORKED`.
 *
 * Threads: any.
 *
 * ```c
 * ftx_job_add(job, "/home/me/report.pdf", "reports/2026.pdf");
 * ```
 */
int32_t ftx_job_add(struct ftx_job *job,
                    const char *path,
                    const char *name);

/**
 * Adds a file, as `ftx_job_add`, with lengths in place of NULs at the ends. A local path may be of
 * any bytes that the system allows.
 *
 * @param job          The job.
 * @param path         The local path, which contains no NUL.
 * @param path_length  Its bytes.
 * @param name         The name on the server, in UTF-8.
 * @param name_length  Its bytes.
 * @return As `ftx_job_add`; `FTX_INVALID_ARGUMENT` for a NUL in the path.
 *
 * Threads: any.
 *
 * ```c
 * ftx_job_add_bytes(job, "caf\xe9.txt", 8, "cafe.txt", 8);
 * ```
 */
int32_t ftx_job_add_bytes(struct ftx_job *job,
                          const char *path,
                          size_t path_length,
                          const char *name,
                          size_t name_length);

/**
 * Has a callback told what ftx logs, in the whole process. Without one nothing is logged, and
 * nothing is ever printed.
 *
 * When this returns, the callback before is not called any more.
 *
 * @param level      The least that is told: `FTX_LOG_ERROR` to `FTX_LOG_TRACE`.
 * @param callback   Is called; NULL turns logging off.
 * @param user_data  Is handed to the callback; stays the caller's, and must live until the callback
 *                   is replaced.
 * @return `FTX_OK`; `FTX_INVALID_ARGUMENT` (no such level); `FTX_REENTERED` inside a log callback;
 *         `FTX_WRONG_STATE` if libftx is part of a Rust program that has a log of its own.
 *
 * Threads: any. It waits for callbacks that are under way.
 *
 * ```c
 * ftx_set_log_callback(FTX_LOG_DEBUG, on_log, NULL);
 * ```
 */
int32_t ftx_set_log_callback(uint32_t level, ftx_log_fn callback, void *user_data);

/**
 * How many files were added to a job.
 *
 * @param job    The job.
 * @param count  The number is written here.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_FORKED`.
 *
 * Threads: any.
 *
 * ```c
 * uint64_t count;
 * if (ftx_job_file_count(job, &count) == FTX_OK)
 *     printf("%u files\n", (unsigned)count);
 * ```
 */
int32_t ftx_job_file_count(const struct ftx_job *job, uint64_t *count);

/**
 * What has become of a file of a job so far.
 *
 * @param job         The job.
 * @param file_index  Which file, from 0 on.
 * @param file        Is filled in; `struct_size` must be set.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_NO_SUCH_FILE`, `FTX_STRUCT_SIZE`, `FTX_FORKED`.
 *
 * Threads: any.
 *
 * ```c
 * ftx_file file;
 * file.struct_size = sizeof file;
 * if (ftx_job_file(job, 0, &file) == FTX_OK && file.status == FTX_OK)
 *     printf("%u bytes moved\n", (unsigned)file.moved);
 * ```
 */
int32_t ftx_job_file(const struct ftx_job *job, uint64_t file_index, struct ftx_file *file);

/**
 * Why a job, or a file of it, has failed.
 *
 * @param job         The job.
 * @param file_index  Which file, from 0 on; `FTX_WHOLE_JOB` for the first failure of the job.
 * @param error       Is filled in; `struct_size` must be set. Its `status` is 0 if nothing has
 *                    failed so far.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_NO_SUCH_FILE`, `FTX_STRUCT_SIZE`, `FTX_FORKED`.
 *
 * Threads: any.
 *
 * ```c
 * ftx_error error;
 * error.struct_size = sizeof error;
 * if (ftx_job_error(job, FTX_WHOLE_JOB, &error) == FTX_OK && error.status != FTX_OK)
 *     fprintf(stderr, "%s\n", error.message);
 * ```
 */
int32_t ftx_job_error(const struct ftx_job *job, uint64_t file_index, struct ftx_error *error);

/**
 * Takes the next entry that a listing or `FTX_JOB_STAT` has found. It never waits; the event
 * `FTX_EVENT_ENTRIES` tells that there are some. A listing waits when some thousands were not
 * taken, unless `ftx_job_wait` is waiting for it.
 *
 * @param job    The job.
 * @param entry  Is filled in; `struct_size` must be set.
 * @return `FTX_OK`; `FTX_PENDING` if there is none yet; `FTX_NOT_FOUND` if the job has ended and all
 *         were taken; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE` (the entry stays), `FTX_FORKED`.
 *
 * Threads: any; each entry is given to one.
 *
 * ```c
 * ftx_entry entry;
 * entry.struct_size = sizeof entry;
 * while (ftx_job_next_entry(job, &entry) == FTX_OK)
 *     puts(entry.name);
 * ```
 */
int32_t ftx_job_next_entry(struct ftx_job *job,
                           struct ftx_entry *entry);

/**
 * The digest that `FTX_JOB_DIGEST` has found for a file.
 *
 * @param job         The job.
 * @param file_index  Which file, from 0 on.
 * @param digest      `FTX_DIGEST_BYTES` bytes are written here: BLAKE3, as `b3sum` prints it.
 * @return `FTX_OK`; `FTX_PENDING` if it is not known (yet); `FTX_NULL_POINTER`, `FTX_NO_SUCH_FILE`,
 *         `FTX_FORKED`.
 *
 * Threads: any.
 *
 * ```c
 * uint8_t digest[FTX_DIGEST_BYTES];
 * if (ftx_job_digest(job, 0, digest) == FTX_OK)
 *     printf("%02x...\n", digest[0]);
 * ```
 */
int32_t ftx_job_digest(const struct ftx_job *job, uint64_t file_index, uint8_t *digest);

/**
 * What `FTX_JOB_DIALECT` has found that the server speaks.
 *
 * @param job      The job.
 * @param dialect  `FTX_DIALECT_NATIVE` or `FTX_DIALECT_LEGACY` is written here.
 * @return `FTX_OK`; `FTX_PENDING` if it is not known (yet); `FTX_NULL_POINTER`, `FTX_FORKED`.
 *
 * Threads: any.
 *
 * ```c
 * uint32_t dialect;
 * if (ftx_job_dialect(job, &dialect) == FTX_OK && dialect == FTX_DIALECT_LEGACY)
 *     puts("an original server");
 * ```
 */
int32_t ftx_job_dialect(const struct ftx_job *job, uint32_t *dialect);

/**
 * How far a whole job is, at any time: for a progress bar. Its events tell the same.
 *
 * @param job     The job.
 * @param totals  Is filled in; `struct_size` must be set.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE`, `FTX_FORKED`.
 *
 * Threads: any.
 *
 * ```c
 * ftx_totals totals;
 * totals.struct_size = sizeof totals;
 * if (ftx_job_totals(job, &totals) == FTX_OK && totals.files_sized == totals.files_total)
 *     printf("%.0f of %.0f bytes\n", (double)totals.bytes_done, (double)totals.bytes_total);
 * ```
 */
int32_t ftx_job_totals(const struct ftx_job *job, struct ftx_totals *totals);

/**
 * Tells the size of a file that was added to a job, before it is started: from a listing
 * (`size` of `ftx_entry`), for a download. It is counted in the totals of the job from then on,
 * and a file of at most 1 MiB is fetched in one step, which is faster for many small files. What
 * the server says of the size when it sends the file counts.
 *
 * @param job         The job.
 * @param file_index  Which file, from 0 on.
 * @param size        Its bytes.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_NO_SUCH_FILE`, `FTX_WRONG_STATE`, `FTX_FORKED`.
 *
 * Threads: any.
 *
 * ```c
 * ftx_entry entry;
 * entry.struct_size = sizeof entry;
 * if (ftx_client_stat(client, "docs/a.txt", &entry) == FTX_OK &&
 *     ftx_job_add(job, "/tmp/a.txt", entry.name) == FTX_OK)
 *     ftx_job_set_size(job, 0, entry.size);
 * ```
 */
int32_t ftx_job_set_size(struct ftx_job *job, uint64_t file_index, uint64_t size);

/**
 * The version of the library, as "1.2.3".
 *
 * @return A static text that is never freed; never NULL.
 *
 * Threads: any, at any time.
 *
 * ```c
 * printf("libftx %s\n", ftx_version());
 * ```
 */
const char *ftx_version(void);

/**
 * The version of the ABI that the library has.
 *
 * @return A number to compare with `FTX_ABI_VERSION`, which is that of the header.
 *
 * Threads: any, at any time.
 *
 * ```c
 * if (ftx_abi_version() != FTX_ABI_VERSION)
 *     abort();
 * ```
 */
uint32_t ftx_abi_version(void);

/**
 * What a status code means, in English, in lower case, without a full stop.
 *
 * @param status  Any code; unknown ones are told to be so.
 * @return A static text that is never freed; never NULL.
 *
 * Threads: any, at any time.
 *
 * ```c
 * int32_t status = ftx_client_remove(client, "old.txt");
 * if (status != FTX_OK)
 *     fprintf(stderr, "cannot remove it: %s\n", ftx_strerror(status));
 * ```
 */
const char *ftx_strerror(int32_t status);

/**
 * The name of a status code: that of its constant, without `FTX_`.
 *
 * @param status  Any code.
 * @return A static text that is never freed; "UNKNOWN" for an unknown code, never NULL.
 *
 * Threads: any, at any time.
 *
 * ```c
 * puts(ftx_status_name(FTX_CANCELLED)); // CANCELLED
 * ```
 */
const char *ftx_status_name(int32_t status);

/**
 * The code of the original system that stands for a status code, for programs that know no others.
 *
 * @param status  Any code.
 * @return 0 for 0, otherwise a code from -1 to -10; codes above -100 are given back unchanged.
 *
 * Threads: any, at any time.
 *
 * ```c
 * if (ftx_original_status(FTX_NOT_FOUND) == FTX_FILE_OPEN_ERROR)
 *     puts("as the original would say it");
 * ```
 */
int32_t ftx_original_status(int32_t status);

/**
 * To which group a status code belongs.
 *
 * @param status  Any code.
 * @return `FTX_CATEGORY_NETWORK` or its like; `FTX_CATEGORY_NONE` for 0 and above.
 *
 * Threads: any, at any time.
 *
 * ```c
 * if (ftx_status_category(FTX_CONNECT_FAILED) == FTX_CATEGORY_NETWORK)
 *     puts("is the cable in?");
 * ```
 */
uint32_t ftx_status_category(int32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FTX_H */

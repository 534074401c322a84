/* libftx: the C ABI of ftx. Generated from the crate ftx-ffi; do not edit.
 *
 * A client (ftx_client) stands for a server. Blocking calls, such as ftx_client_upload, return when the
 * work is done. Jobs (ftx_job) run in the background once started; the caller takes their events from
 * the client's queue.
 *
 * Status: functions return FTX_OK or a code below 0. The codes from -1 to -10 are those of the
 * original system; -101 and below mean the network, -201 the protocol, -301 a local file, -401 a
 * refusal by the server, -501 a mistake of the caller, -601 a fault of ftx. ftx_last_error returns the
 * details of the last failure on the calling thread. Results are written on success only.
 *
 * Ownership: free the handle from a `_new` function with the `_free` function of its type, which
 * ignores NULL. The library copies the texts passed to it. Nothing else needs to be freed.
 *
 * Output structs begin with struct_size. The caller sets it to their sizeof, so that programs and
 * libraries of different versions work together.
 *
 * Texts are UTF-8 and end with a NUL; ftx_job_add_bytes takes local paths of any bytes.
 *
 * Threads: several threads may use a handle at the same time, except in its `_free`. Callbacks run on
 * the calling thread; only the log callback runs on any thread. After `fork`, the child must create its
 * own clients; using the parent's handles returns FTX_FORKED.
 *
 * The library handles no signals, and its threads receive none; it raises no SIGPIPE. It prints
 * nothing. After dlclose it stays in memory, since its threads may still be running.
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
 * Between the two, or unknown.
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
 * Retries of a file after a transient failure: 0 to 4294967295, 5 by default. An attempt that gets
 * further than every earlier one is not counted.
 */
#define FTX_OPTION_RETRIES 2

/**
 * Milliseconds before the first retry; doubled with each: 0 to 31536000000, 100 by default.
 */
#define FTX_OPTION_MIN_BACKOFF_MS 3

/**
 * Most milliseconds between two attempts: 0 to 31536000000, 15000 by default.
 */
#define FTX_OPTION_MAX_BACKOFF_MS 4

/**
 * Connections that share the work in the native dialect: 1 to 64; 0, the default, lets the
 * client choose.
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
 * How an upload treats an existing file, in the native dialect: `FTX_OVERWRITE_REPLACE` (the
 * default) or `FTX_OVERWRITE_FAIL`.
 */
#define FTX_OPTION_OVERWRITE 8

/**
 * 32 bytes, set by `ftx_config_set_bytes`: the BLAKE3 digest of the file that an upload may
 * replace.
 */
#define FTX_OPTION_OVERWRITE_DIGEST 9

/**
 * The path of a cache directory, set by `ftx_config_set_bytes`. It keeps the hashes of local files,
 * so that unchanged files are not read again. Empty, the default, means no cache. The client creates
 * the directory if necessary; only clients may write to it.
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
 * Asks a native server for the entries of names.
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
 * Finds out the dialect of the server; `ftx_job_dialect` returns it.
 */
#define FTX_JOB_DIALECT 7

/**
 * 0, the default: the first file that fails ends the job. 1: the job continues with the other
 * files.
 */
#define FTX_JOB_OPTION_KEEP_GOING 1

/**
 * 0, the default: a listing shows the directory. 1: it includes all subdirectories.
 */
#define FTX_JOB_OPTION_RECURSIVE 2

/**
 * As `FTX_OPTION_RETRIES`, for this job; defaults to the setting of the client.
 */
#define FTX_JOB_OPTION_RETRIES 3

/**
 * As `FTX_OPTION_OVERWRITE`, for the uploads of this job; defaults to the setting of the
 * client.
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
 * Hashing the bytes already present: `done` of `total`.
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
 * An attempt failed with `status`; attempt number `attempt` follows after `pause_ms`.
 */
#define FTX_EVENT_RETRYING 5

/**
 * A file is done, or has failed with `status`. `done` is the number of bytes that the last attempt
 * moved; `already_there` is 1 if the file was up to date. Never dropped.
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
 * Another run uploads the same file to the same name, and the server permits one run at a time. The
 * upload of the file resumes when the other run has ended or stalled.
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
 * Something in a directory that cannot be transferred: `obstacle` gives the reason. A program that
 * downloads a listing skips the entry and reports it to its user.
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
 * Its name is not allowed.
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
 * Warnings and errors.
 */
#define FTX_LOG_WARN 2

/**
 * Events, and the levels above.
 */
#define FTX_LOG_INFO 3

/**
 * Every message on the wire, and the levels above.
 */
#define FTX_LOG_DEBUG 4

/**
 * Everything.
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
 * A client of one server. It connects on demand, keeps the connection, and runs its jobs one after
 * another on a dedicated thread.
 */
typedef struct ftx_client ftx_client;

/**
 * Settings for new clients. A client copies them, so later changes do not affect existing clients.
 * `FTX_JOB_OPTION_KEEP_GOING` and its like are the options of a single job; all other options apply to
 * every connection of a client.
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
   * Bytes of the file; 0 for other entries.
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
   * Bytes of the name, without the NUL, as `strlen` returns them.
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
 * Receives an entry of a listing, on the calling thread. `entry` is valid during the call. A result
 * other than 0 ends the listing, which then returns `FTX_CANCELLED`. Otherwise as `ftx_progress_fn`.
 */
typedef int32_t (*ftx_entry_fn)(const struct ftx_entry *entry, void *user_data);

/**
 * An event of a job. Set `struct_size` to `sizeof(ftx_event)` before the call that fills it in. Fields
 * that the kind of the event does not mention are 0.
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
   * The job, as `ftx_job_id` returns it.
   */
  uint64_t job_id;
  /**
   * Index of the file in the job, from 0; `FTX_WHOLE_JOB` if the event concerns the whole job.
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
   * Milliseconds before the next attempt.
   */
  uint64_t pause_ms;
  /**
   * Status of the failure, or 0.
   */
  int32_t status;
  /**
   * The code of the original system for it.
   */
  int32_t original_status;
  /**
   * Number of the next attempt; the first retry is 1.
   */
  uint32_t attempt;
  /**
   * 1 if both sides had the file and nothing was moved, otherwise 0.
   */
  uint32_t already_there;
  /**
   * The pointer from `ftx_job_set_user_data`, or the one passed to the blocking call.
   */
  void *user_data;
  /**
   * Files of the whole job. This field and the following ones are set for every kind of event, and
   * give the progress of the job when the event is taken; `ftx_totals` describes them.
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
 * Receives the events of a blocking call, on the calling thread. `event` is valid during the call. A
 * result other than 0 cancels: the blocking call returns `FTX_CANCELLED` unless all work was already
 * done, transferred data is kept, and a later call resumes. The callback is not called again.
 *
 * The callback may start and cancel jobs. It may free the client, which also cancels; earlier events
 * may still be delivered. It must not wait for the same client (`FTX_REENTERED`), and no exception may
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
   * The status that the function returned: 0 if nothing failed.
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
   * 1 if a later retry may succeed, otherwise 0. The client has used up its own retries.
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
   * Approximate number of bytes of the file that are across; a later attempt does not send them again.
   */
  uint64_t resume_at;
  /**
   * Description and remedy in English: one line of UTF-8 that ends with a NUL. A long line loses its
   * middle. Control characters are escaped.
   */
  char message[FTX_MESSAGE_BYTES];
} ftx_error;

/**
 * Receives the log messages of ftx. `level` is `FTX_LOG_ERROR` or its like; `message` is a line of UTF-8, whose
 * control characters are escaped, and is valid during the call. The callback runs on any thread, on
 * several at a time, and must not block for long. It may call functions of this library except
 * `ftx_set_log_callback`; their log messages are dropped.
 */
typedef void (*ftx_log_fn)(uint32_t level, const char *message, void *user_data);

/**
 * A file of a job. Set `struct_size` to `sizeof(ftx_file)` before the call that fills it in.
 */
typedef struct ftx_file {
  /**
   * Bytes of this struct, as the caller knows it.
   */
  uint32_t struct_size;
  /**
   * 0 if it is done, `FTX_PENDING` if it is not, otherwise the status of its failure.
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
   * Bytes that the last attempt moved.
   */
  uint64_t moved;
  /**
   * Bytes that are across, according to the last progress.
   */
  uint64_t done;
  /**
   * Size in bytes; 0 while it is unknown.
   */
  uint64_t total;
} ftx_file;

/**
 * Progress of a whole job. Set `struct_size` to `sizeof(ftx_totals)` before the call that fills it in.
 *
 * An upload reads the sizes of its files when the job begins, so all are known from its first event
 * on. A download knows the size of a file when the file begins, or earlier from `ftx_job_set_size`.
 * `bytes_total` covers the whole job once `files_sized` equals `files_total`.
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
   * Bytes that are across. May decrease when a file restarts.
   */
  uint64_t bytes_done;
} ftx_totals;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Lists a directory of a native server, in a fixed order. Entries that cannot be transferred, such as
 * symbolic links, are listed as well, with a `kind` of their own.
 *
 * @param client     The client.
 * @param directory  Its name, in UTF-8; NULL or "" for the root.
 * @param recursive  0: the directory only. Otherwise all subdirectories, too.
 * @param each       Called with each entry, on this thread; NULL only checks that the directory can be
 *                   listed.
 * @param user_data  Passed to `each`; the caller keeps ownership.
 * @return `FTX_OK`; `FTX_CANCELLED`; `FTX_NOT_FOUND`, `FTX_OTHER_DIALECT` (an original server), or
 *         another failure; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_NAME_REFUSED`,
 *         `FTX_REENTERED`, `FTX_FORKED`. `ftx_last_error` has the details.
 *
 * Threads: any, several at the same time; their calls run one after another.
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
 * Returns the entry of a name on a native server.
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
 * Returns the digest of a file on a native server: BLAKE3, as `b3sum` prints it.
 *
 * @param client  The client.
 * @param name    The name of the file, in UTF-8.
 * @param digest  `FTX_DIGEST_BYTES` bytes are written here on success.
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
 * Finds out the dialect of the server.
 *
 * @param client   The client.
 * @param dialect  `FTX_DIALECT_NATIVE` or `FTX_DIALECT_LEGACY` is written here.
 * @return `FTX_OK`; the failure to reach the server; `FTX_NULL_POINTER`, `FTX_REENTERED`,
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
 * Uploads a file, and returns when the server has confirmed that all of it is stored. The
 * confirmation of an original server is not reliable, so the client checks size and MD5 there.
 *
 * An interrupted transfer is resumed automatically.
 *
 * @param client     The client.
 * @param path       The local file, in UTF-8.
 * @param name       The name on the server: parts separated by `/`, in UTF-8.
 * @param progress   Called with each event, on this thread; NULL for none.
 * @param user_data  Passed to `progress`; the caller keeps ownership.
 * @return `FTX_OK`, also if the file was up to date; `FTX_CANCELLED`; the failure of the last
 *         attempt; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_NAME_REFUSED`,
 *         `FTX_REENTERED`, `FTX_FORKED`. `ftx_last_error` has the details.
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
 * Downloads a file. It appears under its path once it is complete and verified; until then it grows
 * in `path` + ".ftxpart", from which an interrupted download resumes.
 *
 * @param client     The client.
 * @param name       Its name on the server, in UTF-8.
 * @param path       The local path, in UTF-8; the directory is created if it does not exist.
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
 * Uploads files; in the native dialect, many at the same time.
 *
 * @param client      The client.
 * @param paths       The local files, `count` texts in UTF-8.
 * @param names       Their names on the server, `count` texts in UTF-8.
 * @param count       The number of files; 0 does nothing.
 * @param keep_going  0: the first failure ends the call. Otherwise the call continues with the other
 *                    files.
 * @param progress    As for `ftx_client_upload`; events carry the index of their file.
 * @param user_data   As for `ftx_client_upload`.
 * @return `FTX_OK` if all are done; otherwise the first failure, as `ftx_client_upload`;
 *         `ftx_last_error` has the index of the file.
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
 * Downloads files; in the native dialect, many at the same time.
 *
 * @param client      The client.
 * @param names       Their names on the server, `count` texts in UTF-8.
 * @param paths       The local paths, `count` texts in UTF-8.
 * @param count       The number of files; 0 does nothing.
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
 * must create its own client; all it can do with this one is free it.
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
 * Frees a client and cancels its jobs. Transferred data is kept, and calls that wait for the jobs
 * return `FTX_CANCELLED`. The handles of the jobs stay valid; the caller must still free them.
 *
 * It waits at most one second for the thread to end. Longer work, such as reading from an original
 * server until it has sent everything, ends in the background.
 *
 * @param client  The client, invalid afterwards; NULL is ignored. Its descriptor is closed when the
 *                last of its jobs is freed.
 *
 * Threads: any, also in a callback of the client's calls. No other thread may begin a call with the
 * client.
 *
 * ```c
 * ftx_client_free(client);
 * ```
 */
void ftx_client_free(struct ftx_client *client);

/**
 * Cancels all jobs of the client, including blocking calls on other threads. Transferred data is
 * kept. Returns at once; each job reports its end with an event.
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
 * `select`, `epoll` or an event loop. It is level-triggered. The caller may only poll it, and must
 * not read, write or close it.
 *
 * @param client  The client, which owns the descriptor and closes it when it is freed.
 * @return The descriptor; -1 on systems without one (Windows), or on failure (`ftx_last_error` has
 *         the reason).
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
 * Takes the next event of the started jobs. It never waits.
 *
 * Later progress of a file replaces earlier progress that was not taken. The end of a file and the
 * end of a job are never dropped; their memory is bounded by the number of files and jobs. Blocking
 * calls put no events here.
 *
 * @param client  The client.
 * @param event   Filled in; `struct_size` must be set.
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
 * @return Settings, which the caller frees with `ftx_config_free`; NULL on failure (`ftx_last_error`
 *         has the reason).
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
 * @param config  Settings, invalid afterwards; NULL is ignored.
 *
 * Threads: any, while no other uses them.
 *
 * ```c
 * ftx_config_free(config);
 * ```
 */
void ftx_config_free(struct ftx_config *config);

/**
 * Sets a numeric option.
 *
 * @param config  The settings.
 * @param option  `FTX_OPTION_TIMEOUT_MS` or its like; each documents its values.
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
 * Sets an option whose value is a sequence of bytes.
 *
 * @param config  The settings.
 * @param option  `FTX_OPTION_OVERWRITE_DIGEST` or `FTX_OPTION_CACHE`.
 * @param bytes   Its value, which is copied.
 * @param length  The number of bytes: 32 for a digest, the length of a path without a NUL.
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
 * Returns the value of a numeric option.
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
 * `FTX_EVENT_JOB_PAUSED` reports that it is paused. Meanwhile the client runs its other jobs.
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
 * Returns the last failure of the calling thread: the details of the last status below 0 that a
 * function of this library returned there, or of a NULL in place of a handle.
 *
 * `ftx_job_error` returns the failure of a job, on any thread.
 *
 * @param error  Filled in; `struct_size` must be set. Its `status` is 0 if nothing has failed.
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
 * Sets the log callback of the whole process. Without one nothing is logged; nothing is ever
 * printed.
 *
 * When this returns, the previous callback is not called any more.
 *
 * @param level      The least severe level to log: `FTX_LOG_ERROR` to `FTX_LOG_TRACE`.
 * @param callback   The callback; NULL turns logging off.
 * @param user_data  Passed to the callback; the caller keeps ownership, and it must live until the
 *                   callback is replaced.
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
 * Returns the number of files in a job.
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
 * Returns the state of a file of a job.
 *
 * @param job         The job.
 * @param file_index  Which file, from 0 on.
 * @param file        Filled in; `struct_size` must be set.
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
 * Returns the failure of a job or of one of its files.
 *
 * @param job         The job.
 * @param file_index  Which file, from 0 on; `FTX_WHOLE_JOB` for the first failure of the job.
 * @param error       Filled in; `struct_size` must be set. Its `status` is 0 if nothing has
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
 * Takes the next entry found by `FTX_JOB_LIST` or `FTX_JOB_STAT`. It never waits; the event
 * `FTX_EVENT_ENTRIES` reports new entries. A listing pauses while 4096 entries wait to be taken,
 * unless `ftx_job_wait` is waiting for it.
 *
 * @param job    The job.
 * @param entry  Filled in; `struct_size` must be set.
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
 * Returns the digest that `FTX_JOB_DIGEST` found for a file.
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
 * Returns the dialect of the server, as found by `FTX_JOB_DIALECT`.
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
 * Returns the progress of a whole job at any time, for a progress bar. Events carry the same totals.
 *
 * @param job     The job.
 * @param totals  Filled in; `struct_size` must be set.
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
int32_t ftx_job_totals(const struct ftx_job *job,
                       struct ftx_totals *totals);

/**
 * Sets the size of an added file before the job is started; for a download, it is `size` of the
 * `ftx_entry` in a listing. The totals of the job include the size from then on, and a file of at most 1 MiB is
 * fetched in one step, which is faster for many small files. The size that the server reports when
 * it sends the file takes precedence.
 *
 * @param job         The job.
 * @param file_index  Index of the file, from 0.
 * @param size        Its size in bytes.
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
int32_t ftx_job_set_size(struct ftx_job *job,
                         uint64_t file_index,
                         uint64_t size);

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
 * Returns the meaning of a status code in English, in lower case, without a full stop.
 *
 * @param status  Any code; the text for an unknown one says so.
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

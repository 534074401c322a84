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

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 * Clients
 * -------
 * A client stands for a server. `ftx_config_new` below makes settings for it.
 */

/**
 * A client of one server. It connects on demand, keeps the connection, and runs its jobs one after
 * another. A client that runs jobs has a thread of the library; one that does not has none, and no
 * more than two descriptors: its connection and that of `ftx_client_event_fd`.
 */
typedef struct ftx_client ftx_client;

/**
 * Settings for new clients. A client copies them, so later changes do not affect existing clients.
 * `FTX_JOB_OPTION_KEEP_GOING` and its like are the options of a single job; all other options
 * apply to every connection of a client.
 */
typedef struct ftx_config ftx_config;

/**
 * Creates a client. It does not connect yet, so the server need not be running.
 *
 * @param address  "host", "host:port", "1.2.3.4:port", "::1" or `[::1]:port`, in UTF-8. The
 *                 default port is 7411.
 * @param config   Settings, which are copied; NULL for the defaults.
 * @param client   The client is written here, and the caller frees it with `ftx_client_free`; NULL
 *                 on failure.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_INVALID_ADDRESS` (also for the
 *         port 0), `FTX_FORKED` (`config` was made before a fork).
 *
 * Threads: any. A client may be used by several threads at the same time. After a `fork`, the
 * child must create its own client, and can only free the one it inherited.
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
 * Creates a client, as `ftx_client_new`, from a host and a port.
 *
 * @param host    A host name or an IP address without brackets, in UTF-8.
 * @param port    The port, from 1 on.
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
 * The call waits at most one second for the client's thread to end. Longer work, such as reading
 * from an original server until it has sent everything, ends in the background.
 *
 * @param client  The client, invalid afterwards; NULL is ignored. Its descriptor is closed when
 *                the last of its jobs is freed.
 *
 * Threads: any, also in a callback of the client's calls. No other thread may begin a call with
 * the client.
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
 * @param client  The client, which stays usable.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_FORKED`.
 *
 * Threads: any, also in callbacks; not in a signal handler.
 *
 * ```c
 * ftx_client_cancel(client);
 * ```
 */
int32_t ftx_client_cancel(struct ftx_client *client);

/*
 * Transfers
 * ---------
 * These calls return when the transfer has ended. They report events to a callback.
 */

/**
 * Hashing the bytes already present: `done` of `total` bytes.
 */
#define FTX_EVENT_HASHING 1

/**
 * Bytes of a file begin to move. Both sides already hold `done` of its `total` bytes, which need not
 * be its first ones.
 */
#define FTX_EVENT_STARTED 2

/**
 * `done` of the `total` bytes of a file are transferred.
 */
#define FTX_EVENT_PROGRESS 3

/**
 * The job was cancelled, but an original server would hang if the client disconnected now: it
 * still sends `total` bytes.
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
 * Entries wait for `ftx_job_next_entry`.
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
 * Another run uploads the same file to the same name, and the server permits one run at a time.
 * The upload of the file resumes when the other run has ended or stalled.
 */
#define FTX_EVENT_WAITING 10

/**
 * The job itself, in place of the index of a file.
 */
#define FTX_WHOLE_JOB 18446744073709551615ull

/**
 * An event of a job. Set `struct_size` to `sizeof(ftx_event)` before the call that fills it in.
 * Fields that the kind of the event does not mention are 0.
 */
typedef struct ftx_event {
  /**
   * Size of this struct in bytes, in the caller's header.
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
   * The corresponding code of the original system.
   */
  int32_t original_status;
  /**
   * Number of the next attempt; the first retry is 1.
   */
  uint32_t attempt;
  /**
   * 1 if the file was up to date, so nothing was transferred; otherwise 0.
   */
  uint32_t already_there;
  /**
   * The pointer from `ftx_job_set_user_data`, or the one passed to the blocking call.
   */
  void *user_data;
  /**
   * Files of the whole job. This field and the following ones are set for every kind of event,
   * and give the progress of the job when the event is taken; `ftx_totals` describes them.
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
   * Total size in bytes of the files whose sizes are known: of all files, if `files_sized` is
   * `files_total`.
   */
  uint64_t bytes_total;
  /**
   * Transferred bytes of all files of the job.
   */
  uint64_t bytes_done;
} ftx_event;

/**
 * Receives the events of a blocking call, on the calling thread. `event` is valid during the call.
 * A result other than 0 cancels: the blocking call returns `FTX_CANCELLED` unless all work was
 * already done, transferred data is kept, and a later call resumes. The callback is not called
 * again.
 *
 * The callback may start and cancel jobs. It may free the client, which also cancels; earlier
 * events may still be delivered. It must not wait for the same client (`FTX_REENTERED`), and no
 * exception may leave it. If the callback forks the process, the blocking call returns
 * `FTX_FORKED` in the child.
 */
typedef int32_t (*ftx_progress_fn)(const struct ftx_event *event, void *user_data);

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
 *         `FTX_REENTERED`, `FTX_NO_RESOURCES` (the system gives no thread), `FTX_FORKED`.
 *         `ftx_last_error` has the details.
 *
 * Threads: any, several at the same time; their files are transferred one after another.
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
 * Downloads a file. It appears under its path once it is complete and verified; until then it
 * grows in `path` + ".ftxpart", from which an interrupted download resumes.
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
 * @param keep_going  0: the first failure ends the call. Otherwise the call continues with the
 *                    other files.
 * @param progress    As for `ftx_client_upload`; events carry the index of their file.
 * @param user_data   As for `ftx_client_upload`.
 * @return `FTX_OK` if all files are done; otherwise the first failure, as `ftx_client_upload`;
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

/*
 * Jobs
 * ----
 * A job runs beside its caller: make it, add files, start it, and take its events from a queue, whose descriptor an event loop can poll. examples/main_loop.c is a program of it.
 */

/**
 * Work of a client that runs in the background once started.
 */
typedef struct ftx_job ftx_job;

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
 * Creates a job. It does nothing until it is started.
 *
 * @param client  The client that runs the job. It may be freed before the job.
 * @param kind    `FTX_JOB_UPLOAD` or its like.
 * @param job     The job is written here, and the caller frees it with `ftx_job_free`; NULL on
 *                failure.
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
 * Frees a job. A job that has not ended is cancelled, and transferred data is kept. Its waiting
 * events are dropped.
 *
 * @param job  The job, invalid afterwards; NULL is ignored.
 *
 * Threads: any, while no other thread uses the job.
 *
 * ```c
 * ftx_job_free(job);
 * ```
 */
void ftx_job_free(struct ftx_job *job);

/**
 * Adds a file to a job that was not started. Indices of files count from 0.
 *
 * The job reports a name that is not allowed (`FTX_NAME_REFUSED`) only when it reaches the file,
 * so that the files before it are transferred.
 *
 * @param job   The job.
 * @param path  The local path, in UTF-8: the source of an upload or the target of a download,
 *              whose directory is created if necessary. Other kinds of jobs ignore it and accept
 *              NULL.
 * @param name  The name on the server: parts separated by `/`, in UTF-8.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_INVALID_UTF8`, `FTX_WRONG_STATE`, `FTX_FORKED`.
 *
 * Threads: any.
 *
 * ```c
 * ftx_job_add(job, "/home/me/report.pdf", "reports/2026.pdf");
 * ```
 */
int32_t ftx_job_add(struct ftx_job *job, const char *path, const char *name);

/**
 * Adds a file, as `ftx_job_add`, from texts with lengths instead of terminating NULs. The local
 * path may contain any bytes that the system allows.
 *
 * @param job          The job.
 * @param path         The local path, which contains no NUL.
 * @param path_length  Its length in bytes.
 * @param name         The name on the server, in UTF-8.
 * @param name_length  Its length in bytes.
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
 * Sets the size of an added file before the job is started; for a download, it is `size` of the
 * `ftx_entry` in a listing. The totals of the job include the size from then on, and a file of at
 * most 1 MiB is fetched in one step, which is faster for many small files. The size that the
 * server reports when it sends the file takes precedence.
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
int32_t ftx_job_set_size(struct ftx_job *job, uint64_t file_index, uint64_t size);

/**
 * As `FTX_OPTION_RETRIES`, for this job; defaults to the setting of the client.
 */
#define FTX_JOB_OPTION_RETRIES 3

/**
 * As `FTX_OPTION_OVERWRITE`, for the uploads of this job; defaults to the setting of the client.
 */
#define FTX_JOB_OPTION_OVERWRITE 4

/**
 * As `FTX_OPTION_OVERWRITE_DIGEST`, for the uploads of this job; set by `ftx_job_set_bytes`.
 */
#define FTX_JOB_OPTION_OVERWRITE_DIGEST 5

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
 * Sets a numeric option of a job that was not started.
 *
 * @param job     The job.
 * @param option  `FTX_JOB_OPTION_KEEP_GOING` or its like; each documents its values.
 * @param value   Its value.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION`, `FTX_WRONG_TYPE`,
 *         `FTX_INVALID_ARGUMENT`, `FTX_WRONG_STATE`, `FTX_FORKED`; a failure changes nothing.
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
 * Sets an option whose value is a sequence of bytes, of a job that was not started.
 *
 * @param job     The job.
 * @param option  `FTX_JOB_OPTION_OVERWRITE_DIGEST` or its like; each documents its values.
 * @param bytes   Its value, which is copied.
 * @param length  The number of bytes: 32 for a digest.
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
int32_t ftx_job_set_bytes(struct ftx_job *job, uint32_t option, const void *bytes, size_t length);

/**
 * Sets the pointer that later events of a job carry for the caller.
 *
 * @param job        The job.
 * @param user_data  Any pointer; returned in events, never dereferenced and never freed.
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
 * Returns the number of a job, which its events carry as `job_id`.
 *
 * @param job  The job.
 * @return A number above 0 that no other job of the process has; 0 on failure (`ftx_last_error`
 *         has the reason).
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
 * Starts a job. It runs after the jobs started before it have ended; `ftx_client_next_event`
 * returns its events.
 *
 * @param job  The job.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_WRONG_STATE` (it was started before, or its client
 *         was freed), `FTX_NO_RESOURCES` (the system gives no thread), `FTX_FORKED`.
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
 * Pauses a job as soon as both sides can resume it later. Returns at once; the event
 * `FTX_EVENT_JOB_PAUSED` reports the pause. The client runs its other jobs during the pause.
 *
 * @param job  The job. It may end before it can be paused.
 * @return `FTX_OK`, also if it is paused already; `FTX_NULL_POINTER`, `FTX_WRONG_STATE` (not
 *         started or ended), `FTX_FORKED`.
 *
 * Threads: any, also in callbacks.
 *
 * ```c
 * ftx_job_pause(job);
 * ```
 */
int32_t ftx_job_pause(struct ftx_job *job);

/**
 * Resumes a paused job, behind the jobs that were started meanwhile. Files that are done are not
 * repeated.
 *
 * @param job  The job.
 * @return `FTX_OK`, also if it is running; `FTX_NULL_POINTER`, `FTX_WRONG_STATE` (not started or
 *         ended, or its client was freed), `FTX_NO_RESOURCES` (the system gives no thread),
 *         `FTX_FORKED`.
 *
 * Threads: any, also in callbacks.
 *
 * ```c
 * ftx_job_resume(job);
 * ```
 */
int32_t ftx_job_resume(struct ftx_job *job);

/**
 * Cancels a job as soon as both sides can resume it later. The client first reads all that an
 * original server is sending. Transferred data is kept, and a later job resumes from it. Returns
 * at once; the job ends with `FTX_CANCELLED`, unless it ended before.
 *
 * @param job  The job. A job that has ended is not changed.
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
 * Cancels a job at once, even if that leaves a thread of an original server hanging for ever.
 * Otherwise as `ftx_job_cancel`; it may be called after that.
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
 * Waits until a job has ended, and returns its status. A paused job has not ended.
 *
 * @param job         The job.
 * @param timeout_ms  Milliseconds to wait; 0 returns at once, below 0 waits for ever.
 * @return The status of the job: `FTX_OK`, or its first failure, which `ftx_last_error` then
 *         describes; `FTX_PENDING` if it has not ended in time; `FTX_NULL_POINTER`,
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
 * A descriptor that is readable as long as an event waits for `ftx_client_next_event`; for `poll`,
 * `select`, `epoll` or an event loop. It is level-triggered. The caller may only poll it, and must
 * not read, write or close it.
 *
 * @param client  The client, which owns the descriptor, makes it at the first call, and closes it
 *                when it is freed.
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
 * Takes the next event of the started jobs. Never blocks.
 *
 * Later progress of a file replaces earlier progress that was not taken. The end of a file and the
 * end of a job are never dropped; the number of files and jobs bounds the memory of the queue.
 * Blocking calls queue no events.
 *
 * @param client  The client.
 * @param event   Filled in; `struct_size` must be set.
 * @return `FTX_OK`; `FTX_PENDING` if no event waits; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE` (the
 *         event stays queued), `FTX_FORKED`.
 *
 * Threads: any; each event goes to one thread.
 *
 * ```c
 * ftx_event event;
 * event.struct_size = sizeof event;
 * while (ftx_client_next_event(client, &event) == FTX_OK)
 *     if (event.kind == FTX_EVENT_JOB_ENDED)
 *         printf("job %u: %s\n", (unsigned)event.job_id, ftx_strerror(event.status));
 * ```
 */
int32_t ftx_client_next_event(struct ftx_client *client, struct ftx_event *event);

/**
 * Not started.
 */
#define FTX_STATE_NEW 0

/**
 * Queued behind earlier jobs.
 */
#define FTX_STATE_QUEUED 1

/**
 * Running.
 */
#define FTX_STATE_RUNNING 2

/**
 * Paused.
 */
#define FTX_STATE_PAUSED 3

/**
 * Ended: done, failed or cancelled.
 */
#define FTX_STATE_ENDED 4

/**
 * Returns the state of a job.
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
 * Progress of a whole job. Set `struct_size` to `sizeof(ftx_totals)` before the call that fills it
 * in.
 *
 * An upload reads the sizes of its files when the job begins, so all are known from its first
 * event on. A download knows the size of a file when the file begins, or earlier from
 * `ftx_job_set_size`.
 * `bytes_total` covers the whole job once `files_sized` equals `files_total`.
 */
typedef struct ftx_totals {
  /**
   * Size of this struct in bytes, in the caller's header.
   */
  uint32_t struct_size;
  /**
   * Reserved; 0.
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
   * Total size in bytes of the files whose sizes are known.
   */
  uint64_t bytes_total;
  /**
   * Transferred bytes. May decrease when a file restarts.
   */
  uint64_t bytes_done;
} ftx_totals;

/**
 * Returns the progress of a whole job at any time, for a progress bar. Events carry the same
 * totals.
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
int32_t ftx_job_totals(const struct ftx_job *job, struct ftx_totals *totals);

/**
 * A file of a job. Set `struct_size` to `sizeof(ftx_file)` before the call that fills it in.
 */
typedef struct ftx_file {
  /**
   * Size of this struct in bytes, in the caller's header.
   */
  uint32_t struct_size;
  /**
   * 0 if it is done, `FTX_PENDING` if it is not, otherwise the status of its failure.
   */
  int32_t status;
  /**
   * The corresponding code of the original system.
   */
  int32_t original_status;
  /**
   * 1 if the file was up to date, so nothing was transferred; otherwise 0.
   */
  uint32_t already_there;
  /**
   * Bytes that the last attempt transferred.
   */
  uint64_t moved;
  /**
   * Transferred bytes, according to the last progress.
   */
  uint64_t done;
  /**
   * Size in bytes; 0 while it is unknown.
   */
  uint64_t total;
} ftx_file;

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
 * @param file_index  Index of the file, from 0.
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

/*
 * Names on the server
 * -------------------
 * Lists, sizes, digests and removals, as calls and as results of jobs.
 */

/**
 * Size of `ftx_entry.name` in bytes: the longest name and its NUL.
 */
#define FTX_NAME_BYTES 4100

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
 * No obstacle.
 */
#define FTX_OBSTACLE_NONE 0

/**
 * The entry is a symbolic link.
 */
#define FTX_OBSTACLE_LINK 1

/**
 * The entry is a device, a FIFO, a socket or another special file.
 */
#define FTX_OBSTACLE_SPECIAL 2

/**
 * The name is not valid UTF-8.
 */
#define FTX_OBSTACLE_NOT_UTF8 3

/**
 * The name is not allowed.
 */
#define FTX_OBSTACLE_NAME_REFUSED 4

/**
 * The name, or a part of it, exceeds the length limit.
 */
#define FTX_OBSTACLE_TOO_LONG 5

/**
 * A file or directory of the server, or something in a directory that cannot be transferred. Set
 * `struct_size` to `sizeof(ftx_entry)` before the call that fills it in.
 */
typedef struct ftx_entry {
  /**
   * Size of this struct in bytes, in the caller's header.
   */
  uint32_t struct_size;
  /**
   * `FTX_ENTRY_FILE`, `FTX_ENTRY_DIRECTORY` or `FTX_ENTRY_UNTRANSFERABLE`; only listings have
   * the last kind.
   */
  uint32_t kind;
  /**
   * Size of the file in bytes; 0 for other entries.
   */
  uint64_t size;
  /**
   * Time of the last change: seconds since 1970-01-01T00:00:00Z.
   */
  int64_t mtime_seconds;
  /**
   * Nanoseconds to add to these seconds.
   */
  uint32_t mtime_nanoseconds;
  /**
   * 1 if the time of the last change is known, otherwise 0.
   */
  uint32_t has_mtime;
  /**
   * 1 if its owner may execute it, otherwise 0.
   */
  uint32_t executable;
  /**
   * Length of the name in bytes, without the NUL, as `strlen` returns it.
   */
  uint32_t name_length;
  /**
   * Its whole remote name; UTF-8, ends with a NUL. With `FTX_ENTRY_UNTRANSFERABLE` it is for
   * display only, and no request accepts it: bytes that are not UTF-8 are escaped as `\xff`,
   * backslashes as
   * `\\`, and a long name loses its middle.
   */
  char name[FTX_NAME_BYTES];
  /**
   * The reason why it cannot be transferred: `FTX_OBSTACLE_LINK` or its like;
   * `FTX_OBSTACLE_NONE` for a file or directory.
   */
  uint32_t obstacle;
} ftx_entry;

/**
 * Receives an entry of a listing, on the calling thread. `entry` is valid during the call. A
 * result other than 0 ends the listing, which then returns `FTX_CANCELLED`. Otherwise as
 * `ftx_progress_fn`.
 */
typedef int32_t (*ftx_entry_fn)(const struct ftx_entry *entry, void *user_data);

/**
 * Lists a directory of a native server, in a fixed order. Entries that cannot be transferred, such
 * as symbolic links, are listed as well, with the kind `FTX_ENTRY_UNTRANSFERABLE`.
 *
 * @param client     The client.
 * @param directory  Its name, in UTF-8; NULL or "" for the root.
 * @param recursive  0: the directory only. Otherwise: all its subdirectories as well.
 * @param each       Called with each entry, on this thread; NULL only checks that the directory
 *                   can be listed.
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
 * @param entry   Filled in; `struct_size` must be set.
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
 * Length of a digest in bytes.
 */
#define FTX_DIGEST_BYTES 32

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
 * Takes the next entry found by `FTX_JOB_LIST` or `FTX_JOB_STAT`. Never blocks; the event
 * `FTX_EVENT_ENTRIES` reports new entries. A listing pauses while thousands of entries wait to be
 * taken, unless `ftx_job_wait` is waiting for it.
 *
 * @param job    The job.
 * @param entry  Filled in; `struct_size` must be set.
 * @return `FTX_OK`; `FTX_PENDING` if no entry waits yet; `FTX_NOT_FOUND` if the job has ended and
 *         all entries were taken; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE` (the entry stays),
 *         `FTX_FORKED`.
 *
 * Threads: any; each entry goes to one thread.
 *
 * ```c
 * ftx_entry entry;
 * entry.struct_size = sizeof entry;
 * while (ftx_job_next_entry(job, &entry) == FTX_OK)
 *     puts(entry.name);
 * ```
 */
int32_t ftx_job_next_entry(struct ftx_job *job, struct ftx_entry *entry);

/**
 * Returns the digest that `FTX_JOB_DIGEST` found for a file.
 *
 * @param job         The job.
 * @param file_index  Index of the file, from 0.
 * @param digest      `FTX_DIGEST_BYTES` bytes are written here: BLAKE3, as `b3sum` prints it.
 * @return `FTX_OK`; `FTX_PENDING` if it is not known (yet); `FTX_NULL_POINTER`,
 *         `FTX_NO_SUCH_FILE`,
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

/*
 * Errors
 * ------
 */

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
 * The user has no right to do this.
 */
#define FTX_FORBIDDEN -419

/**
 * The file exceeds the user's quota.
 */
#define FTX_QUOTA_EXCEEDED -420

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
 * The connection failed: -101 and below, and -5 and -7.
 */
#define FTX_CATEGORY_NETWORK 1

/**
 * The protocol was violated: -201 and below, and -6.
 */
#define FTX_CATEGORY_PROTOCOL 2

/**
 * A local file failed: -301 and below.
 */
#define FTX_CATEGORY_LOCAL 3

/**
 * The server refused: -401 and below, and the other codes of the original system.
 */
#define FTX_CATEGORY_SERVER 4

/**
 * Misuse or cancellation by the caller: -501 and below.
 */
#define FTX_CATEGORY_CALLER 5

/**
 * A bug in ftx, or the system lacks a resource: -601 and below.
 */
#define FTX_CATEGORY_INTERNAL 6

/**
 * Between client and server, or unknown.
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
 * Size of `ftx_error.message` in bytes, including its NUL.
 */
#define FTX_MESSAGE_BYTES 1024

/**
 * A failure. Set `struct_size` to `sizeof(ftx_error)` before the call that fills it in.
 */
typedef struct ftx_error {
  /**
   * Size of this struct in bytes, in the caller's header.
   */
  uint32_t struct_size;
  /**
   * The status that the function returned: 0 if nothing failed.
   */
  int32_t status;
  /**
   * The corresponding code of the original system.
   */
  int32_t original_status;
  /**
   * `FTX_CATEGORY_NETWORK` or its like.
   */
  uint32_t category;
  /**
   * The side that failed: `FTX_SIDE_LOCAL`, `FTX_SIDE_SERVER` or `FTX_SIDE_NONE`.
   */
  uint32_t side;
  /**
   * 1 if a later retry may succeed, otherwise 0. The client has used up its own retries.
   */
  uint32_t retryable;
  /**
   * The error number of the system (`errno`), or 0.
   */
  int32_t os_error;
  /**
   * Reserved; 0.
   */
  uint32_t reserved;
  /**
   * Index of the file in the job, from 0; `FTX_WHOLE_JOB` if the failure concerns no single
   * file.
   */
  uint64_t file_index;
  /**
   * Approximate number of bytes of the file that are transferred; a later attempt does not
   * repeat them.
   */
  uint64_t resume_at;
  /**
   * Description and remedy in English: one line of UTF-8 that ends with a NUL. A long line loses
   * its middle. Control characters are escaped.
   */
  char message[FTX_MESSAGE_BYTES];
} ftx_error;

/**
 * Returns the last failure of the calling thread: the details of the last status below 0, or of
 * the last NULL in place of a handle, that a function of this library returned on it.
 *
 * `ftx_job_error` returns the failure of a job, on any thread.
 *
 * @param error  Filled in; `struct_size` must be set. Its `status` is 0 if nothing has failed.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_STRUCT_SIZE`.
 *
 * Threads: any; each thread has its own last failure.
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
 * Returns the failure of a job or of one of its files.
 *
 * @param job         The job.
 * @param file_index  Index of the file, from 0; `FTX_WHOLE_JOB` for the first failure of the job.
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
 * Returns the name of a status code: the name of its constant, without `FTX_`.
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
 * Returns the category of a status code.
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

/**
 * Returns the code of the original system for a status code, for programs that know only those.
 *
 * @param status  Any code.
 * @return 0 for 0, otherwise a code from -1 to -10; codes above -100 are returned unchanged.
 *
 * Threads: any, at any time.
 *
 * ```c
 * if (ftx_original_status(FTX_NOT_FOUND) == FTX_FILE_OPEN_ERROR)
 *     puts("as the original would say it");
 * ```
 */
int32_t ftx_original_status(int32_t status);

/*
 * Settings
 * --------
 */

/**
 * Creates settings with all defaults.
 *
 * @return The settings, which the caller frees with `ftx_config_free`; NULL on failure
 *         (`ftx_last_error` has the reason).
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
 * Frees settings. Existing clients keep their copies.
 *
 * @param config  The settings, invalid afterwards; NULL is ignored.
 *
 * Threads: any, while no other thread uses the settings.
 *
 * ```c
 * ftx_config_free(config);
 * ```
 */
void ftx_config_free(struct ftx_config *config);

/**
 * Maximum of `FTX_OPTION_STREAMS`.
 */
#define FTX_MAX_STREAMS 64

/**
 * Minimum of `FTX_OPTION_LIMIT_RATE`, besides 0 for no limit.
 */
#define FTX_MIN_LIMIT_RATE 8192

/**
 * Milliseconds to wait for a connection, an answer or the next bytes: 1 to 31536000000, 30000 by
 * default.
 */
#define FTX_OPTION_TIMEOUT_MS 1

/**
 * Retries of a file after a transient failure: 0 to 4294967295, 5 by default. An attempt that gets
 * further than every earlier one is not counted. A connection that fails before the first byte of
 * a file has moved is not retried.
 */
#define FTX_OPTION_RETRIES 2

/**
 * Milliseconds before the first retry, doubled for each further one: 0 to 31536000000, 100 by
 * default.
 */
#define FTX_OPTION_MIN_BACKOFF_MS 3

/**
 * Maximum milliseconds between two attempts: 0 to 31536000000, 15000 by default.
 */
#define FTX_OPTION_MAX_BACKOFF_MS 4

/**
 * Milliseconds without a byte after which a transfer that has lost its connection is no longer
 * retried: 0 to 31536000000, 30000 by default. It then fails with the status of its first loss.
 */
#define FTX_OPTION_STALL_TIMEOUT_MS 11

/**
 * Connections that share the work in the native dialect: 1 to 64; 0, the default, lets the client
 * choose.
 */
#define FTX_OPTION_STREAMS 5

/**
 * Maximum bytes of files in a second, in each direction, of all connections of the client
 * together: 8192 (`FTX_MIN_LIMIT_RATE`) or more; 0, the default, for no limit.
 */
#define FTX_OPTION_LIMIT_RATE 21

/**
 * When bytes are compressed, in the native dialect: `FTX_COMPRESS_AUTO` (the default) or
 * `FTX_COMPRESS_NEVER`; or always, at a level from 1, the fastest, to 19, the smallest. A level
 * holds for uploads; the server chooses that of downloads. Bytes that do not shrink are sent as
 * they are.
 */
#define FTX_OPTION_COMPRESS 22

/**
 * `FTX_DIALECT_AUTO` (the default), `FTX_DIALECT_NATIVE` or `FTX_DIALECT_LEGACY`.
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
 * The path of a cache directory, set by `ftx_config_set_bytes`. It keeps the hashes of local
 * files, so that unchanged files are read only once. Empty, the default, means no cache. The
 * client creates the directory if necessary; only clients may write to it.
 */
#define FTX_OPTION_CACHE 10

/**
 * `FTX_TLS_AUTO` (the default), `FTX_TLS_REQUIRE` or `FTX_TLS_OFF`.
 */
#define FTX_OPTION_TLS 12

/**
 * The fingerprint of the server's key, as the server prints it: `sha256:` and 64 hexadecimal
 * digits. Set by `ftx_config_set_bytes`. A server with another key, or without TLS, is refused.
 * Empty, the default, means that issuers or `FTX_OPTION_KNOWN_HOSTS` decide.
 */
#define FTX_OPTION_FINGERPRINT 13

/**
 * The path of a PEM file with the issuers whose certificates are trusted, in place of those of the
 * system. Set by `ftx_config_set_bytes`.
 */
#define FTX_OPTION_CA 14

/**
 * The path of the file of servers whose keys are known, set by `ftx_config_set_bytes`. A known
 * server with another key, or without TLS, is refused. Empty, the default, means that no server is
 * known.
 */
#define FTX_OPTION_KNOWN_HOSTS 15

/**
 * 1 trusts a server that is not known yet, and adds it to `FTX_OPTION_KNOWN_HOSTS`; 0 by default.
 */
#define FTX_OPTION_ACCEPT_NEW 16

/**
 * 1 allows connections without TLS to other machines, as servers of the original system need; 0 by
 * default.
 */
#define FTX_OPTION_INSECURE 17

/**
 * The path of a PEM file with the certificate that the client shows to a server that asks for one.
 * Set by `ftx_config_set_bytes`.
 */
#define FTX_OPTION_CLIENT_CERT 18

/**
 * The path of a PEM file with the key of `FTX_OPTION_CLIENT_CERT`, set by `ftx_config_set_bytes`.
 * Empty, the default, means that it is in the same file.
 */
#define FTX_OPTION_CLIENT_KEY 19

/**
 * The token that proves to the server who the client is, as `ftx-server token add` prints it. Set
 * by `ftx_config_set_bytes`; white space around it does not count. A server on another machine
 * gets it encrypted or not at all, whatever `FTX_OPTION_INSECURE` says. A mistyped token is
 * `FTX_INVALID_ARGUMENT`. Empty, the default, means that the client proves nothing.
 */
#define FTX_OPTION_TOKEN 20

/**
 * The native dialect; the dialect of the original system with a server that supports no other.
 */
#define FTX_DIALECT_AUTO 0

/**
 * The native dialect.
 */
#define FTX_DIALECT_NATIVE 1

/**
 * The dialect of the original system.
 */
#define FTX_DIALECT_LEGACY 2

/**
 * TLS with servers on other machines, and with those whose key or issuer is given or known.
 */
#define FTX_TLS_AUTO 0

/**
 * TLS with every server.
 */
#define FTX_TLS_REQUIRE 1

/**
 * No TLS. Servers on other machines are refused, unless `FTX_OPTION_INSECURE` is set.
 */
#define FTX_TLS_OFF 2

/**
 * Bytes are compressed while the line is slower than the compressor.
 */
#define FTX_COMPRESS_AUTO 0

/**
 * Nothing is compressed, in either direction.
 */
#define FTX_COMPRESS_NEVER 255

/**
 * A finished download survives a power failure.
 */
#define FTX_DURABILITY_FULL 0

/**
 * A finished download survives the end of the process, but not a power failure.
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
 * The file is replaced if it has the digest of `FTX_OPTION_OVERWRITE_DIGEST`; otherwise the upload
 * fails with `FTX_PRECONDITION_FAILED`. Setting the digest sets this.
 */
#define FTX_OVERWRITE_IF_DIGEST 2

/**
 * Sets a numeric option.
 *
 * @param config  The settings.
 * @param option  `FTX_OPTION_TIMEOUT_MS` or its like; each documents its values.
 * @param value   Its value, in the unit of the option.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION`, `FTX_WRONG_TYPE`,
 *         `FTX_INVALID_ARGUMENT`, `FTX_FORKED`; a failure changes nothing.
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
 * @param option  `FTX_OPTION_CACHE` or its like; each documents its values.
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
                             const void *bytes,
                             size_t length);

/**
 * Returns the value of a numeric option.
 *
 * @param config  The settings.
 * @param option  `FTX_OPTION_TIMEOUT_MS` or its like.
 * @param value   Its value is written here, in the unit of the option.
 * @return `FTX_OK`; `FTX_NULL_POINTER`, `FTX_UNKNOWN_OPTION`, `FTX_WRONG_TYPE`, `FTX_FORKED`;
 *         a failure writes nothing.
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

/*
 * Log
 * ---
 */

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
 * Receives the log messages of ftx. `level` is `FTX_LOG_ERROR` or its like; `message` is a line of
 * UTF-8, whose control characters are escaped, and is valid during the call. The callback runs on
 * any thread, also on several at the same time, and must not block for long. It may call functions
 * of this library except
 * `ftx_set_log_callback`; their log messages are dropped.
 */
typedef void (*ftx_log_fn)(uint32_t level, const char *message, void *user_data);

/**
 * Sets the log callback of the whole process. Without one nothing is logged; nothing is ever
 * printed.
 *
 * The previous callback is no longer called once this function returns.
 *
 * @param level      The least severe level to log: `FTX_LOG_ERROR` to `FTX_LOG_TRACE`.
 * @param callback   The callback; NULL turns logging off.
 * @param user_data  Passed to the callback; the caller keeps ownership, and it must live until the
 *                   callback is replaced.
 * @return `FTX_OK`; `FTX_INVALID_ARGUMENT` (no such level); `FTX_REENTERED` inside a log callback;
 *         `FTX_WRONG_STATE` if libftx is part of a Rust program that has its own log.
 *
 * Threads: any. Waits for running callbacks.
 *
 * ```c
 * ftx_set_log_callback(FTX_LOG_DEBUG, on_log, NULL);
 * ```
 */
int32_t ftx_set_log_callback(uint32_t level, ftx_log_fn callback, void *user_data);

/*
 * Version
 * -------
 */

/**
 * The version of this header; `ftx_version` returns that of the library.
 */
#define FTX_VERSION "0.1.0"

/**
 * The same as a number for `#if`: 0xXXYYZZ for X.Y.Z, so 0x010203 for 1.2.3.
 */
#define FTX_VERSION_NUM 0x000100

/**
 * Version of the ABI: raised when a program built against an older header no longer works.
 */
#define FTX_ABI_VERSION 1

/**
 * Returns the version of the library, such as "1.2.3".
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
 * Returns the version of the library's ABI.
 *
 * @return A number to compare with `FTX_ABI_VERSION`, the version of the header.
 *
 * Threads: any, at any time.
 *
 * ```c
 * if (ftx_abi_version() != FTX_ABI_VERSION)
 *     abort();
 * ```
 */
uint32_t ftx_abi_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FTX_H */

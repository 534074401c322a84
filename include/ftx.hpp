/* ftx.hpp: libftx for C++11 and later. Header only; link libftx.
 *
 * Objects own their handles, and can be moved but not copied. Each operation has two forms, as in the
 * standard library: with a std::error_code& as last parameter, it sets the code and throws no
 * ftx::error; without, it throws ftx::error. Only the first form exists if exceptions are disabled.
 * ftx.h documents the operations, their errors and the threads that may call them.
 *
 *     ftx::client client("files.example:7411");
 *     client.upload("/home/me/a.txt", "docs/a.txt", [](const ftx::event &event) {
 *         return event.done < 1000000; // false cancels
 *     });
 */

#ifndef FTX_HPP
#define FTX_HPP

#include "ftx.h"

#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#define FTX_HAS_EXCEPTIONS 1
#include <exception>
#endif

namespace ftx {

/** An event of a job; see ftx_event. */
using event = ftx_event;

/** Details of a failure; see ftx_error. */
using details = ftx_error;

/** The state of a file of a job; see ftx_file. */
using file = ftx_file;

/** Progress of a whole job; see ftx_totals. */
using totals = ftx_totals;

/** A BLAKE3 digest, as b3sum prints it in hexadecimal. */
using digest = std::array<std::uint8_t, FTX_DIGEST_BYTES>;

/** Receives the events of a blocking call, on the calling thread; false cancels. */
using progress = std::function<bool(const event &)>;

/** The error category of the status codes of ftx. */
inline const std::error_category &category() noexcept;

/** Converts a status of ftx to an error code. */
inline std::error_code make_error_code(std::int32_t status) noexcept
{
    return std::error_code(static_cast<int>(status), category());
}

namespace detail {

class category_type : public std::error_category {
public:
    const char *name() const noexcept override { return "ftx"; }

    std::string message(int status) const override { return ftx_strerror(status); }

    std::error_condition default_error_condition(int status) const noexcept override
    {
        switch (status) {
        case FTX_CANCELLED: return std::errc::operation_canceled;
        case FTX_TIMED_OUT: return std::errc::timed_out;
        case FTX_CONNECT_FAILED: return std::errc::connection_refused;
        case FTX_CONNECTION_LOST: return std::errc::connection_reset;
        case FTX_NOT_FOUND:
        case FTX_LOCAL_NOT_FOUND: return std::errc::no_such_file_or_directory;
        case FTX_PERMISSION_DENIED:
        case FTX_LOCAL_PERMISSION_DENIED: return std::errc::permission_denied;
        case FTX_NO_SPACE:
        case FTX_LOCAL_NO_SPACE: return std::errc::no_space_on_device;
        case FTX_ALREADY_EXISTS:
        case FTX_LOCAL_ALREADY_EXISTS: return std::errc::file_exists;
        case FTX_INVALID_ARGUMENT:
        case FTX_INVALID_ADDRESS: return std::errc::invalid_argument;
        default: return std::error_condition(status, *this);
        }
    }
};

template <typename T>
T sized() noexcept
{
    T value = T();
    value.struct_size = static_cast<std::uint32_t>(sizeof(T));
    return value;
}

inline void set(std::error_code &code, std::int32_t status) noexcept
{
    if (status == FTX_OK)
        code.clear();
    else
        code = make_error_code(status);
}

/** Returns the text in an array, up to its first NUL or the end of the array. */
template <std::size_t N>
std::string text(const char (&array)[N])
{
    const void *end = std::memchr(array, 0, N);
    return std::string(array, end ? static_cast<const char *>(end) : array + N);
}

/** Whether a text contains no NUL, which would truncate it in C. */
inline bool plain(const std::string &text, std::error_code &code) noexcept
{
    if (text.find('\0') == std::string::npos)
        return true;
    set(code, FTX_INVALID_ARGUMENT);
    return false;
}

/** Carries a callback through C, and its exceptions back out. */
template <typename Callback>
struct carrier {
    const Callback *callback;
#ifdef FTX_HAS_EXCEPTIONS
    std::exception_ptr thrown;

    void rethrow() const
    {
        if (thrown)
            std::rethrow_exception(thrown);
    }
#else
    void rethrow() const {}
#endif

    explicit carrier(const Callback &given) : callback(given ? &given : nullptr) {}

    template <typename Argument>
    std::int32_t call(const Argument &argument) noexcept
    {
#ifdef FTX_HAS_EXCEPTIONS
        try {
            return (*callback)(argument) ? 0 : 1;
        } catch (...) {
            thrown = std::current_exception();
            return 1;
        }
#else
        return (*callback)(argument) ? 0 : 1;
#endif
    }
};

} // namespace detail

inline const std::error_category &category() noexcept
{
    static const detail::category_type instance;
    return instance;
}

/** Details of the last failure on the calling thread. */
inline details last_error() noexcept
{
    details error = detail::sized<details>();
    ftx_last_error(&error);
    return error;
}

#ifdef FTX_HAS_EXCEPTIONS
/** The exception of operations without an error code. */
class error : public std::system_error {
public:
    explicit error(std::int32_t status, const ftx::details &what = last_error())
        : std::system_error(make_error_code(status),
                            what.status == status ? detail::text(what.message) : std::string()),
          details_(what)
    {
    }

    /** The status, such as FTX_NOT_FOUND. */
    std::int32_t status() const noexcept { return code().value(); }

    /** All details of the failure. */
    const ftx::details &details() const noexcept { return details_; }

private:
    ftx::details details_;
};

namespace detail {
inline void check(const std::error_code &code)
{
    if (code)
        throw error(code.value());
}
} // namespace detail
#endif

/**
 * A file or directory of a server, or something in a directory that cannot be transferred, such as a
 * symbolic link, whose name is for display only: no request accepts it (see ftx_entry).
 */
struct entry {
    std::string name;              ///< Its whole remote name, in UTF-8.
    bool is_directory = false;     ///< Whether it is a directory.
    bool is_file = false;          ///< Whether it is a file, which can be downloaded.
    std::uint32_t obstacle = FTX_OBSTACLE_NONE;   ///< The reason if it cannot be transferred.
    std::uint64_t size = 0;        ///< Size of the file in bytes; 0 for a directory.
    bool has_mtime = false;        ///< Whether the time of the last change is known.
    std::int64_t mtime_seconds = 0;        ///< That time: seconds since 1970-01-01T00:00:00Z.
    std::uint32_t mtime_nanoseconds = 0;   ///< Nanoseconds to add to these seconds.
    bool executable = false;       ///< Whether its owner may execute it.

    entry() = default;

    explicit entry(const ftx_entry &from)
        : name(detail::text(from.name)), is_directory(from.kind == FTX_ENTRY_DIRECTORY),
          is_file(from.kind == FTX_ENTRY_FILE), obstacle(from.obstacle), size(from.size),
          has_mtime(from.has_mtime != 0), mtime_seconds(from.mtime_seconds),
          mtime_nanoseconds(from.mtime_nanoseconds), executable(from.executable != 0)
    {
    }
};

/** Receives the entries of a listing, on the calling thread; false ends the listing. */
using each_entry = std::function<bool(const entry &)>;

/** Settings for new clients. The setters return the object, so that calls can be chained. */
class config {
public:
    config() : handle_(ftx_config_new()) {}

    /** Sets a numeric option, in the unit that its constant documents. */
    config &set(std::uint32_t option, std::uint64_t value, std::error_code &code) noexcept
    {
        detail::set(code, ftx_config_set_u64(get(), option, value));
        return *this;
    }

    /** Allows an upload to replace only a file that has this digest. */
    config &overwrite_if(const digest &only, std::error_code &code) noexcept
    {
        detail::set(code, ftx_config_set_bytes(get(), FTX_OPTION_OVERWRITE_DIGEST, only.data(),
                                               only.size()));
        return *this;
    }

    /** Caches the hashes of local files in a directory; "" for no cache. */
    config &cache(const std::string &directory, std::error_code &code) noexcept
    {
        detail::set(code, ftx_config_set_bytes(get(), FTX_OPTION_CACHE, directory.data(),
                                               directory.size()));
        return *this;
    }

    /** Sets an option whose values are texts or paths, such as FTX_OPTION_FINGERPRINT; "" for none. */
    config &set(std::uint32_t option, const std::string &text, std::error_code &code) noexcept
    {
        detail::set(code, ftx_config_set_bytes(get(), option, text.data(), text.size()));
        return *this;
    }

    /** Returns the value of a numeric option. */
    std::uint64_t value(std::uint32_t option, std::error_code &code) const noexcept
    {
        std::uint64_t value = 0;
        detail::set(code, ftx_config_get_u64(get(), option, &value));
        return value;
    }

#ifdef FTX_HAS_EXCEPTIONS
    config &set(std::uint32_t option, std::uint64_t value)
    {
        std::error_code code;
        set(option, value, code);
        detail::check(code);
        return *this;
    }

    config &overwrite_if(const digest &only)
    {
        std::error_code code;
        overwrite_if(only, code);
        detail::check(code);
        return *this;
    }

    config &cache(const std::string &directory)
    {
        std::error_code code;
        cache(directory, code);
        detail::check(code);
        return *this;
    }

    std::uint64_t value(std::uint32_t option) const
    {
        std::error_code code;
        const std::uint64_t found = value(option, code);
        detail::check(code);
        return found;
    }

    config &timeout(std::chrono::milliseconds limit)
    {
        return set(FTX_OPTION_TIMEOUT_MS, static_cast<std::uint64_t>(limit.count()));
    }

    config &retries(std::uint32_t count) { return set(FTX_OPTION_RETRIES, count); }

    config &stall_timeout(std::chrono::milliseconds limit)
    {
        return set(FTX_OPTION_STALL_TIMEOUT_MS, static_cast<std::uint64_t>(limit.count()));
    }

    config &backoff(std::chrono::milliseconds least, std::chrono::milliseconds most)
    {
        set(FTX_OPTION_MIN_BACKOFF_MS, static_cast<std::uint64_t>(least.count()));
        return set(FTX_OPTION_MAX_BACKOFF_MS, static_cast<std::uint64_t>(most.count()));
    }

    config &streams(std::uint32_t count) { return set(FTX_OPTION_STREAMS, count); }

    /** Limits the bytes of files in a second, in each direction, of all connections together; 0 for no
     * limit. */
    config &limit_rate(std::uint64_t bytes) { return set(FTX_OPTION_LIMIT_RATE, bytes); }

    /** Sets the compression on the line: `FTX_COMPRESS_AUTO`, `FTX_COMPRESS_NEVER`, or a level from 1 to 19. */
    config &compress(std::uint32_t when) { return set(FTX_OPTION_COMPRESS, when); }

    config &dialect(std::uint32_t which) { return set(FTX_OPTION_DIALECT, which); }
    config &durability(std::uint32_t which) { return set(FTX_OPTION_DURABILITY, which); }
    config &overwrite(std::uint32_t which) { return set(FTX_OPTION_OVERWRITE, which); }
    config &tls(std::uint32_t which) { return set(FTX_OPTION_TLS, which); }

    config &set(std::uint32_t option, const std::string &text)
    {
        std::error_code code;
        set(option, text, code);
        detail::check(code);
        return *this;
    }

    config &fingerprint(const std::string &text) { return set(FTX_OPTION_FINGERPRINT, text); }
    config &known_hosts(const std::string &path) { return set(FTX_OPTION_KNOWN_HOSTS, path); }
    config &token(const std::string &text) { return set(FTX_OPTION_TOKEN, text); }
#endif

    /** Returns the handle, which this object keeps owning. */
    ftx_config *get() const noexcept { return handle_.get(); }

private:
    struct deleter {
        void operator()(ftx_config *handle) const noexcept { ftx_config_free(handle); }
    };
    std::unique_ptr<ftx_config, deleter> handle_;
};

/** Files of an upload or a download: local paths and names on the server. */
using files = std::vector<std::pair<std::string, std::string>>;

class job;

/** A client of one server. */
class client {
public:
    /** An empty object, the target of a move. */
    client() noexcept = default;

    /** Creates a client of "host:port". */
    client(const std::string &address, const config &settings, std::error_code &code) noexcept
    {
        if (!detail::plain(address, code))
            return;
        ftx_client *made = nullptr;
        detail::set(code, ftx_client_new(address.c_str(), settings.get(), &made));
        handle_.reset(made);
    }

    /** Creates a client of a host and a port. */
    client(const std::string &host, std::uint16_t port, const config &settings,
           std::error_code &code) noexcept
    {
        if (!detail::plain(host, code))
            return;
        ftx_client *made = nullptr;
        detail::set(code, ftx_client_new_at(host.c_str(), port, settings.get(), &made));
        handle_.reset(made);
    }

    void upload(const std::string &path, const std::string &name, const progress &tell,
                std::error_code &code)
    {
        if (!detail::plain(path, code) || !detail::plain(name, code))
            return;
        detail::carrier<progress> carrier(tell);
        detail::set(code, ftx_client_upload(get(), path.c_str(), name.c_str(), told(carrier),
                                            &carrier));
        carrier.rethrow();
    }

    void download(const std::string &name, const std::string &path, const progress &tell,
                  std::error_code &code)
    {
        if (!detail::plain(name, code) || !detail::plain(path, code))
            return;
        detail::carrier<progress> carrier(tell);
        detail::set(code, ftx_client_download(get(), name.c_str(), path.c_str(), told(carrier),
                                              &carrier));
        carrier.rethrow();
    }

    /** Uploads files, each a local path and a name. */
    void upload(const files &all, bool keep_going, const progress &tell, std::error_code &code)
    {
        std::vector<const char *> paths, names;
        if (!split(all, paths, names, code))
            return;
        detail::carrier<progress> carrier(tell);
        detail::set(code, ftx_client_upload_files(get(), paths.data(), names.data(), all.size(),
                                                  keep_going, told(carrier), &carrier));
        carrier.rethrow();
    }

    /** Downloads files, each a local path and a name. */
    void download(const files &all, bool keep_going, const progress &tell, std::error_code &code)
    {
        std::vector<const char *> paths, names;
        if (!split(all, paths, names, code))
            return;
        detail::carrier<progress> carrier(tell);
        detail::set(code, ftx_client_download_files(get(), names.data(), paths.data(), all.size(),
                                                    keep_going, told(carrier), &carrier));
        carrier.rethrow();
    }

    /** Lists a directory, "" for the root, including entries that cannot be transferred. */
    void list(const std::string &directory, bool recursive, const each_entry &each,
              std::error_code &code)
    {
        if (!detail::plain(directory, code))
            return;
        detail::carrier<each_entry> carrier(each);
        detail::set(code, ftx_client_list(get(), directory.c_str(), recursive,
                                          each ? &client::show : nullptr, &carrier));
        carrier.rethrow();
    }

    entry stat(const std::string &name, std::error_code &code)
    {
        if (!detail::plain(name, code))
            return entry();
        ftx_entry found = detail::sized<ftx_entry>();
        detail::set(code, ftx_client_stat(get(), name.c_str(), &found));
        return code ? entry() : entry(found);
    }

    ftx::digest digest(const std::string &name, std::error_code &code) noexcept
    {
        if (!detail::plain(name, code))
            return ftx::digest();
        ftx::digest found = ftx::digest();
        detail::set(code, ftx_client_digest(get(), name.c_str(), found.data()));
        return found;
    }

    void remove(const std::string &name, std::error_code &code) noexcept
    {
        if (!detail::plain(name, code))
            return;
        detail::set(code, ftx_client_remove(get(), name.c_str()));
    }

    /** Returns the server's dialect: FTX_DIALECT_NATIVE or FTX_DIALECT_LEGACY. */
    std::uint32_t dialect(std::error_code &code) noexcept
    {
        std::uint32_t found = FTX_DIALECT_AUTO;
        detail::set(code, ftx_client_dialect(get(), &found));
        return found;
    }

#ifdef FTX_HAS_EXCEPTIONS
    explicit client(const std::string &address, const config &settings = config())
    {
        std::error_code code;
        *this = client(address, settings, code);
        detail::check(code);
    }

    client(const std::string &host, std::uint16_t port, const config &settings = config())
    {
        std::error_code code;
        *this = client(host, port, settings, code);
        detail::check(code);
    }

    void upload(const std::string &path, const std::string &name, const progress &tell = nullptr)
    {
        std::error_code code;
        upload(path, name, tell, code);
        detail::check(code);
    }

    void download(const std::string &name, const std::string &path,
                  const progress &tell = nullptr)
    {
        std::error_code code;
        download(name, path, tell, code);
        detail::check(code);
    }

    void upload(const files &all, bool keep_going = false, const progress &tell = nullptr)
    {
        std::error_code code;
        upload(all, keep_going, tell, code);
        detail::check(code);
    }

    void download(const files &all, bool keep_going = false, const progress &tell = nullptr)
    {
        std::error_code code;
        download(all, keep_going, tell, code);
        detail::check(code);
    }

    void list(const std::string &directory, bool recursive, const each_entry &each)
    {
        std::error_code code;
        list(directory, recursive, each, code);
        detail::check(code);
    }

    entry stat(const std::string &name)
    {
        std::error_code code;
        entry found = stat(name, code);
        detail::check(code);
        return found;
    }

    ftx::digest digest(const std::string &name)
    {
        std::error_code code;
        const ftx::digest found = digest(name, code);
        detail::check(code);
        return found;
    }

    void remove(const std::string &name)
    {
        std::error_code code;
        remove(name, code);
        detail::check(code);
    }

    std::uint32_t dialect()
    {
        std::error_code code;
        const std::uint32_t found = dialect(code);
        detail::check(code);
        return found;
    }
#endif

    /** Cancels all jobs and blocking calls of the client. Any thread. */
    void cancel() noexcept { ftx_client_cancel(get()); }

    /** Returns a descriptor that is readable while an event waits. */
    int event_fd() const noexcept { return ftx_client_event_fd(get()); }

    /** Takes the next event of the started jobs; false if no event waits. */
    bool next_event(event &next) noexcept
    {
        next = detail::sized<event>();
        return ftx_client_next_event(get(), &next) == FTX_OK;
    }

    /** Returns the handle, which this object keeps owning. */
    ftx_client *get() const noexcept { return handle_.get(); }

    explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

private:
    static std::int32_t tell(const ftx_event *what, void *carried)
    {
        return static_cast<detail::carrier<progress> *>(carried)->call(*what);
    }

    static std::int32_t show(const ftx_entry *found, void *carried)
    {
        detail::carrier<each_entry> *each = static_cast<detail::carrier<each_entry> *>(carried);
#ifdef FTX_HAS_EXCEPTIONS
        try {
            return each->call(entry(*found));
        } catch (...) {
            each->thrown = std::current_exception();
            return 1;
        }
#else
        return each->call(entry(*found));
#endif
    }

    static ftx_progress_fn told(const detail::carrier<progress> &carrier) noexcept
    {
        return carrier.callback ? &client::tell : nullptr;
    }

    static bool split(const files &all, std::vector<const char *> &paths,
                      std::vector<const char *> &names, std::error_code &code)
    {
        for (const std::pair<std::string, std::string> &each : all) {
            if (!detail::plain(each.first, code) || !detail::plain(each.second, code))
                return false;
            paths.push_back(each.first.c_str());
            names.push_back(each.second.c_str());
        }
        return true;
    }

    struct deleter {
        void operator()(ftx_client *handle) const noexcept { ftx_client_free(handle); }
    };
    std::unique_ptr<ftx_client, deleter> handle_;
};

/** Work that runs in the background once started. Destroying it cancels it. */
class job {
public:
    /** An empty object, the target of a move. */
    job() noexcept = default;

    /** Creates a job of a client; `kind` is FTX_JOB_UPLOAD or its like. */
    job(client &of, std::uint32_t kind, std::error_code &code) noexcept
    {
        ftx_job *made = nullptr;
        detail::set(code, ftx_job_new(of.get(), kind, &made));
        handle_.reset(made);
    }

    /** Sets a numeric option: FTX_JOB_OPTION_KEEP_GOING or its like. */
    job &set(std::uint32_t option, std::uint64_t value, std::error_code &code) noexcept
    {
        detail::set(code, ftx_job_set_u64(get(), option, value));
        return *this;
    }

    /** Allows its uploads to replace only a file that has this digest. */
    job &overwrite_if(const digest &only, std::error_code &code) noexcept
    {
        detail::set(code, ftx_job_set_bytes(get(), FTX_JOB_OPTION_OVERWRITE_DIGEST, only.data(),
                                            only.size()));
        return *this;
    }

    job &add(const std::string &path, const std::string &name, std::error_code &code) noexcept
    {
        detail::set(code, ftx_job_add_bytes(get(), path.data(), path.size(), name.data(),
                                            name.size()));
        return *this;
    }

    /** Sets the size of an added file, from a listing. */
    job &set_size(std::uint64_t index, std::uint64_t size, std::error_code &code) noexcept
    {
        detail::set(code, ftx_job_set_size(get(), index, size));
        return *this;
    }

    void start(std::error_code &code) noexcept { detail::set(code, ftx_job_start(get())); }
    void pause(std::error_code &code) noexcept { detail::set(code, ftx_job_pause(get())); }
    void resume(std::error_code &code) noexcept { detail::set(code, ftx_job_resume(get())); }

    /** Waits for its end; `code` is its status. */
    void wait(std::error_code &code) noexcept { detail::set(code, ftx_job_wait(get(), -1)); }

    /** Waits for its end until a timeout; false if it has not ended. `code` is its status. */
    bool wait_for(std::chrono::milliseconds limit, std::error_code &code) noexcept
    {
        const std::int64_t count = limit.count() < 0 ? 0 : limit.count();
        const std::int32_t status = ftx_job_wait(get(), count);
        detail::set(code, status == FTX_PENDING ? FTX_OK : status);
        return status != FTX_PENDING;
    }

#ifdef FTX_HAS_EXCEPTIONS
    job(client &of, std::uint32_t kind)
    {
        std::error_code code;
        *this = job(of, kind, code);
        detail::check(code);
    }

    job &set(std::uint32_t option, std::uint64_t value = 1)
    {
        std::error_code code;
        set(option, value, code);
        detail::check(code);
        return *this;
    }

    job &overwrite_if(const digest &only)
    {
        std::error_code code;
        overwrite_if(only, code);
        detail::check(code);
        return *this;
    }

    job &set_size(std::uint64_t index, std::uint64_t size)
    {
        std::error_code code;
        set_size(index, size, code);
        detail::check(code);
        return *this;
    }

    job &retries(std::uint32_t count) { return set(FTX_JOB_OPTION_RETRIES, count); }
    job &overwrite(std::uint32_t which) { return set(FTX_JOB_OPTION_OVERWRITE, which); }

    job &add(const std::string &path, const std::string &name)
    {
        std::error_code code;
        add(path, name, code);
        detail::check(code);
        return *this;
    }

    void start()
    {
        std::error_code code;
        start(code);
        detail::check(code);
    }

    void pause()
    {
        std::error_code code;
        pause(code);
        detail::check(code);
    }

    void resume()
    {
        std::error_code code;
        resume(code);
        detail::check(code);
    }

    /** Waits for its end, and throws its first failure. */
    void wait()
    {
        std::error_code code;
        wait(code);
        detail::check(code);
    }

    /** Waits for its end until a timeout; false if it has not ended. Throws its first failure. */
    bool wait_for(std::chrono::milliseconds limit)
    {
        std::error_code code;
        const bool ended = wait_for(limit, code);
        detail::check(code);
        return ended;
    }
#endif

    void cancel() noexcept { ftx_job_cancel(get()); }
    void abort() noexcept { ftx_job_abort(get()); }

    /** Returns its number, which events carry as `job_id`. */
    std::uint64_t id() const noexcept { return ftx_job_id(get()); }

    /** Returns its state: FTX_STATE_NEW or its like. */
    std::uint32_t state() const noexcept
    {
        std::uint32_t state = FTX_STATE_NEW;
        ftx_job_state(get(), &state);
        return state;
    }

    void set_user_data(void *user_data) noexcept { ftx_job_set_user_data(get(), user_data); }

    std::uint64_t file_count() const noexcept
    {
        std::uint64_t count = 0;
        ftx_job_file_count(get(), &count);
        return count;
    }

    /** Returns its progress as a whole. */
    ftx::totals totals() const noexcept
    {
        ftx::totals found = detail::sized<ftx::totals>();
        ftx_job_totals(get(), &found);
        return found;
    }

    /** Returns the state of one of its files. */
    ftx::file file(std::uint64_t index) const noexcept
    {
        ftx::file found = detail::sized<ftx::file>();
        const std::int32_t status = ftx_job_file(get(), index, &found);
        if (status != FTX_OK)
            found.status = status;
        return found;
    }

    /** Returns its failure, or that of one of its files; `status` is 0 if nothing has failed. */
    ftx::details failure(std::uint64_t index = FTX_WHOLE_JOB) const noexcept
    {
        ftx::details found = detail::sized<ftx::details>();
        const std::int32_t status = ftx_job_error(get(), index, &found);
        if (status != FTX_OK)
            found = last_error();
        return found;
    }

    /** Takes the next entry that it has found; false if no entry waits. */
    bool next_entry(entry &next)
    {
        ftx_entry found = detail::sized<ftx_entry>();
        if (ftx_job_next_entry(get(), &found) != FTX_OK)
            return false;
        next = entry(found);
        return true;
    }

    /** Returns the digest that it has found for a file; false if it has none. */
    bool digest_of(std::uint64_t index, ftx::digest &found) const noexcept
    {
        return ftx_job_digest(get(), index, found.data()) == FTX_OK;
    }

    /** Returns the server's dialect if the job has found it; otherwise FTX_DIALECT_AUTO. */
    std::uint32_t dialect() const noexcept
    {
        std::uint32_t found = FTX_DIALECT_AUTO;
        ftx_job_dialect(get(), &found);
        return found;
    }

    /** Returns the handle, which this object keeps owning. */
    ftx_job *get() const noexcept { return handle_.get(); }

    explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

private:
    struct deleter {
        void operator()(ftx_job *handle) const noexcept { ftx_job_free(handle); }
    };
    std::unique_ptr<ftx_job, deleter> handle_;
};

} // namespace ftx

#endif /* FTX_HPP */

// The C++ header: PROGRAM ADDRESS DIRECTORY.
#include "ftx.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <type_traits>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                   \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

static_assert(!std::is_copy_constructible<ftx::client>::value, "moved only");
static_assert(!std::is_copy_assignable<ftx::job>::value, "moved only");
static_assert(std::is_nothrow_move_constructible<ftx::client>::value, "moved");
static_assert(std::is_nothrow_move_assignable<ftx::job>::value, "moved");
static_assert(std::is_nothrow_move_constructible<ftx::config>::value, "moved");

namespace {

void make(const std::string &path, std::size_t bytes)
{
    std::ofstream file(path, std::ios::binary);
    for (std::size_t at = 0; at < bytes; at++)
        file.put(static_cast<char>(at * 7 + at / 251));
}

std::string content(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

template <typename Work>
int status_of(Work work)
{
    try {
        work();
    } catch (const ftx::error &error) {
        CHECK(error.status() == error.details().status);
        CHECK(error.what()[0] != '\0');
        return error.status();
    }
    return FTX_OK;
}

void settings()
{
    ftx::config config;
    config.timeout(std::chrono::seconds(5)).stall_timeout(std::chrono::seconds(7));
    CHECK(config.value(FTX_OPTION_STALL_TIMEOUT_MS) == 7000);
    config.retries(3).streams(2).dialect(FTX_DIALECT_NATIVE);
    CHECK(config.value(FTX_OPTION_TIMEOUT_MS) == 5000);
    config.limit_rate(FTX_MIN_LIMIT_RATE);
    CHECK(config.value(FTX_OPTION_LIMIT_RATE) == FTX_MIN_LIMIT_RATE);
    CHECK(status_of([&] { config.limit_rate(1); }) == FTX_INVALID_ARGUMENT);
    config.compress(FTX_COMPRESS_NEVER).compress(19);
    CHECK(config.value(FTX_OPTION_COMPRESS) == 19);
    CHECK(status_of([&] { config.compress(20); }) == FTX_INVALID_ARGUMENT);
    CHECK(status_of([&] { config.set(4711, 1); }) == FTX_UNKNOWN_OPTION);
    std::error_code code;
    config.set(4711, 1, code);
    CHECK(code == ftx::make_error_code(FTX_UNKNOWN_OPTION));
    CHECK(code.category().name() == std::string("ftx"));
    config.set(FTX_OPTION_RETRIES, 1, code);
    CHECK(!code);
    CHECK(status_of([] { ftx::client("no address"); }) == FTX_INVALID_ADDRESS);
    CHECK(ftx::make_error_code(FTX_NOT_FOUND) == std::errc::no_such_file_or_directory);
    CHECK(ftx::make_error_code(FTX_CANCELLED) == std::errc::operation_canceled);
}

void calls(ftx::client &client, const std::string &directory)
{
    const std::string path = directory + "/c++", copy = directory + "/c++ copy";
    make(path, 3000000);
    std::uint64_t done = 0;
    client.upload(path, "cpp/a", [&](const ftx::event &event) {
        if (event.kind == FTX_EVENT_PROGRESS)
            done = event.done;
        return true;
    });
    CHECK(done == 3000000);
    client.download("cpp/a", copy);
    CHECK(content(path) == content(copy));
    CHECK(client.stat("cpp/a").size == 3000000);
    const ftx::digest digest = client.digest("cpp/a");
    ftx::files files;
    files.emplace_back(path, "cpp/b");
    files.emplace_back(directory + "/none", "cpp/c");
    CHECK(status_of([&] { client.upload(files, true); }) == FTX_LOCAL_NOT_FOUND);
    CHECK(ftx::last_error().file_index == 1);
    CHECK(client.digest("cpp/b") == digest);
    std::string names;
    client.list("cpp", false, [&](const ftx::entry &entry) {
        names += entry.name + ";";
        return true;
    });
    CHECK(names == "cpp/a;cpp/b;");
    std::error_code code;
    client.upload(std::string("a\0b", 3), "x", nullptr, code);
    CHECK(code == ftx::make_error_code(FTX_INVALID_ARGUMENT));
    client.remove("cpp/b");
    client.stat("cpp/b", code);
    CHECK(code == std::errc::no_such_file_or_directory);
}

// An exception of a callback leaves the call, and false cancels.
void callbacks(ftx::client &client, const std::string &directory)
{
    const std::string path = directory + "/c++ thrown";
    make(path, 4000000);
    bool caught = false;
    try {
        client.upload(path, "thrown", [](const ftx::event &) -> bool {
            throw std::runtime_error("mine");
        });
    } catch (const std::runtime_error &error) {
        caught = error.what() == std::string("mine");
    }
    CHECK(caught);
    caught = false;
    try {
        client.list("", true, [](const ftx::entry &) -> bool { throw 7; });
    } catch (int number) {
        caught = number == 7;
    }
    CHECK(caught);
    CHECK(status_of([&] {
              client.list("", true, [](const ftx::entry &) { return false; });
          }) == FTX_CANCELLED);
}

void jobs(ftx::client &client, const std::string &directory)
{
    ftx::job job(client, FTX_JOB_DOWNLOAD);
    job.add(directory + "/c++ job", "cpp/a").set(FTX_JOB_OPTION_KEEP_GOING).retries(1);
    CHECK(status_of([&] { job.overwrite(4711); }) == FTX_INVALID_ARGUMENT);
    job.overwrite(FTX_OVERWRITE_FAIL).overwrite_if(client.digest("cpp/a"));
    job.set_size(0, 3000000);
    CHECK(job.totals().bytes_total == 3000000 && job.totals().files_done == 0);
    CHECK(job.state() == FTX_STATE_NEW && job.file_count() == 1);
    CHECK(!job.wait_for(std::chrono::milliseconds(0)));
    ftx::job moved = std::move(job);
    CHECK(!job && moved);
    moved.start();
    moved.wait();
    CHECK(moved.totals().files_done == 1 && moved.totals().bytes_done == 3000000);
    CHECK(moved.file(0).status == FTX_OK && moved.failure().status == FTX_OK);
    CHECK(moved.file(1).status == FTX_NO_SUCH_FILE);
    ftx::event event;
    bool ended = false;
    while (client.next_event(event))
        ended = event.job_id == moved.id() && event.kind == FTX_EVENT_JOB_ENDED;
    CHECK(ended);

    ftx::job list(client, FTX_JOB_LIST);
    list.add("", "cpp").start();
    list.wait();
    ftx::entry entry;
    CHECK(list.next_entry(entry) && entry.name == "cpp/a" && !list.next_entry(entry));
    ftx::job missing(client, FTX_JOB_STAT);
    missing.add("", "none").start();
    CHECK(status_of([&] { missing.wait(); }) == FTX_NOT_FOUND);
    CHECK(missing.failure(0).status == FTX_NOT_FOUND);
    // Destroys a running job.
    ftx::job left(client, FTX_JOB_DIGEST);
    left.add("", "cpp/a").start();
}

} // namespace

/** Uploads a file with the settings that variables give. Prints the status and the reason. */
void secure(const char *address, const std::string &directory)
{
    const auto given = [](const char *variable) {
        const char *text = std::getenv(variable);
        return std::string(text ? text : "");
    };
    const std::string path = directory + "/secure";
    make(path, 100000);
    try {
        ftx::config config;
        config.tls(given("FTX_TEST_TLS") == "1" ? FTX_TLS_REQUIRE : FTX_TLS_AUTO);
        config.set(FTX_OPTION_ACCEPT_NEW, given("FTX_TEST_ACCEPT_NEW") == "1" ? 1 : 0);
        config.known_hosts(given("FTX_TEST_KNOWN_HOSTS"));
        config.fingerprint(given("FTX_TEST_FINGERPRINT")).token(given("FTX_TEST_TOKEN"));
        config.set(FTX_OPTION_CLIENT_CERT, given("FTX_TEST_CLIENT_CERT"));
        config.set(FTX_OPTION_CLIENT_KEY, given("FTX_TEST_CLIENT_KEY"));
        ftx::client(address, config).upload(path, "secure");
        std::puts("0 ");
    } catch (const ftx::error &error) {
        std::printf("%d %s\n", error.status(), error.what());
    }
}

int main(int count, char **arguments)
{
    CHECK(count == 3);
    if (std::getenv("FTX_TEST_TLS")) {
        secure(arguments[1], arguments[2]);
        return 0;
    }
    settings();
    ftx::config config;
    config.backoff(std::chrono::milliseconds(1), std::chrono::milliseconds(5));
    const std::string kept = arguments[2] + std::string("/cache");
    config.cache(kept);
    ftx::client client(arguments[1], config);
    CHECK(client.dialect() == FTX_DIALECT_NATIVE);
    calls(client, arguments[2]);
    callbacks(client, arguments[2]);
    jobs(client, arguments[2]);
    CHECK(std::rename(kept.c_str(), (kept + " was there").c_str()) == 0);
    ftx::client other = std::move(client);
    CHECK(!client && other && other.event_fd() >= 0);
    std::puts("done");
}

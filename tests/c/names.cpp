// As names.c, for the C++ header: PROGRAM ADDRESS DIRECTORY.
#include "ftx.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                   \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

namespace {

/** The error of a call that must fail. */
template <typename Work>
ftx::error failure(Work work)
{
    try {
        work();
    } catch (const ftx::error &error) {
        for (const char *at = error.what(); *at != '\0'; at++)
            CHECK(static_cast<unsigned char>(*at) >= 0x20);
        return error;
    }
    CHECK(!"it failed");
    std::abort();
}

void from_the_server(ftx::client &client)
{
    const auto show = [](const ftx::entry &entry) {
        CHECK(entry.name.size() <= 4096);
        return true;
    };
    for (const char *directory : {"long", "nul", "huge"}) {
        const ftx::error listed = failure([&] { client.list(directory, false, show); });
        CHECK(listed.details().category == FTX_CATEGORY_PROTOCOL);
        const ftx::error stated = failure([&] { client.stat(directory); });
        CHECK(stated.details().category == FTX_CATEGORY_PROTOCOL);
        ftx::job job(client, FTX_JOB_LIST);
        job.add("", directory).start();
        const ftx::error waited = failure([&] { job.wait(); });
        CHECK(waited.details().category == FTX_CATEGORY_PROTOCOL);
        ftx::entry entry;
        while (job.next_entry(entry))
            CHECK(show(entry));
    }
    std::string odd;
    client.list("odd", true, [&](const ftx::entry &entry) {
        CHECK(!entry.is_file && !entry.is_directory && entry.obstacle != FTX_OBSTACLE_NONE);
        odd = entry.name;
        return true;
    });
    CHECK(odd == "odd/link");
    std::string last;
    client.list("longest", true, [&](const ftx::entry &entry) {
        CHECK(entry.is_file && entry.obstacle == FTX_OBSTACLE_NONE);
        last = entry.name;
        return true;
    });
    CHECK(last.size() == 4096);
    const ftx::error removed = failure([&] { client.remove("message"); });
    CHECK(std::string(removed.what()).find("begin\\u{0}\\u{1b}[2J\\n") != std::string::npos);
}

void from_the_caller(ftx::client &client)
{
    const std::string nul("a\0b", 3), name(5000, 'n');
    CHECK(failure([&] { client.upload(nul, "a"); }).status() == FTX_INVALID_ARGUMENT);
    CHECK(failure([&] { client.download(nul, "a"); }).status() == FTX_INVALID_ARGUMENT);
    CHECK(failure([&] { client.upload(ftx::files{{"a", nul}}); }).status() == FTX_INVALID_ARGUMENT);
    CHECK(failure([&] { client.stat(nul); }).status() == FTX_INVALID_ARGUMENT);
    CHECK(failure([&] { client.digest(nul); }).status() == FTX_INVALID_ARGUMENT);
    CHECK(failure([&] { client.remove(nul); }).status() == FTX_INVALID_ARGUMENT);
    CHECK(failure([&] { client.list(nul, false, nullptr); }).status() == FTX_INVALID_ARGUMENT);
    CHECK(failure([&] { ftx::client made(nul, 1); }).status() == FTX_INVALID_ARGUMENT);
    const ftx::error error = failure([&] { client.stat(name); });
    CHECK(error.status() == FTX_NAME_REFUSED);
    CHECK(std::string(error.what()).find("5000") != std::string::npos);
}

// Arrays without a NUL, as no library of ours fills them, each at the end of its memory.
void from_a_library_that_lies()
{
    const std::unique_ptr<ftx_entry> lie(new ftx_entry());
    std::memset(lie->name, 'x', sizeof lie->name);
    lie->name_length = 300000;
    lie->obstacle = 0x78787878;
    CHECK(ftx::entry(*lie).name == std::string(FTX_NAME_BYTES, 'x'));
    const std::unique_ptr<ftx_error> details(new ftx_error());
    details->status = FTX_NOT_FOUND;
    std::memset(details->message, 'x', sizeof details->message);
    const std::string what = ftx::error(FTX_NOT_FOUND, *details).what();
    CHECK(what.find(std::string(FTX_MESSAGE_BYTES, 'x')) != std::string::npos);
    CHECK(what.find(std::string(FTX_MESSAGE_BYTES + 1, 'x')) == std::string::npos);
}

} // namespace

int main(int count, char **arguments)
{
    CHECK(count == 3);
    ftx::config config;
    config.retries(0);
    ftx::client client(arguments[1], config);
    from_the_server(client);
    from_the_caller(client);
    from_a_library_that_lies();
    std::puts("done");
}

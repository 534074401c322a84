/* Names and messages as in tests/c/names.c, for both classes: names HOST PORT. Built with the
 * sanitizers. */
#include "check.h"
#include "fileclient.h"

#include <ftx.h>

#include <QCoreApplication>

#include <cstring>
#include <dlfcn.h>

using ftx::qt::Client;
using ftx::qt::Job;

/** Whether the functions below return false data. */
static bool lying = false;

template <typename Function> static Function real(const char *name)
{
    return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

/* These functions replace those of the library, and fill arrays without a final NUL, which the library
 * never does. */
extern "C" int32_t ftx_job_next_entry(ftx_job *job, ftx_entry *entry)
{
    const int32_t status = real<decltype(&ftx_job_next_entry)>("ftx_job_next_entry")(job, entry);
    if (lying && status == FTX_OK) {
        std::memset(entry->name, 'x', sizeof entry->name);
        entry->name_length = 300000;
    }
    return status;
}

extern "C" int32_t ftx_job_error(const ftx_job *job, uint64_t file, ftx_error *error)
{
    const int32_t status = real<decltype(&ftx_job_error)>("ftx_job_error")(job, file, error);
    if (lying)
        std::memset(error->message, 'x', sizeof error->message);
    return status;
}

extern "C" int32_t ftx_last_error(ftx_error *error)
{
    const int32_t status = real<decltype(&ftx_last_error)>("ftx_last_error")(error);
    if (lying)
        std::memset(error->message, 'x', sizeof error->message);
    return status;
}

/** Returns the last name that a listing finds; sets its status. */
static QString last(Client *client, const QString &directory, bool recursive, qint64 *status)
{
    QString name;
    Job *job = client->list(directory, recursive);
    QObject::connect(job, &Job::found, job, [&](const QString &found) { name = found; });
    *status = ended(job);
    CHECK(*status == FTX_OK || !job->errorString().isEmpty());
    CHECK(!lying || *status == FTX_OK || job->errorString().size() == FTX_MESSAGE_BYTES);
    delete job;
    return name;
}

/** A listing reports an entry that cannot be transferred, but not as a file. */
static void untransferable(Client *client)
{
    QStringList names;
    Job *job = client->list(QStringLiteral("odd"), true);
    QObject::connect(job, &Job::found, job, [] { CHECK(false); });
    QObject::connect(job, &Job::foundUntransferable, job, [&](const QString &name, quint32 obstacle) {
        CHECK(obstacle != FTX_OBSTACLE_NONE);
        names += name;
    });
    CHECK(ended(job) == FTX_OK && names.size() == 3);
    CHECK(names.at(1) == QStringLiteral("odd/b\\xff") && names.at(2) == QStringLiteral("odd/link"));
    delete job;
}

static void from_the_server(Client *client)
{
    qint64 status = FTX_OK;
    for (const char *directory : {"long", "nul", "huge"}) {
        CHECK(last(client, QLatin1String(directory), false, &status).size() <= 4096);
        CHECK(ftx_status_category(qint32(status)) == FTX_CATEGORY_PROTOCOL);
        Job *job = client->stat({QLatin1String(directory)});
        CHECK(ftx_status_category(qint32(ended(job))) == FTX_CATEGORY_PROTOCOL);
        delete job;
    }
    CHECK(last(client, QStringLiteral("longest"), true, &status).size() == 4096);
    CHECK(status == FTX_OK);
    untransferable(client);
    Job *removed = client->remove({QStringLiteral("message")});
    CHECK(ended(removed) == FTX_NOT_FOUND);
    CHECK(removed->errorString().contains(QStringLiteral("begin\\u{0}\\u{1b}[2J\\n")));
    delete removed;
    lying = true;
    CHECK(last(client, QStringLiteral("longest"), true, &status).size() == FTX_NAME_BYTES);
    last(client, QStringLiteral("long"), false, &status);
    lying = false;
}

static void from_the_caller(Client *client)
{
    const QString nul = QStringLiteral("a") + QChar(QChar::Null) + QStringLiteral("b");
    const QString name(5000, QLatin1Char('n'));
    Job *stated = client->stat({nul});
    CHECK(ended(stated) == FTX_NAME_REFUSED);
    CHECK(stated->errorString().contains(QStringLiteral("NUL")));
    delete stated;
    CHECK(!client->upload({nul}, {QStringLiteral("a")}));
    CHECK(client->errorString().contains(QStringLiteral("NUL")));
    Job *uploaded = client->upload({QStringLiteral("a")}, {name});
    CHECK(ended(uploaded) == FTX_NAME_REFUSED);
    CHECK(uploaded->errorString().contains(QStringLiteral("5000")));
    delete uploaded;
    lying = true;
    CHECK(!client->upload({nul}, {QStringLiteral("a")}));
    CHECK(client->errorString().size() == FTX_MESSAGE_BYTES);
    lying = false;
    Client nowhere(QStringLiteral("127.0.0.1") + QChar(QChar::Null) + QStringLiteral(".example"), 1);
    CHECK(!nowhere.stat({QStringLiteral("a")}));
    CHECK(nowhere.errorString().contains(QStringLiteral("NUL")));
}

/** Tests FileClient, the class with the name of the original's. */
static void file_client(const QString &host, quint16 port)
{
    const QString nul = QStringLiteral("a") + QChar(QChar::Null) + QStringLiteral("b");
    const QString name(5000, QLatin1Char('n'));
    FileClient client(host, port);
    client.setRetries(0);
    CHECK(client.fileDownload(name) != 0 && client.lastStatus() == FTX_NAME_REFUSED);
    CHECK(client.lastError().contains(QStringLiteral("5000")));
    CHECK(client.fileUpload(name) != 0 && !client.lastError().isEmpty());
    CHECK(client.fileUpload(nul) != 0 && client.lastStatus() == FTX_INVALID_ARGUMENT);
    CHECK(client.lastError().contains(QStringLiteral("NUL")));
    CHECK(client.fileDownload(QStringLiteral("message")) != 0);
    CHECK(client.lastError().contains(QStringLiteral("begin\\u{0}\\u{1b}[2J\\n")));
    lying = true;
    CHECK(client.fileDownload(name) != 0);
    CHECK(client.lastError().size() == FTX_MESSAGE_BYTES);
    lying = false;
    FileClient nowhere(host + QChar(QChar::Null) + QStringLiteral(".example"), port);
    CHECK(nowhere.fileDownload(name) != 0 && nowhere.lastStatus() == FTX_INVALID_ADDRESS);
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    if (arguments.size() < 3)
        return 2;
    const quint16 port = quint16(arguments[2].toInt());
    Client client(arguments[1], port);
    CHECK(client.setOption(FTX_OPTION_RETRIES, 0) == FTX_OK);
    from_the_server(&client);
    from_the_caller(&client);
    file_client(arguments[1], port);
    std::puts("done");
    return 0;
}

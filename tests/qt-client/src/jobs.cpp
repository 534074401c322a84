/* The jobs of ftx::qt::Client one by one; crowds.cpp tests many at a time.
 *
 * jobs HOST PORT transfers|interruptions|foreign|nowhere|many|moves|ends|secure prints "done" if all went
 * well. The server is a native one, but for foreign; the line to it is slow, but for many. */
#include "check.h"

#include <ftx.h>

#include <QCoreApplication>
#include <QDateTime>
#include <QEventLoop>
#include <QFileInfo>
#include <QThread>

using ftx::qt::Client;
using ftx::qt::Job;

static const QStringList NAMES{QStringLiteral("a"), QStringLiteral("b")};

static void uploads_and_downloads(Client *client)
{
    qint64 most = 0;
    int files = 0;
    Job *up = client->upload(NAMES, NAMES);
    QObject::connect(up, &Job::progress, up, [&](int, qint64 done, qint64 total) {
        CHECK(QThread::currentThread() == client->thread() && done <= total);
        most = qMax(most, done);
    });
    QObject::connect(up, &Job::fileFinished, up, [&](int, qint64 status) {
        CHECK(status == FTX_OK);
        files++;
    });
    CHECK(ended(up) == FTX_OK && up->errorString().isEmpty());
    CHECK(files == 2);
    CHECK(most > 0);
    Job *down = client->download(NAMES, {QStringLiteral("c"), QStringLiteral("d")});
    CHECK(ended(down) == FTX_OK);
    CHECK(bytes_of(QStringLiteral("c")) == bytes_of(NAMES[0]));
    CHECK(bytes_of(QStringLiteral("d")) == bytes_of(NAMES[1]));
    delete up;
    delete down;
}

/** Runs a job to its end, and returns as text its findings, the results of its files and its status.
 * found() of a file may precede fileFinished() of an earlier file, but never follows its own. */
static QStringList told(Job *job)
{
    CHECK(job);
    QStringList found;
    QStringList files;
    int well = 0;
    QObject::connect(job, &Job::found, job,
                     [&](const QString &name, qint64 size, bool directory,
                         const QDateTime &changed) {
                         const qint64 age = changed.secsTo(QDateTime::currentDateTime());
                         CHECK(directory || (changed.isValid() && age >= 0 && age < 600));
                         found += QStringLiteral("%1 %2 %3").arg(name).arg(size).arg(directory);
                     });
    QObject::connect(job, &Job::digestFound, job,
                     [&](const QString &name, const QByteArray &digest) {
                         CHECK(digest.size() == FTX_DIGEST_BYTES);
                         const QString hex = QString::fromLatin1(digest.toHex());
                         found += name + QLatin1Char(' ') + hex.left(8);
                     });
    QObject::connect(job, &Job::fileFinished, job, [&](int file, qint64 status) {
        well += status == FTX_OK;
        CHECK(found.size() >= well);
        files += QStringLiteral("file %1: %2").arg(file).arg(status);
    });
    const qint64 status = ended(job);
    delete job;
    return found + files + QStringList(QString::number(status));
}

static QStringList lines(const char *text)
{
    return QString::fromLatin1(text).split(QLatin1Char('\n'));
}

static void questions(Client *client)
{
    const QString missing = QStringLiteral("none");
    CHECK(told(client->list(QString())) == lines("a 100000 0\nb 10 0\n0"));
    CHECK(told(client->stat({NAMES[1], NAMES[0]})) ==
          lines("b 10 0\na 100000 0\nfile 0: 0\nfile 1: 0\n0"));
    CHECK(told(client->stat({NAMES[1], missing, NAMES[0]})) ==
          lines("b 10 0\nfile 0: 0\nfile 1: -402\n-402"));
    // The digests of an empty file, and of the 10 bytes that make_file writes.
    make_file(missing, 0);
    CHECK(ended(client->upload({missing}, {QStringLiteral("d/empty")})) == FTX_OK);
    CHECK(told(client->stat({QStringLiteral("d")})) == lines("d 0 1\nfile 0: 0\n0"));
    CHECK(told(client->digest({QStringLiteral("d/empty"), NAMES[1]})) ==
          lines("d/empty af1349b9\nb f9e7bd01\nfile 0: 0\nfile 1: 0\n0"));
    CHECK(told(client->digest({missing})) == lines("file 0: -402\n-402"));
    CHECK(told(client->digest({QStringLiteral("../a")})) == lines("file 0: -401\n-401"));
    CHECK(told(client->stat({})) == lines("0"));
}

static void mistakes(Client *client)
{
    CHECK(ended(client->remove({NAMES[1]})) == FTX_OK);
    CHECK(ended(client->remove({NAMES[1]})) == FTX_NOT_FOUND);
    Job *missing = client->download({NAMES[1]}, {QStringLiteral("e")});
    CHECK(ended(missing) == FTX_NOT_FOUND && missing->errorString().contains(NAMES[1]));
    CHECK(!client->upload({}, NAMES) && !client->errorString().isEmpty());
    CHECK(client->setOption(FTX_OPTION_RETRIES, 1) == FTX_WRONG_STATE);
}

static void transfers(Client *client)
{
    make_file(NAMES[0], 100000);
    make_file(NAMES[1], 10);
    uploads_and_downloads(client);
    questions(client);
    mistakes(client);
    delete client;
}

static void interruptions(Client *client)
{
    const QString big = QStringLiteral("big");
    make_file(big, 8 << 20);
    Job *job = client->upload({big}, {big});
    bool paused = false;
    when_moving(job, [=] { job->pause(); });
    QObject::connect(job, &Job::paused, job, [&] {
        paused = true;
        job->resume();
    });
    CHECK(ended(job) == FTX_OK && paused);
    CHECK(ended(client->remove({big})) == FTX_OK);

    Job *cancelled = client->upload({big}, {big});
    when_moving(cancelled, [=] { cancelled->cancel(); });
    CHECK(ended(cancelled) == FTX_CANCELLED);

    Job *deleted = client->upload({big}, {big});
    QEventLoop loop;
    when_moving(deleted, [=, &loop] {
        delete deleted;
        loop.quit();
    });
    loop.exec();
    CHECK(ended(client->upload({big}, {big})) == FTX_OK);
    delete client;
}

/** A server of the original system only transfers files, and cannot list or remove them. */
static void foreign(Client *client)
{
    make_file(NAMES[0], 100000);
    CHECK(ended(client->upload({NAMES[0]}, {NAMES[0]})) == FTX_OK);
    CHECK(told(client->stat({NAMES[0]})) == lines("file 0: -202\n-202"));
    CHECK(told(client->digest({NAMES[0]})) == lines("file 0: -202\n-202"));
    CHECK(told(client->list(QString())) == lines("-202"));
    CHECK(ended(client->download({NAMES[0]}, {NAMES[1]})) == FTX_OK);
    CHECK(bytes_of(NAMES[0]) == bytes_of(NAMES[1]));
    delete client;
}

static void nowhere(Client *client)
{
    Job *job = client->list(QString());
    CHECK(ended(job) == FTX_CONNECT_FAILED && !job->errorString().isEmpty());
    delete client;
}

/** Uploads a file with the settings that variables give. Prints the status and the reason. */
static void secure(Client *client)
{
    const auto set = [client](quint32 option, const char *variable) {
        CHECK(client->setOption(option, qgetenv(variable)) == FTX_OK);
    };
    make_file(NAMES[0], 100000);
    CHECK(client->setOption(FTX_OPTION_TLS, qgetenv("FTX_TEST_TLS").toULongLong()) == FTX_OK);
    CHECK(client->setOption(FTX_OPTION_ACCEPT_NEW, qgetenv("FTX_TEST_ACCEPT_NEW").toULongLong()) ==
          FTX_OK);
    set(FTX_OPTION_KNOWN_HOSTS, "FTX_TEST_KNOWN_HOSTS");
    set(FTX_OPTION_FINGERPRINT, "FTX_TEST_FINGERPRINT");
    set(FTX_OPTION_CLIENT_CERT, "FTX_TEST_CLIENT_CERT");
    set(FTX_OPTION_CLIENT_KEY, "FTX_TEST_CLIENT_KEY");
    const QString token = QString::fromUtf8(qgetenv("FTX_TEST_TOKEN"));
    qint64 status = client->setToken(token);
    CHECK(client->token() == (status == FTX_OK ? token : QString()));
    QString reason;
    if (status == FTX_OK) {
        Job *job = client->upload({NAMES[0]}, {QStringLiteral("secure")});
        status = ended(job);
        reason = job->errorString();
    }
    std::printf("%d %s\n", int(status), qPrintable(reason));
    delete client;
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    CHECK(arguments.size() == 4);
    const struct {
        const char *name;
        void (*run)(Client *);
    } scenarios[] = {{"transfers", transfers}, {"interruptions", interruptions},
                     {"foreign", foreign},     {"nowhere", nowhere},
                     {"many", many},           {"moves", moves},
                     {"ends", ends},           {"secure", secure}};
    for (const auto &scenario : scenarios) {
        if (arguments[3] != QLatin1String(scenario.name))
            continue;
        // Not on the stack: each scenario destroys the client in its own way.
        Client *client = new Client(arguments[1], quint16(arguments[2].toInt()));
        CHECK(client->setOption(FTX_OPTION_RETRIES, 0) == FTX_OK);
        // The proxy slows each connection separately, so many connections together would be fast.
        CHECK(client->setOption(FTX_OPTION_STREAMS, 1) == FTX_OK);
        CHECK(client->setOption(9999, 0) == FTX_UNKNOWN_OPTION);
        scenario.run(client);
        std::puts("done");
        return 0;
    }
    return 2;
}

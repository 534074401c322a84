/* ftx::qt::Client against a native server: jobs, in this thread and in another one.
 *
 * jobs HOST PORT all prints "done" if all went well. The line to the server is slow. */
#include "ftxclient.h"

#include <ftx.h>

#include <QCoreApplication>
#include <QEventLoop>
#include <QFile>
#include <QThread>

#include <cstdio>
#include <cstdlib>
#include <functional>

using ftx::qt::Client;
using ftx::qt::Job;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                           \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (false)

static QString path_of(const QString &name)
{
    return name;
}

static QByteArray bytes_of(const QString &name)
{
    QFile file(path_of(name));
    CHECK(file.open(QIODevice::ReadOnly));
    return file.readAll();
}

static void make_file(const QString &name, int bytes)
{
    QFile file(path_of(name));
    CHECK(file.open(QIODevice::WriteOnly));
    QByteArray content(bytes, '\0');
    quint32 state = quint32(bytes);
    for (int at = 0; at < bytes; at++) {
        state = state * 1664525u + 1013904223u;
        content[at] = char(state >> 24);
    }
    CHECK(file.write(content) == bytes);
}

/** Runs the event loop until a job has ended. How. */
static qint64 ended(Job *job)
{
    CHECK(job);
    QEventLoop loop;
    QObject::connect(job, &Job::finished, &loop, &QEventLoop::quit);
    loop.exec();
    CHECK(job->status() != FTX_PENDING);
    return job->status();
}

static void transfers(Client &client, const QStringList &names)
{
    qint64 most = 0;
    int files = 0;
    Job *up = client.upload({path_of(names[0]), path_of(names[1])}, names);
    QObject::connect(up, &Job::progress, up, [&](int, qint64 done, qint64 total) {
        CHECK(QThread::currentThread() == client.thread() && done <= total);
        most = qMax(most, done);
    });
    QObject::connect(up, &Job::fileFinished, up, [&](int, qint64 status) {
        CHECK(status == FTX_OK);
        files++;
    });
    CHECK(ended(up) == FTX_OK && up->errorString().isEmpty());
    CHECK(files == 2);
    CHECK(most > 0);
    const QStringList copies{path_of(QStringLiteral("c")), path_of(QStringLiteral("d"))};
    Job *down = client.download(names, copies);
    CHECK(ended(down) == FTX_OK);
    CHECK(bytes_of(QStringLiteral("c")) == bytes_of(names[0]));
    CHECK(bytes_of(QStringLiteral("d")) == bytes_of(names[1]));
    delete up;
    delete down;
}

static void lists(Client &client, const QStringList &names)
{
    QStringList found;
    Job *list = client.list(QString());
    QObject::connect(list, &Job::found, list,
                     [&](const QString &name, qint64, bool) { found.append(name); });
    CHECK(ended(list) == FTX_OK && found == names);
    CHECK(ended(client.remove({names[1]})) == FTX_OK);
    CHECK(ended(client.remove({names[1]})) == FTX_NOT_FOUND);
    Job *missing = client.download({names[1]}, {path_of(QStringLiteral("e"))});
    CHECK(ended(missing) == FTX_NOT_FOUND && missing->errorString().contains(names[1]));
    CHECK(!client.upload({}, names) && !client.errorString().isEmpty());
    CHECK(client.setOption(FTX_OPTION_RETRIES, 1) == FTX_WRONG_STATE);
}

/** Does something with a job as soon as its first bytes are across. */
static void when_moving(Job *job, const std::function<void()> &then)
{
    CHECK(job);
    bool *moving = new bool(false);
    QObject::connect(job, &QObject::destroyed, [moving] { delete moving; });
    QObject::connect(job, &Job::progress, [=](int, qint64 done, qint64) {
        if (done > 0 && !*moving) {
            *moving = true;
            then();
        }
    });
}

static void interruptions(Client &client)
{
    const QString big = QStringLiteral("big");
    make_file(big, 6 << 20);
    Job *job = client.upload({path_of(big)}, {big});
    bool paused = false;
    when_moving(job, [=] { job->pause(); });
    QObject::connect(job, &Job::paused, job, [&] {
        paused = true;
        job->resume();
    });
    CHECK(ended(job) == FTX_OK && paused);
    CHECK(ended(client.remove({big})) == FTX_OK);

    Job *cancelled = client.upload({path_of(big)}, {big});
    when_moving(cancelled, [=] { cancelled->cancel(); });
    CHECK(ended(cancelled) == FTX_CANCELLED);

    Job *deleted = client.upload({path_of(big)}, {big});
    QEventLoop loop;
    when_moving(deleted, [=, &loop] {
        delete deleted;
        loop.quit();
    });
    loop.exec();
    CHECK(ended(client.upload({path_of(big)}, {big})) == FTX_OK);
}

/** A client that was used here goes on in another thread. */
static void moves(Client *client)
{
    QThread thread;
    thread.start();
    const QString name = QStringLiteral("moved");
    make_file(name, 1000);
    Job *job = client->upload({path_of(name)}, {name});
    client->moveToThread(&thread);
    QEventLoop loop;
    bool elsewhere = false;
    QObject::connect(job, &Job::finished, job, [&](qint64 status) {
        elsewhere = status == FTX_OK && QThread::currentThread() == &thread;
        // One that destroys its client in its own signal is the hardest case.
        delete client;
        QMetaObject::invokeMethod(&loop, "quit", Qt::QueuedConnection);
    });
    loop.exec();
    CHECK(elsewhere);
    thread.quit();
    thread.wait();
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    CHECK(app.arguments().size() == 4 && app.arguments()[3] == QStringLiteral("all"));
    Client *client = new Client(app.arguments()[1], quint16(app.arguments()[2].toInt()));
    CHECK(client->setOption(FTX_OPTION_RETRIES, 0) == FTX_OK);
    CHECK(client->setOption(9999, 0) == FTX_UNKNOWN_OPTION);
    const QStringList names{QStringLiteral("a"), QStringLiteral("b")};
    make_file(names[0], 100000);
    make_file(names[1], 10);
    transfers(*client, names);
    lists(*client, names);
    interruptions(*client);
    moves(client);
    Client nowhere(QStringLiteral("127.0.0.1"), 1);
    nowhere.setOption(FTX_OPTION_RETRIES, 0);
    Job *job = nowhere.list(QString());
    CHECK(ended(job) == FTX_CONNECT_FAILED);
    std::puts("done");
    return 0;
}

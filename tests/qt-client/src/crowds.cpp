/* ftx::qt::Client with many jobs, in another thread, and when it is destroyed. */
#include "check.h"

#include <ftx.h>

#include <QCoreApplication>
#include <QEventLoop>
#include <QPointer>
#include <QThread>
#include <QVector>

using ftx::qt::Client;
using ftx::qt::Job;

static const QString SMALL = QStringLiteral("small");
static const QString BIG = QStringLiteral("big");

/** Each of thousands of jobs ends once, in their order, except those deleted before. */
void many(Client *client)
{
    const int jobs = 4000;
    const int uploads = 50;
    make_file(SMALL, 1000);
    QVector<Job *> all;
    QVector<int> order;
    int left = jobs;
    QEventLoop loop;
    for (int at = 0; at < jobs; at++) {
        const QString name = QStringLiteral("many/%1").arg(at);
        Job *job = at < uploads ? client->upload({SMALL}, {name})
                                : client->stat({QStringLiteral("many/0")});
        CHECK(job);
        all.append(job);
        const bool deleted = at % 7 == 6;
        const bool cancelled = at % 7 == 5;
        QObject::connect(job, &Job::finished, job, [=, &order](qint64 status) {
            CHECK(!deleted && job->status() == status);
            CHECK(status == FTX_OK || (cancelled && status == FTX_CANCELLED));
            // Cancelled jobs end at once.
            if (!cancelled) {
                CHECK(order.isEmpty() || order.last() < at);
                order.append(at);
            }
            job->deleteLater();
        });
        QObject::connect(job, &QObject::destroyed, &loop, [&] {
            if (--left == 0)
                loop.quit();
        });
    }
    for (int at = 0; at < jobs; at++) {
        if (at % 7 == 6)
            delete all[at];
        else if (at % 7 == 5)
            all[at]->cancel();
    }
    loop.exec();
    CHECK(order.size() == jobs - 2 * (jobs / 7));
    CHECK(client->findChildren<Job *>().isEmpty());
    Job *last = client->list(QStringLiteral("many"));
    CHECK(ended(last) == FTX_OK);
    delete client;
}

/** Calls a function from the event loop, after the signal that is being emitted. */
static void later(QObject *context, const std::function<void()> &then)
{
    QMetaObject::invokeMethod(context, then, Qt::QueuedConnection);
}

/** Moves a client to another thread while it has running, queued and paused jobs. */
void moves(Client *client)
{
    QThread thread;
    thread.start();
    make_file(BIG, 6 << 20);
    make_file(SMALL, 1000);
    Job *big = client->upload({BIG}, {BIG});
    Job *small = client->upload({SMALL}, {SMALL});
    Job *paused = client->upload({SMALL}, {QStringLiteral("paused")});
    paused->pause();
    QEventLoop loop;
    QVector<qint64> results;
    bool moved = false;
    qint64 most = 0;
    when_moving(big, [&, client] {
        later(QCoreApplication::instance(), [&, client] {
            moved = true;
            client->moveToThread(&thread);
        });
    });
    QObject::connect(big, &Job::progress, big, [&](int, qint64 done, qint64) {
        CHECK(QThread::currentThread() == (moved ? &thread : QCoreApplication::instance()->thread()));
        most = qMax(most, done);
    });
    for (Job *job : {big, small, paused}) {
        QObject::connect(job, &Job::finished, job, [&, client, paused](qint64 status) {
            CHECK(moved && QThread::currentThread() == &thread);
            results.append(status);
            if (results.size() == 2)
                paused->resume();
            // The hardest case: a receiver destroys the client in a signal of the job.
            if (results.size() == 3) {
                delete client;
                QMetaObject::invokeMethod(&loop, "quit", Qt::QueuedConnection);
            }
        });
    }
    loop.exec();
    CHECK(results == QVector<qint64>({FTX_OK, FTX_OK, FTX_OK}));
    CHECK(most == 6 << 20);
    thread.quit();
    thread.wait();
}

/** Destroys a client while it has running and queued jobs. */
void ends(Client *client)
{
    const QString host = QCoreApplication::arguments().at(1);
    const quint16 port = quint16(QCoreApplication::arguments().at(2).toInt());
    make_file(BIG, 6 << 20);
    for (const bool inside : {true, false}) {
        QVector<QPointer<Job>> jobs;
        QEventLoop loop;
        bool gone = false;
        const auto end = [&] {
            delete client;
            gone = true;
            loop.quit();
        };
        for (int at = 0; at < 100; at++) {
            jobs.append(client->upload({BIG}, {QStringLiteral("ends/%1").arg(at)}));
            QObject::connect(jobs.last(), &Job::finished, [&] { CHECK(!gone); });
        }
        when_moving(jobs.first(), [&] {
            if (inside)
                end();
            else
                later(&loop, end);
        });
        loop.exec();
        CHECK(gone);
        for (const QPointer<Job> &job : jobs)
            CHECK(job.isNull());
        client = new Client(host, port);
    }
    // An unused client, and one whose events were not taken.
    delete client;
    client = new Client(host, port);
    CHECK(client->list(QString()));
    delete client;
    // A new client resumes from the transferred data.
    client = new Client(host, port);
    CHECK(ended(client->upload({BIG}, {QStringLiteral("ends/0")})) == FTX_OK);
    delete client;
}

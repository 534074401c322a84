#include "check.h"

#include <ftx.h>

#include <QEventLoop>
#include <QFile>

using ftx::qt::Job;

QByteArray bytes_of(const QString &path)
{
    QFile file(path);
    CHECK(file.open(QIODevice::ReadOnly));
    return file.readAll();
}

void make_file(const QString &path, int bytes)
{
    QFile file(path);
    CHECK(file.open(QIODevice::WriteOnly));
    QByteArray content(bytes, '\0');
    quint32 state = quint32(bytes);
    for (char &byte : content) {
        state = state * 1664525u + 1013904223u;
        byte = char(state >> 24);
    }
    CHECK(file.write(content) == bytes);
}

qint64 ended(Job *job)
{
    CHECK(job);
    QEventLoop loop;
    QObject::connect(job, &Job::finished, &loop, &QEventLoop::quit);
    loop.exec();
    CHECK(job->status() != FTX_PENDING);
    return job->status();
}

void when_moving(Job *job, const std::function<void()> &then)
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

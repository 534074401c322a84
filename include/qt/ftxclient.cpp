/* ftx::qt::Client on top of the C ABI; documented in the header. */

#include "ftxclient.h"
#include "ftxsupport.h"

#include <ftx.h>

#include <QByteArray>
#include <QFileInfo>
#include <QHash>
#include <QPointer>
#include <QSocketNotifier>

#include <limits>
#include <memory>

namespace ftx {
namespace qt {

namespace {

/** Maximum number of events taken before the thread returns to its event loop. */
const int EVENTS_AT_A_TIME = 64;

/** Whether a kind of job has local files. */
bool moves(quint32 kind)
{
    return kind == FTX_JOB_UPLOAD || kind == FTX_JOB_DOWNLOAD;
}

QDateTime changed(const ftx_entry &entry)
{
    // The server may send any value.
    const qint64 limit = std::numeric_limits<qint64>::max() / 1000 - 1;
    if (!entry.has_mtime || entry.mtime_seconds > limit || entry.mtime_seconds < -limit)
        return QDateTime();
    const qint64 milliseconds = qint64(entry.mtime_nanoseconds) / 1000000;
    return QDateTime::fromMSecsSinceEpoch(entry.mtime_seconds * 1000 + milliseconds);
}

} // namespace

class Job::Private {
public:
    Private(ftx_job *made, quint32 jobKind, const QStringList &from, const QStringList &as)
        : handle(made, ftx_job_free), id(ftx_job_id(made)), kind(jobKind), paths(from), names(as)
    {
    }

    /** Returns the path of a local file for the library; null on failure. */
    QByteArray localPath(int file);

    static void tell(Job *job, const ftx_event &event);
    static void tellFileEnded(Job *job, int file, qint32 status);
    static void tellEntries(Job *job);

    const std::unique_ptr<ftx_job, void (*)(ftx_job *)> handle;
    const quint64 id;
    const quint32 kind;
    /** The local files, if it transfers any. */
    const QStringList paths;
    LocalFiles local;
    /** Names of its files on the server. */
    const QStringList names;
    qint32 status = FTX_PENDING;
};

class Client::Private {
public:
    Private(const QString &name, quint16 at)
        : host(name.toUtf8()), port(at), config(ftx_config_new(), ftx_config_free),
          handle(nullptr, ftx_client_free)
    {
    }

    const QByteArray host;
    const quint16 port;
    const std::unique_ptr<ftx_config, void (*)(ftx_config *)> config;
    std::unique_ptr<ftx_client, void (*)(ftx_client *)> handle;
    QHash<quint64, QPointer<Job>> jobs;
    QString token;
    QString error;
};

QByteArray Job::Private::localPath(int file)
{
    if (!moves(kind))
        return QByteArrayLiteral("");
    return kind == FTX_JOB_UPLOAD ? local.source(paths.at(file)) : local.target(paths.at(file));
}

void Job::Private::tell(Job *job, const ftx_event &event)
{
    const int file = int(event.file_index);
    switch (event.kind) {
    case FTX_EVENT_STARTED:
    case FTX_EVENT_PROGRESS:
        Q_EMIT job->progress(file, qint64(event.done), qint64(event.total));
        break;
    case FTX_EVENT_RETRYING:
        Q_EMIT job->retrying(file, event.status, int(event.attempt), qint64(event.pause_ms));
        break;
    case FTX_EVENT_WAITING:
        Q_EMIT job->waiting(file);
        break;
    case FTX_EVENT_FILE_ENDED:
        tellFileEnded(job, file, event.status);
        break;
    case FTX_EVENT_ENTRIES:
        tellEntries(job);
        break;
    case FTX_EVENT_JOB_PAUSED:
        Q_EMIT job->paused();
        break;
    case FTX_EVENT_JOB_ENDED: {
        const QPointer<Job> self(job);
        job->d->status = event.status;
        tellEntries(job);
        if (self)
            Q_EMIT job->finished(event.status);
        break;
    }
    default:
        break;
    }
}

void Job::Private::tellFileEnded(Job *job, int file, qint32 status)
{
    const QPointer<Job> self(job);
    if (status == FTX_OK && moves(job->d->kind)) {
        // The library reports only the end of a small file, which it transfers in one step.
        const qint64 size = QFileInfo(job->d->paths.at(file)).size();
        Q_EMIT job->progress(file, size, size);
    } else if (status == FTX_OK && job->d->kind == FTX_JOB_DIGEST) {
        QByteArray digest(FTX_DIGEST_BYTES, '\0');
        quint8 *bytes = reinterpret_cast<quint8 *>(digest.data());
        if (ftx_job_digest(job->d->handle.get(), uint64_t(file), bytes) == FTX_OK)
            Q_EMIT job->digestFound(job->d->names.at(file), digest);
    }
    if (self)
        Q_EMIT job->fileFinished(file, status);
}

void Job::Private::tellEntries(Job *job)
{
    const QPointer<Job> self(job);
    ftx_entry entry = sized<ftx_entry>();
    while (self && ftx_job_next_entry(job->d->handle.get(), &entry) == FTX_OK) {
        if (entry.kind == FTX_ENTRY_FILE || entry.kind == FTX_ENTRY_DIRECTORY)
            Q_EMIT job->found(text(entry.name), qint64(entry.size),
                              entry.kind == FTX_ENTRY_DIRECTORY, changed(entry));
        else
            Q_EMIT job->foundUntransferable(text(entry.name), entry.obstacle);
    }
}

Job::Job(Private *made, Client *client) : QObject(client), d(made) {}

Job::~Job() = default;

qint64 Job::status() const
{
    return d->status;
}

QString Job::errorString() const
{
    ftx_error error = sized<ftx_error>();
    if (ftx_job_error(d->handle.get(), FTX_WHOLE_JOB, &error) != FTX_OK || error.status == FTX_OK)
        return QString();
    return text(error.message);
}

void Job::pause()
{
    ftx_job_pause(d->handle.get());
}

void Job::resume()
{
    ftx_job_resume(d->handle.get());
}

void Job::cancel()
{
    ftx_job_cancel(d->handle.get());
}

Client::Client(const QString &host, quint16 port, QObject *parent)
    : QObject(parent), d(new Private(host, port))
{
}

Client::~Client()
{
    // The notifier must be destroyed before its descriptor is closed.
    const QList<QSocketNotifier *> notifiers = findChildren<QSocketNotifier *>();
    qDeleteAll(notifiers);
}

qint64 Client::setOption(quint32 option, quint64 value)
{
    if (d->handle)
        return FTX_WRONG_STATE;
    return ftx_config_set_u64(d->config.get(), option, value);
}

qint64 Client::setOption(quint32 option, const QByteArray &value)
{
    if (d->handle)
        return FTX_WRONG_STATE;
    return ftx_config_set_bytes(d->config.get(), option, value.constData(), size_t(value.size()));
}

QString Client::token() const
{
    return d->token;
}

qint64 Client::setToken(const QString &token)
{
    const qint64 status = setOption(FTX_OPTION_TOKEN, token.toUtf8());
    if (status == FTX_OK)
        d->token = token.trimmed();
    return status;
}

Job *Client::upload(const QStringList &paths, const QStringList &names)
{
    return start(FTX_JOB_UPLOAD, paths, names, false);
}

Job *Client::download(const QStringList &names, const QStringList &paths)
{
    return start(FTX_JOB_DOWNLOAD, paths, names, false);
}

Job *Client::list(const QString &directory, bool recursive)
{
    const QStringList names = directory.isEmpty() ? QStringList() : QStringList(directory);
    return start(FTX_JOB_LIST, names, names, recursive);
}

Job *Client::stat(const QStringList &names)
{
    return start(FTX_JOB_STAT, names, names, false);
}

Job *Client::digest(const QStringList &names)
{
    return start(FTX_JOB_DIGEST, names, names, false);
}

Job *Client::remove(const QStringList &names)
{
    return start(FTX_JOB_REMOVE, names, names, false);
}

QString Client::errorString() const
{
    return d->error;
}

void Client::cancel()
{
    if (d->handle)
        ftx_client_cancel(d->handle.get());
}

bool Client::prepare()
{
    if (d->handle)
        return true;
    // C would truncate the host at the NUL, and connect to another one.
    if (d->host.contains('\0')) {
        d->error = QStringLiteral("the host name contains a NUL character; remove it");
        return false;
    }
    ftx_client *made = nullptr;
    const qint32 status = ftx_client_new_at(d->host.constData(), d->port, d->config.get(), &made);
    d->handle.reset(made);
    const qint32 descriptor = status == FTX_OK ? ftx_client_event_fd(made) : -1;
    if (descriptor < 0) {
        d->error = lastFailure(status);
        d->handle.reset();
        return false;
    }
    // A child, so that it moves with the client to another thread.
    QSocketNotifier *notifier = new QSocketNotifier(descriptor, QSocketNotifier::Read, this);
    connect(notifier, &QSocketNotifier::activated, this, &Client::takeEvents);
    return true;
}

Job *Client::start(quint32 kind, const QStringList &paths, const QStringList &names, bool recursive)
{
    if (paths.size() != names.size()) {
        d->error = QStringLiteral("the paths are not as many as the names; give one for each");
        return nullptr;
    }
    if (!prepare())
        return nullptr;
    ftx_job *made = nullptr;
    qint32 status = ftx_job_new(d->handle.get(), kind, &made);
    std::unique_ptr<Job::Private> inner;
    if (status == FTX_OK)
        inner.reset(new Job::Private(made, kind, paths, names));
    if (status == FTX_OK && recursive)
        status = ftx_job_set_u64(made, FTX_JOB_OPTION_RECURSIVE, 1);
    for (int file = 0; status == FTX_OK && file < names.size(); file++) {
        const QByteArray path = inner->localPath(file);
        if (path.isNull()) {
            d->error = inner->local.errorString();
            return nullptr;
        }
        const QByteArray name = names.at(file).toUtf8();
        status = ftx_job_add_bytes(made, path.constData(), size_t(path.size()), name.constData(),
                                   size_t(name.size()));
    }
    if (status == FTX_OK)
        status = ftx_job_start(made);
    if (status != FTX_OK) {
        d->error = lastFailure(status);
        return nullptr;
    }
    const quint64 id = inner->id;
    Job *job = new Job(inner.release(), this);
    d->jobs.insert(id, job);
    // A job destroyed before its end emits no signal.
    connect(job, &QObject::destroyed, this, [this, id] { d->jobs.remove(id); });
    return job;
}

void Client::takeEvents()
{
    const QPointer<Client> self(this);
    ftx_event event = sized<ftx_event>();
    // The descriptor stays readable for the remaining events.
    for (int count = 0; self && count < EVENTS_AT_A_TIME; count++) {
        if (ftx_client_next_event(d->handle.get(), &event) != FTX_OK)
            break;
        const QPointer<Job> job = event.kind == FTX_EVENT_JOB_ENDED
                                      ? d->jobs.take(event.job_id)
                                      : d->jobs.value(event.job_id);
        if (job)
            Job::Private::tell(job, event);
    }
}

} // namespace qt
} // namespace ftx

/* FileClient on top of the C ABI; documented in the header. */

#include "fileclient_p.h"

#include <QMutexLocker>
#include <QStandardPaths>

using ftx::qt::sized;

FileClient::Private::Client FileClient::Private::make(Dialect spoken, int attempts,
                                                      qint32 &status) const
{
    // C would truncate the host at the NUL, and connect to another one.
    if (host.contains('\0')) {
        status = FTX_INVALID_ADDRESS;
        return Client();
    }
    const std::unique_ptr<ftx_config, void (*)(ftx_config *)> config(ftx_config_new(),
                                                                     ftx_config_free);
    const quint64 number = spoken == Dialect::Native   ? FTX_DIALECT_NATIVE
                           : spoken == Dialect::Legacy ? FTX_DIALECT_LEGACY
                                                       : FTX_DIALECT_AUTO;
    const quint64 durability = durable ? FTX_DURABILITY_FULL : FTX_DURABILITY_NONE;
    ftx_config_set_u64(config.get(), FTX_OPTION_DIALECT, number);
    ftx_config_set_u64(config.get(), FTX_OPTION_RETRIES, uint64_t(attempts));
    ftx_config_set_u64(config.get(), FTX_OPTION_TIMEOUT_MS, uint64_t(timeout));
    ftx_config_set_u64(config.get(), FTX_OPTION_STREAMS, uint64_t(streams));
    ftx_config_set_u64(config.get(), FTX_OPTION_LIMIT_RATE, uint64_t(limitRate));
    ftx_config_set_u64(config.get(), FTX_OPTION_COMPRESS,
                       compress < 0 ? FTX_COMPRESS_NEVER : uint64_t(compress));
    ftx_config_set_u64(config.get(), FTX_OPTION_DURABILITY, durability);
    status = setTlsOptions(config.get());
    if (status != FTX_OK)
        return Client();
    ftx_client *made = nullptr;
    status = ftx_client_new_at(host.constData(), port, config.get(), &made);
    return Client(made, ftx_client_free);
}

/** A server of the original system has no TLS, and the first certificate of another one is stored: the
 * application names neither. */
qint32 FileClient::Private::setTlsOptions(ftx_config *config) const
{
    const quint64 number = tls == Tls::Require ? FTX_TLS_REQUIRE
                           : tls == Tls::Off   ? FTX_TLS_OFF
                                               : FTX_TLS_AUTO;
    ftx_config_set_u64(config, FTX_OPTION_TLS, number);
    ftx_config_set_u64(config, FTX_OPTION_INSECURE, 1);
    ftx_config_set_u64(config, FTX_OPTION_ACCEPT_NEW, 1);
    const QString base = QStandardPaths::writableLocation(QStandardPaths::GenericConfigLocation);
    const QByteArray known = QFile::encodeName(base + QLatin1String("/ftx/known_hosts"));
    ftx_config_set_bytes(config, FTX_OPTION_KNOWN_HOSTS, known.constData(),
                         size_t(known.size()));
    const QByteArray secret = token.toUtf8();
    const qint32 status = ftx_config_set_bytes(config, FTX_OPTION_TOKEN, secret.constData(),
                                               size_t(secret.size()));
    if (status != FTX_OK)
        return status;
    const QByteArray pin = fingerprint.toUtf8();
    return ftx_config_set_bytes(config, FTX_OPTION_FINGERPRINT, pin.constData(),
                                size_t(pin.size()));
}

FileClient::Private::Client FileClient::Private::client(qint32 &status)
{
    const QMutexLocker locker(&mutex);
    status = FTX_OK;
    if (!handle)
        handle = make(dialect, retries, status);
    return handle;
}

void FileClient::Private::changed()
{
    Client old;
    const QMutexLocker locker(&mutex);
    old.swap(handle);
}

void FileClient::Private::beginCall()
{
    const QMutexLocker locker(&mutex);
    depth++;
    lastStatus = FTX_OK;
    lastError.clear();
    errors.clear();
    totals = {0, 0, 0, 0, 0};
}

void FileClient::Private::endCall()
{
    const QMutexLocker locker(&mutex);
    if (--depth == 0)
        cancelled = false;
}

void FileClient::Private::add(Run *run)
{
    const QMutexLocker locker(&mutex);
    runs.append(run);
    // A cancel() that came before the job was there has not reached it.
    if (cancelled)
        ftx_job_cancel(run->job.get());
}

void FileClient::Private::remove(Run *run)
{
    const QMutexLocker locker(&mutex);
    runs.removeOne(run);
}

void FileClient::Private::cancel()
{
    const QMutexLocker locker(&mutex);
    cancelled = true;
    for (const Run *run : runs)
        ftx_job_cancel(run->job.get());
}

void FileClient::Private::resetCancel()
{
    const QMutexLocker locker(&mutex);
    if (depth == 0)
        cancelled = false;
}

qint32 FileClient::Private::next(ftx_client *client, Run *run, ftx_event *event)
{
    if (!run->events.empty()) {
        *event = run->events.front();
        run->events.pop_front();
        return FTX_OK;
    }
    for (;;) {
        *event = sized<ftx_event>();
        const qint32 status = ftx_client_next_event(client, event);
        if (status != FTX_OK || event->job_id == run->id)
            return status;
        // Only the thread of the slots changes the list.
        for (Run *other : runs)
            if (other->id == event->job_id)
                other->events.push_back(*event);
    }
}

FileClient::FileClient(QString ip, quint16 port, QObject *parent)
    : QObject(parent), d(new Private(ip, port))
{
}

FileClient::~FileClient() = default;

FileClient::Dialect FileClient::dialect() const
{
    return d->dialect;
}

void FileClient::setDialect(Dialect dialect)
{
    d->dialect = dialect;
    d->changed();
}

int FileClient::retries() const
{
    return d->retries;
}

void FileClient::setRetries(int retries)
{
    d->retries = qMax(0, retries);
    d->changed();
}

int FileClient::timeout() const
{
    return d->timeout;
}

void FileClient::setTimeout(int timeout)
{
    d->timeout = qMax(1, timeout);
    d->changed();
}

int FileClient::streams() const
{
    return d->streams;
}

void FileClient::setStreams(int streams)
{
    d->streams = qBound(0, streams, FTX_MAX_STREAMS);
    d->changed();
}

qint64 FileClient::limitRate() const
{
    return d->limitRate;
}

void FileClient::setLimitRate(qint64 bytes)
{
    d->limitRate = bytes <= 0 ? 0 : qMax(bytes, qint64(FTX_MIN_LIMIT_RATE));
    d->changed();
}

int FileClient::compress() const
{
    return d->compress;
}

void FileClient::setCompress(int when)
{
    d->compress = qBound(-1, when, 19);
    d->changed();
}

FileClient::Tls FileClient::tls() const
{
    return d->tls;
}

void FileClient::setTls(Tls tls)
{
    d->tls = tls;
    d->changed();
}

QString FileClient::fingerprint() const
{
    return d->fingerprint;
}

void FileClient::setFingerprint(const QString &fingerprint)
{
    d->fingerprint = fingerprint.trimmed();
    d->changed();
}

QString FileClient::token() const
{
    return d->token;
}

void FileClient::setToken(const QString &token)
{
    d->token = token.trimmed();
    d->changed();
}

bool FileClient::isDurable() const
{
    return d->durable;
}

void FileClient::setDurable(bool durable)
{
    d->durable = durable;
    d->changed();
}

bool FileClient::keepGoing() const
{
    return d->keepGoing;
}

void FileClient::setKeepGoing(bool keepGoing)
{
    d->keepGoing = keepGoing;
}

qint64 FileClient::lastStatus() const
{
    return d->lastStatus;
}

QString FileClient::lastError() const
{
    return d->lastError;
}

QList<FileClient::FileError> FileClient::errors() const
{
    return d->errors;
}

FileClient::Totals FileClient::totals() const
{
    return d->totals;
}

bool FileClient::isCancelled() const
{
    return d->cancelled;
}

qint64 FileClient::filesUpload(QStringList filepath_list)
{
    return Call(this, Direction::Upload, filepath_list).run();
}

qint64 FileClient::fileUpload(QString filepath)
{
    return Call(this, Direction::Upload, QStringList(filepath)).run();
}

qint64 FileClient::filesDownload(QStringList filepath_list)
{
    return Call(this, Direction::Download, filepath_list).run();
}

qint64 FileClient::fileDownload(QString filepath)
{
    return Call(this, Direction::Download, QStringList(filepath)).run();
}

void FileClient::cancel()
{
    d->cancel();
}

void FileClient::resetCancel()
{
    d->resetCancel();
}

bool FileClient::socketConnect()
{
    qint32 status = FTX_OK;
    // Not the current client, which knows the dialect without asking the server.
    const Private::Client probe = d->make(Dialect::Auto, 0, status);
    quint32 spoken = 0;
    return probe && ftx_client_dialect(probe.get(), &spoken) == FTX_OK;
}

/* FileClient on top of the C ABI; documented in the header. */

#include "fileclient.h"

#include <ftx.h>

#include <QByteArray>
#include <QDir>
#include <QFileInfo>
#include <QMutex>
#include <QMutexLocker>
#include <QPointer>

#include <atomic>
#include <memory>

enum class FileClient::Direction { Upload, Download };

class FileClient::Private {
public:
    using Handle = std::shared_ptr<ftx_client>;

    Private(const QString &ip, quint16 at) : host(ip.toUtf8()), port(at) {}

    /** Returns the current client, recreated if the settings have changed; null on failure, with
     * `status` set. */
    Handle client(qint32 &status);
    /** Returns the current client, if any. */
    Handle current();
    /** Makes the next call use the present settings. */
    void changed();

    const QByteArray host;
    const quint16 port;
    Dialect dialect = Dialect::Auto;
    int retries = 5;
    int timeout = 30000;
    int streams = 0;
    qint32 lastStatus = FTX_OK;
    QString lastError;
    /** Number of running calls: above 1 in a slot that makes another call. */
    int depth = 0;
    /** Stops a list between two files, when the library has no call to cancel. */
    std::atomic<bool> cancelled{false};

private:
    Handle make(qint32 &status) const;

    /** Guards the handle, since any thread may call cancel(). */
    QMutex mutex;
    Handle handle;
};

FileClient::Private::Handle FileClient::Private::make(qint32 &status) const
{
    // C would truncate the host at the NUL, and connect to another one.
    if (host.contains('\0')) {
        status = FTX_INVALID_ADDRESS;
        return Handle();
    }
    const std::unique_ptr<ftx_config, void (*)(ftx_config *)> config(ftx_config_new(),
                                                                     ftx_config_free);
    const quint64 spoken = dialect == Dialect::Native   ? FTX_DIALECT_NATIVE
                           : dialect == Dialect::Legacy ? FTX_DIALECT_LEGACY
                                                        : FTX_DIALECT_AUTO;
    ftx_config_set_u64(config.get(), FTX_OPTION_DIALECT, spoken);
    ftx_config_set_u64(config.get(), FTX_OPTION_RETRIES, quint64(retries));
    ftx_config_set_u64(config.get(), FTX_OPTION_TIMEOUT_MS, quint64(timeout));
    ftx_config_set_u64(config.get(), FTX_OPTION_STREAMS, quint64(streams));
    ftx_client *made = nullptr;
    status = ftx_client_new_at(host.constData(), port, config.get(), &made);
    return Handle(made, ftx_client_free);
}

FileClient::Private::Handle FileClient::Private::client(qint32 &status)
{
    const QMutexLocker locker(&mutex);
    status = FTX_OK;
    if (!handle)
        handle = make(status);
    return handle;
}

FileClient::Private::Handle FileClient::Private::current()
{
    const QMutexLocker locker(&mutex);
    return handle;
}

void FileClient::Private::changed()
{
    Handle old;
    const QMutexLocker locker(&mutex);
    old.swap(handle);
}

/** The transfer of one file. It outlives a FileClient that a receiver of its signals destroys. */
struct FileClient::Call {
    qint32 run(Direction direction, const Private::Handle &client);
    void report(qint32 status);

    static int32_t tell(const ftx_event *event, void *call);

    QPointer<FileClient> owner;
    QString file;
    qint64 done;
    qint64 total;
    /** The error message if this class refuses the file without calling the library. */
    QString refused;
};

qint32 FileClient::Call::run(Direction direction, const Private::Handle &client)
{
    if (file.contains(QChar::Null)) {
        refused = QStringLiteral("the path contains a NUL character; remove it");
        return FTX_INVALID_ARGUMENT;
    }
    const QByteArray path = file.toUtf8();
    if (direction == Direction::Upload) {
        const QByteArray name = path.mid(path.lastIndexOf('/') + 1);
        return ftx_client_upload(client.get(), path.constData(), name.constData(), tell, this);
    }
    // The original's server prepends "./" to every name, and its system resolves the path.
    QByteArray name = QDir::cleanPath(file).toUtf8();
    while (name.startsWith('/'))
        name.remove(0, 1);
    return ftx_client_download(client.get(), name.constData(), path.constData(), tell, this);
}

int32_t FileClient::Call::tell(const ftx_event *event, void *data)
{
    Call *call = static_cast<Call *>(data);
    if (!call->owner)
        return 1;
    if (event->kind == FTX_EVENT_STARTED || event->kind == FTX_EVENT_PROGRESS) {
        call->done = qint64(event->done);
        call->total = qint64(event->total);
        Q_EMIT call->owner->progress(call->file, call->done, call->total);
    }
    return !call->owner || call->owner->d->cancelled;
}

void FileClient::Call::report(qint32 status)
{
    const qint64 code = ftx_original_status(status);
    QString message;
    // The library reports only the end of a small file, which it transfers in one step.
    const qint64 size = status == FTX_OK ? QFileInfo(file).size() : done;
    if (status != FTX_OK) {
        ftx_error error = ftx_error();
        error.struct_size = sizeof error;
        const bool known = ftx_last_error(&error) == FTX_OK && error.status == status;
        // Up to the NUL or the end of the array.
        const int length = int(qstrnlen(error.message, uint(sizeof error.message)));
        if (!refused.isEmpty())
            message = refused;
        else if (known)
            message = QString::fromUtf8(error.message, length);
        else
            message = QString::fromUtf8(ftx_strerror(status));
    }
    owner->d->lastStatus = status;
    owner->d->lastError = message;
    if (size != done)
        Q_EMIT owner->progress(file, size, size);
    if (!owner)
        return;
    if (status != FTX_OK)
        Q_EMIT owner->errorOccurred(code, message);
    if (owner)
        Q_EMIT owner->fileFinished(file, code);
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
    d->streams = qBound(0, streams, int(FTX_MAX_STREAMS));
    d->changed();
}

qint64 FileClient::lastStatus() const
{
    return d->lastStatus;
}

QString FileClient::lastError() const
{
    return d->lastError;
}

qint64 FileClient::filesUpload(QStringList filepath_list)
{
    return transferAll(Direction::Upload, filepath_list);
}

qint64 FileClient::fileUpload(QString filepath)
{
    return transferAll(Direction::Upload, QStringList(filepath));
}

qint64 FileClient::filesDownload(QStringList filepath_list)
{
    return transferAll(Direction::Download, filepath_list);
}

qint64 FileClient::fileDownload(QString filepath)
{
    return transferAll(Direction::Download, QStringList(filepath));
}

void FileClient::cancel()
{
    d->cancelled = true;
    if (const Private::Handle client = d->current())
        ftx_client_cancel(client.get());
}

/* Transfers files one after another. The library would transfer several at the same time, and so begin
 * files behind a failed one, which the original class does not. */
qint64 FileClient::transferAll(Direction direction, const QStringList &files)
{
    const QPointer<FileClient> self(this);
    if (d->depth++ == 0)
        d->cancelled = false;
    qint32 status = FTX_OK;
    for (const QString &file : files) {
        Call call{self, file, 0, 0, QString()};
        const Private::Handle client = d->client(status);
        if (client)
            status = d->cancelled ? qint32(FTX_CANCELLED) : call.run(direction, client);
        if (self)
            call.report(status);
        if (!self)
            return ftx_original_status(status);
        if (status != FTX_OK)
            break;
    }
    d->depth--;
    return ftx_original_status(status);
}

/* The inside of FileClient. Not for applications. */

#ifndef FILECLIENT_P_H
#define FILECLIENT_P_H

/* The include path decides, not the directory of this file: an older header that the application
 * includes is found here as well. */
#if defined(__has_include)
#if __has_include(<fileclient.h>)
#include <fileclient.h>
#endif
#endif
#ifndef FILECLIENT_H
#include "fileclient.h"
#endif
#ifndef FTX_FILECLIENT
#error The include path has an older fileclient.h before the one of ftx. Delete that fileclient.h and \
its fileclient.cpp from the application.
#endif

#include "ftxsupport.h"

#include <ftx.h>

#include <QList>
#include <QMutex>
#include <QPointer>
#include <QVector>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>

enum class FileClient::Direction { Upload, Download };

/** The state of a FileClient. A call keeps it when a receiver destroys the FileClient. */
class FileClient::Private {
public:
    using Client = std::shared_ptr<ftx_client>;

    /** A job under way, and its events that a nested call has taken from the client's queue. */
    struct Run {
        std::shared_ptr<ftx_job> job;
        quint64 id;
        std::deque<ftx_event> events;
    };

    Private(const QString &ip, quint16 at) : host(ip.toUtf8()), port(at) {}

    /** Returns the current client, recreated if the settings have changed; null on failure, with
     * `status` set. */
    Client client(qint32 &status);
    /** Returns a client that has not connected yet; null on failure, with `status` set. */
    Client make(Dialect spoken, int attempts, qint32 &status) const;
    /** Sets the encryption; returns a status of ftx_config_set_bytes. */
    qint32 setTlsOptions(ftx_config *config) const;
    /** Makes the next call use the present settings. */
    void changed();

    void beginCall();
    void endCall();
    /** Makes cancel() reach a job, from before its start to its end. */
    void add(Run *run);
    void remove(Run *run);
    void cancel();
    void resetCancel();

    /** Takes the next event of a job. Returns FTX_PENDING if there is none, or a failure. */
    qint32 next(ftx_client *client, Run *run, ftx_event *event);

    const QByteArray host;
    const quint16 port;
    Dialect dialect = Dialect::Auto;
    int retries = 5;
    int timeout = 30000;
    int streams = 0;
    qint64 limitRate = 0;
    int compress = 0;
    Tls tls = Tls::Auto;
    QString fingerprint;
    QString token;
    bool durable = true;
    bool keepGoing = false;
    qint64 lastStatus = FTX_OK;
    QString lastError;
    QList<FileError> errors;
    Totals totals = {0, 0, 0, 0, 0};
    std::atomic<bool> cancelled{false};

private:
    /** Guards the members below, since any thread may call cancel(). */
    QMutex mutex;
    /** Number of running calls: above 1 in a receiver that makes another call. */
    int depth = 0;
    Client handle;
    /** The running jobs, a nested one behind the outer one. */
    QVector<Run *> runs;
};

/** The transfer of a list of files, in jobs of libftx: one, unless a file is likely to fail. */
class FileClient::Call {
public:
    Call(FileClient *owner, Direction direction, const QStringList &files);
    /** Transfers the files, and returns the code of the call. */
    qint64 run();

private:
    using Run = Private::Run;
    using Receiver = std::function<void(const ftx_event &)>;

    void transfer();
    int transferFrom(int begin);
    QString targetOf(int file) const;
    bool isLikelyToFail(int file) const;
    bool readRemoteSizes();
    void sortSizes(const Run &run, const QVector<qint64> &found);

    FileError open(quint32 kind, Run *run) const;
    FileError add(int file, const Run &run);
    bool runJob(Run *run, int begin, int end);
    FileError follow(Run *run, const Receiver &receiver);

    void tell(const ftx_event &event, const Run &run, int begin);
    void tellProgress(int file, qint64 done, qint64 total);
    void tellTotals(const ftx_event &event);
    void tellEnd(int file, FileError failed);
    void tellRest(const FileError &failed, int begin, int end);
    FileError result() const;

    const QPointer<FileClient> owner;
    const QSharedPointer<Private> d;
    const Direction direction;
    const QStringList files;
    const bool keepGoing;
    Private::Client client;
    ftx::qt::LocalFiles local;
    /** Sizes in bytes of the files to download; NOT_THERE for a missing one. Empty if unknown. */
    QVector<qint64> sizes;
    /** The bytes of each file that progress() has told; HAS_ENDED for a file that has ended. */
    QVector<qint64> told;
    Totals totals;
    /** Bytes of the jobs before the running one. */
    qint64 bytesTotalBefore = 0;
    qint64 bytesDoneBefore = 0;
    /** The failed files, by their index in the list. */
    QMap<int, FileError> failures;
};

#endif

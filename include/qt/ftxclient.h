/* ftx::qt::Client: background transfers that report their progress with signals.
 *
 *     ftx::qt::Client client("files.example", 7411);
 *     ftx::qt::Job *job = client.upload({"/home/me/a.txt"}, {"docs/a.txt"});
 *     QObject::connect(job, &ftx::qt::Job::finished, [job](qint64 status) {
 *         if (status != 0)
 *             qWarning() << job->errorString();
 *         job->deleteLater();
 *     });
 *
 * Build this file and ftxclient.cpp into the application (Qt 5.12 or later or Qt 6, QtCore only)
 * and link libftx. Codes and options are those of ftx.h.
 */

#ifndef FTXCLIENT_H
#define FTXCLIENT_H

#include <QByteArray>
#include <QDateTime>
#include <QObject>
#include <QScopedPointer>
#include <QString>
#include <QStringList>

namespace ftx {
namespace qt {

class Client;

/**
 * Work of a client. A job is a child object of its client; destroying the job cancels it.
 *
 * The event loop of the client's thread emits the signals, so a receiver connected right after the job
 * was created misses none. A receiver may destroy the job and the client.
 */
class Job : public QObject {
    Q_OBJECT

public:
    ~Job() override;

    /** Returns its status: FTX_OK or its first failure; FTX_PENDING until it has ended. */
    qint64 status() const;
    /** Returns its first failure and the remedy; empty if nothing has failed. */
    QString errorString() const;

public Q_SLOTS:
    /** Pauses it as soon as it can be resumed later; paused() reports that. Any thread. */
    void pause();
    /** Resumes a paused job, behind the jobs that were started meanwhile. Any thread. */
    void resume();
    /** Cancels it; transferred data is kept. finished() reports FTX_CANCELLED. Any thread. */
    void cancel();

Q_SIGNALS:
    /** `done` of the `total` bytes of a file are transferred. Files count from 0. A file that succeeds
     * reaches `total`. */
    void progress(int file, qint64 done, qint64 total);
    /** A file has ended with a status. */
    void fileFinished(int file, qint64 status);
    /** An attempt to transfer a file has failed with a status. Retry number `attempt`, from 1, follows in
     * `pauseMs` milliseconds. */
    void retrying(int file, qint64 status, int attempt, qint64 pauseMs);
    /** Another run uploads the same file to the same name, and the server permits one run at a time. */
    void waiting(int file);
    /** list() or stat() has found a directory, or a file and its size in bytes, with the time of the last
     * change, which is invalid if unknown. Emitted before fileFinished() of the name. */
    void found(QString name, qint64 size, bool directory, QDateTime changed);
    /** list() has found something that cannot be transferred, and emits this instead of found():
     * `obstacle` is FTX_OBSTACLE_LINK or its like. The name is for display only (see ftx_entry). A
     * program that downloads a directory reports the entry to its user. */
    void foundUntransferable(QString name, quint32 obstacle);
    /** digest() has found the BLAKE3 digest of a file, 32 bytes; b3sum prints digest.toHex(). */
    void digestFound(QString name, QByteArray digest);
    /** The job is paused. */
    void paused();
    /** The job has ended with a status; always its last signal. */
    void finished(qint64 status);

private:
    Q_DISABLE_COPY(Job)
    friend class Client;
    class Private;

    Job(Private *made, Client *client);
    QScopedPointer<Private> d;
};

/**
 * A client of one server, which runs its jobs one after another.
 *
 * Threads: as any QObject. moveToThread() also moves its jobs, running ones included, and later signals
 * are emitted on the new thread. A receiver of these signals must not call moveToThread(). Jobs must be
 * created on the client's thread, which needs an event loop.
 *
 * Processes: a client creates no jobs in the child of a fork; the child must create a new client.
 */
class Client : public QObject {
    Q_OBJECT
    Q_PROPERTY(QString token READ token WRITE setToken)

public:
    /** Creates a client of the server at an address or a host name. It connects on demand. */
    explicit Client(const QString &host, quint16 port, QObject *parent = nullptr);
    /** Cancels and destroys its jobs; transferred data is kept. */
    ~Client() override;

    /** Sets a numeric option, such as FTX_OPTION_RETRIES, before the first job is created. Returns
     * FTX_OK, FTX_WRONG_STATE (a job was created), or a status of ftx_config_set_u64. */
    qint64 setOption(quint32 option, quint64 value);
    /** The same for an option whose values are texts or paths, such as FTX_OPTION_FINGERPRINT. */
    qint64 setOption(quint32 option, const QByteArray &value);

    /** Returns the token. */
    QString token() const;
    /** Sets the token that proves to the server who the client is, as `ftx-server token add` prints it;
     * empty by default. Returns as setOption(): FTX_INVALID_ARGUMENT for a mistyped one. */
    qint64 setToken(const QString &token);

    /** Uploads local files, each under its name in `names`. Returns null if the job cannot be started,
     * for the reason in errorString(). */
    Job *upload(const QStringList &paths, const QStringList &names);
    /** Downloads each name to its local file. Null as for upload(). */
    Job *download(const QStringList &names, const QStringList &paths);
    /** Lists a directory of a native server; "" is the root. Null as for upload(). */
    Job *list(const QString &directory, bool recursive = false);
    /** Asks a native server for the entries of names; found() reports them. Null as for upload(). */
    Job *stat(const QStringList &names);
    /** Asks a native server for the digests of files; digestFound() reports them. The server reads each
     * file whose digest it has not stored. Null as for upload(). */
    Job *digest(const QStringList &names);
    /** Removes files on a native server. Null as for upload(). */
    Job *remove(const QStringList &names);

    /** Returns the reason why the last job could not be created. */
    QString errorString() const;

public Q_SLOTS:
    /** Cancels all jobs. */
    void cancel();

private:
    Q_DISABLE_COPY(Client)
    class Private;

    Job *start(quint32 kind, const QStringList &paths, const QStringList &names, bool recursive);
    bool prepare();
    void takeEvents();
    QScopedPointer<Private> d;
};

} // namespace qt
} // namespace ftx

#endif

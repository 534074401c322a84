/* ftx::qt::Client: background transfers that report their progress by signals.
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
 * Work of a client. It is the client's child; destroying it cancels it.
 *
 * Signals come from the event loop of the thread that the client lives in, so what is connected
 * right after the job was made misses none. It may destroy the job and the client.
 */
class Job : public QObject {
    Q_OBJECT

public:
    ~Job() override;

    /** How it has ended: FTX_OK or its first failure; FTX_PENDING as long as it has not. */
    qint64 status() const;
    /** The first failure and its remedy; empty if there was none. */
    QString errorString() const;

public Q_SLOTS:
    /** Pauses it as soon as it can be resumed later; paused() reports that. Any thread. */
    void pause();
    /** Resumes a paused one, behind the jobs that were started meanwhile. Any thread. */
    void resume();
    /** Cancels it; transferred data is kept. finished() reports FTX_CANCELLED. Any thread. */
    void cancel();

Q_SIGNALS:
    /** `done` of the `total` bytes of a file, counted from 0, are across: all, before it has ended
     * well. */
    void progress(int file, qint64 done, qint64 total);
    /** A file has ended with a status. */
    void fileFinished(int file, qint64 status);
    /** A try of a file has failed with a status; another one follows. */
    void retrying(int file, qint64 status);
    /** Another run uploads this very file to this name, and the server lets one do it at a time. */
    void waiting(int file);
    /** list() or stat() has found a file of some bytes, or a directory, and when it was last
     * changed: not valid, if that is not known. It comes before the name's fileFinished(). */
    void found(QString name, qint64 size, bool directory, QDateTime changed);
    /** list() has found something that cannot be transferred, for which it is never found(): `obstacle` is
     * FTX_OBSTACLE_LINK or its like. The name is for people, as ftx_entry says. A program that brings a
     * whole directory here tells its user. */
    void foundUntransferable(QString name, quint32 obstacle);
    /** digest() has the digest of a file: 32 bytes, BLAKE3; digest.toHex() is as b3sum prints it. */
    void digestFound(QString name, QByteArray digest);
    /** It is paused. */
    void paused();
    /** It has ended with a status; always the last signal. */
    void finished(qint64 status);

private:
    Q_DISABLE_COPY(Job)
    friend class Client;
    class Private;

    Job(Private *made, Client *client);
    QScopedPointer<Private> d;
};

/**
 * A client of one server, whose jobs are done one after another.
 *
 * Threads: as any QObject. With moveToThread() its jobs go along, those under way as well, and
 * signals come there from then on; it is not called by what is connected to these signals. Jobs are
 * made in its own thread, which needs an event loop.
 *
 * Processes: in a child after a fork no job can be made; it makes a client of its own.
 */
class Client : public QObject {
    Q_OBJECT

public:
    /** A client of the server at an address or a host name; it connects when that is needed. */
    explicit Client(const QString &host, quint16 port, QObject *parent = nullptr);
    /** Cancels its jobs; transferred data is kept. */
    ~Client() override;

    /** Sets FTX_OPTION_RETRIES or its like for jobs of a client that has made none yet. Returns
     * FTX_OK, FTX_WRONG_STATE, or a status of ftx_config_set_u64. */
    qint64 setOption(quint32 option, quint64 value);

    /** Uploads local files under names of the same number. Null if it cannot be started, which
     * errorString() explains. */
    Job *upload(const QStringList &paths, const QStringList &names);
    /** Downloads names to local files of the same number. Null as for upload(). */
    Job *download(const QStringList &names, const QStringList &paths);
    /** Lists a directory of a native server; the root if it is empty. Null as for upload(). */
    Job *list(const QString &directory, bool recursive = false);
    /** Asks a native server for the entries of names; found() has them. Null as for upload(). */
    Job *stat(const QStringList &names);
    /** Asks a native server for the digests of files; digestFound() has them. It hashes what it does
     * not know yet, which takes as long as reading it. Null as for upload(). */
    Job *digest(const QStringList &names);
    /** Removes files on a native server. Null as for upload(). */
    Job *remove(const QStringList &names);

    /** Why a job could not be made. */
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

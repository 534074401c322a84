/* FileClient: uploads and downloads files, with the interface of the original's class.
 *
 * Source written for the original class compiles unchanged and behaves the same. Build this file and
 * fileclient.cpp into the application (Qt 5.12 or later or Qt 6, QtCore only) and link libftx.
 *
 *     FileClient client("192.168.1.5", 7411);
 *     if (client.fileUpload("/home/me/report.pdf") != OK)
 *         qWarning() << client.lastError();
 */

#ifndef FILECLIENT_H
#define FILECLIENT_H

#include <QByteArray>
#include <QFile>
#include <QMap>
#include <QObject>
#include <QScopedPointer>
#include <QString>
#include <QStringList>
#include <QVariant>

/* The codes that the slots return. They are constants, because a macro named OK breaks the headers
 * of other libraries; define FTX_FILECLIENT_MACROS for source that tests them with #ifdef. */
#ifdef FTX_FILECLIENT_MACROS
#define OK 0
#define FILE_WRITE_ERROR -1
#define FILE_OPEN_ERROR -2
#define FILE_SEEK_ERROR -3
#define FILE_ALREADY_EXISTS_ERROR -4
#define RECV_DATA_TIMEOUT_ERROR -5
#define RECV_UNKNOW_DATA_ERROR -6
#define CONNECT_SERVER_ERROR -7
#define UPLOAD_FILE_ERROR -8
#define DOWNLOAD_FILE_ERROR -10
#else
/** Done; also if the file was up to date. */
constexpr int OK = 0;
/** A file could not be written. */
constexpr int FILE_WRITE_ERROR = -1;
/** A local or remote file could not be opened, for example because it is missing. */
constexpr int FILE_OPEN_ERROR = -2;
/** A position is not valid for the file. */
constexpr int FILE_SEEK_ERROR = -3;
/** The file already exists. No slot returns this code: they return OK. */
constexpr int FILE_ALREADY_EXISTS_ERROR = -4;
/** No answer in time, the connection was lost, or the call was cancelled. */
constexpr int RECV_DATA_TIMEOUT_ERROR = -5;
/** The server's answer does not fit. */
constexpr int RECV_UNKNOW_DATA_ERROR = -6;
/** The server could not be reached. */
constexpr int CONNECT_SERVER_ERROR = -7;
/** The upload failed on the server. */
constexpr int UPLOAD_FILE_ERROR = -8;
/** The download failed on the server. */
constexpr int DOWNLOAD_FILE_ERROR = -10;
#endif

/**
 * A client of one server, whose slots block until they are done.
 *
 * A later call resumes an interrupted transfer. The slots retry transient failures before they
 * return. The client detects the server's dialect.
 *
 * Threads: as any QObject, except cancel(). The slots emit the signals on the calling thread. A
 * receiver may destroy the object, but must not throw; a receiver of progress() must not call the four
 * blocking slots, which then return FILE_OPEN_ERROR.
 *
 * Processes: in the child of a fork, the slots of an object that was used before return
 * CONNECT_SERVER_ERROR; the child must create a new object.
 */
class FileClient : public QObject {
    Q_OBJECT
    Q_PROPERTY(Dialect dialect READ dialect WRITE setDialect)
    Q_PROPERTY(int retries READ retries WRITE setRetries)
    Q_PROPERTY(int timeout READ timeout WRITE setTimeout)
    Q_PROPERTY(int streams READ streams WRITE setStreams)

public:
    /** The dialect spoken with the server. */
    enum class Dialect {
        /** The native dialect; the original's with a server that supports no other. */
        Auto,
        /** The native dialect. */
        Native,
        /** The dialect of the original system. */
        Legacy
    };
    Q_ENUM(Dialect)

    /** Creates a client of the server at an address or a host name. It connects on demand. */
    explicit FileClient(QString ip, quint16 port, QObject *parent = nullptr);
    ~FileClient() override;

    Dialect dialect() const;
    /** Sets the dialect, from the next call on; Auto by default. */
    void setDialect(Dialect dialect);

    int retries() const;
    /** Sets the maximum number of retries of a file, from the next call on; 5 by default, 0 for none. */
    void setRetries(int retries);

    int timeout() const;
    /** Sets the timeout for the server in milliseconds, from the next call on; 30000 by default. */
    void setTimeout(int timeout);

    int streams() const;
    /** Sets the number of connections that share the work in the native dialect, from the next call on:
     * 1 to 64; 0, the default, lets the client choose. */
    void setStreams(int streams);

    /** Returns the status of the last file in the finer codes of ftx.h, such as FTX_CANCELLED. */
    qint64 lastStatus() const;
    /** Returns the failure of the last file and its remedy; empty if it succeeded. */
    QString lastError() const;

public Q_SLOTS:
    /** Uploads files one after another; the first failure ends the call, which returns its code. */
    qint64 filesUpload(QStringList filepath_list);
    /** Uploads a file under the part of its path after the last '/'. */
    qint64 fileUpload(QString filepath);
    /** Downloads files one after another; the first failure ends the call, which returns its code. */
    qint64 filesDownload(QStringList filepath_list);
    /** Downloads a file; `filepath` is both its name on the server and its local path. */
    qint64 fileDownload(QString filepath);
    /** Makes the running call return; transferred data is kept. Any thread. */
    void cancel();

Q_SIGNALS:
    /** `done` of the `total` bytes of a file are transferred. A file that succeeds reaches `total`. */
    void progress(QString file, qint64 done, qint64 total);
    /** A file has ended with the code that fileUpload or fileDownload returns for it. */
    void fileFinished(QString file, qint64 status);
    /** A file has failed with a code and a message; fileFinished follows. */
    void errorOccurred(qint64 status, QString message);

private:
    Q_DISABLE_COPY(FileClient)
    enum class Direction;
    struct Call;
    class Private;

    qint64 transferAll(Direction direction, const QStringList &files);
    QScopedPointer<Private> d;
};

#endif

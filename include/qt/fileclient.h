/* FileClient: uploads and downloads files, with the interface of the original's class.
 *
 * Source that was written for the original compiles and means the same. Build this file and
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

/* The codes that the slots return. They are constants, because a macro named OK breaks other
 * people's headers; define FTX_FILECLIENT_MACROS where source asks for them with #ifdef. */
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
/** Done; also if both sides had the file already. */
constexpr int OK = 0;
/** A file could not be written. */
constexpr int FILE_WRITE_ERROR = -1;
/** A file could not be opened, here or on the server: it is missing, say. */
constexpr int FILE_OPEN_ERROR = -2;
/** A position is not valid for the file. */
constexpr int FILE_SEEK_ERROR = -3;
/** The file is already there. No slot returns it: they return OK then. */
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
 * A transfer that was interrupted goes on from where it was when it is called again. Failures that
 * may pass are tried again before a slot returns. The server's dialect is found out.
 *
 * Threads: as any QObject, except cancel(). The signals are emitted during the slots, on the
 * thread that has called. What is connected to them may destroy the object, but must not throw;
 * what is connected to progress() may not call the four slots that block (FILE_OPEN_ERROR).
 *
 * Processes: after a fork, the slots of one that was used before return CONNECT_SERVER_ERROR in the
 * child, which makes one of its own.
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
        /** The native dialect, or the original's with a server that knows no other. */
        Auto,
        /** The native dialect. */
        Native,
        /** The original's. */
        Legacy
    };
    Q_ENUM(Dialect)

    /** A client of the server at an address or a host name; it connects when that is needed. */
    explicit FileClient(QString ip, quint16 port, QObject *parent = nullptr);
    ~FileClient() override;

    Dialect dialect() const;
    /** Sets the dialect, from the next call on; Auto by default. */
    void setDialect(Dialect dialect);

    int retries() const;
    /** Sets how often a file is tried again, from the next call on; 5 by default, 0 for never. */
    void setRetries(int retries);

    int timeout() const;
    /** Sets the milliseconds to wait for the server, from the next call on; 30000 by default. */
    void setTimeout(int timeout);

    int streams() const;
    /** Sets how many connections share the work in the native dialect, from the next call on: 1 to
     * 64; 0, the default, for as many as seem worth it. */
    void setStreams(int streams);

    /** The status of the last file, in the finer codes of ftx.h: FTX_CANCELLED, say. */
    qint64 lastStatus() const;
    /** Failure of the last file and its remedy; empty if there was none. */
    QString lastError() const;

public Q_SLOTS:
    /** Uploads files in turn, up to the first that fails, whose code it returns. */
    qint64 filesUpload(QStringList filepath_list);
    /** Uploads a file; on the server it has the name after the last '/'. */
    qint64 fileUpload(QString filepath);
    /** Downloads files in turn, up to the first that fails, whose code it returns. */
    qint64 filesDownload(QStringList filepath_list);
    /** Downloads a file: `filepath` is its name on the server as well as where it goes. */
    qint64 fileDownload(QString filepath);
    /** Makes the running call return, from any thread. Transferred data is kept. */
    void cancel();

Q_SIGNALS:
    /** `done` of the `total` bytes of a file are across: all, before it has ended well. */
    void progress(QString file, qint64 done, qint64 total);
    /** A file has ended with what fileUpload or fileDownload returns for it. */
    void fileFinished(QString file, qint64 status);
    /** A file has failed with a code, and why; fileFinished follows. */
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

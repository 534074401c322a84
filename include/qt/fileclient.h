/* FileClient: uploads and downloads files, with the interface of the original's class.
 *
 * Source written for the original class compiles unchanged and behaves the same. Build the files of
 * ftx.pri into the application (Qt 5.12 or later or Qt 6, QtCore only) and link libftx.
 *
 *     FileClient client("192.168.1.5", 7411);
 *     if (client.fileUpload("/home/me/report.pdf") != OK)
 *         qWarning() << client.lastError();
 */

#ifndef FILECLIENT_H
#define FILECLIENT_H

/* Tells this header from an older fileclient.h with the same include guard. */
#define FTX_FILECLIENT 1

#include <QByteArray>
#include <QDebug>
#include <QFile>
#include <QList>
#include <QMap>
#include <QObject>
#include <QSharedPointer>
#include <QString>
#include <QStringList>
#include <QVariant>

/* As the original's header, where the application uses QtNetwork. */
#if !defined(Q_MOC_RUN) && defined(__has_include)
#if __has_include(<QTcpSocket>)
#include <QAbstractSocket>
#include <QTcpSocket>
#endif
#endif

/* The codes that the slots return: macros, as in the original's header. Define FTX_FILECLIENT_CONSTANTS
 * where a macro named OK breaks the headers of another library. */
#ifndef FTX_FILECLIENT_CONSTANTS
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
/* The original's message numbers, which nothing here uses. */
#define FILE_UPLOAD_HEADER 100
#define FILE_UPLOAD_POS 101
#define FILE_UPLOAD_TAIL 103
#define FILE_DOWNLOAD_HEADER 200
#define FILE_DOWNLOAD_CONTENT 202
#define FILE_DOWNLOAD_TAIL 203
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
/** The upload failed on the server, or the file is too large for an original server. */
constexpr int UPLOAD_FILE_ERROR = -8;
/** The download failed on the server. */
constexpr int DOWNLOAD_FILE_ERROR = -10;
#endif

/* A source that was compiled with an older fileclient.h, and so with another layout of the class, does
 * not link: it needs a constructor without this tag. */
#if defined(__GNUC__) && !defined(Q_MOC_RUN)
#define FTX_FILECLIENT_TAG __attribute__((abi_tag("ftx")))
#else
#define FTX_FILECLIENT_TAG
#endif

/**
 * A client of one server, whose slots block until they are done.
 *
 * A later call resumes an interrupted transfer. The client detects the server's dialect. In the native
 * dialect, several files of a list are under way at the same time, and small files travel together.
 *
 * Files are names of the file system, resources (":/name", uploads only), or names with the prefix of a
 * search path (QDir::setSearchPaths). An upload of a resource sends a temporary copy. A download with a
 * prefix replaces the file that has the name; a new file goes to the first directory of the search path.
 *
 * Threads: as any QObject, except cancel(), resetCancel() and isCancelled(). The slots emit the signals
 * on the calling thread. A receiver may destroy the object, but must not throw. A receiver may call the
 * blocking slots; such a call begins when the files of the running call are done.
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
    Q_PROPERTY(qint64 limitRate READ limitRate WRITE setLimitRate)
    Q_PROPERTY(int compress READ compress WRITE setCompress)
    Q_PROPERTY(Tls tls READ tls WRITE setTls)
    Q_PROPERTY(QString fingerprint READ fingerprint WRITE setFingerprint)
    Q_PROPERTY(QString token READ token WRITE setToken)
    Q_PROPERTY(bool durable READ isDurable WRITE setDurable)
    Q_PROPERTY(bool keepGoing READ keepGoing WRITE setKeepGoing)

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

    /** The encryption of connections. */
    enum class Tls {
        /** With each server on another machine that offers it. The first connection stores the server's
         * key, and later ones require it. A server that has never shown a key may do without, as the
         * original does; so the first connection is unprotected. */
        Auto,
        /** With every server; one without is refused. */
        Require,
        /** Never. */
        Off
    };
    Q_ENUM(Tls)

    /** A file that has failed. */
    struct FileError {
        /** The file, as in the list. */
        QString file;
        /** The code that fileUpload or fileDownload returns for it. */
        qint64 code;
        /** The finer code of ftx.h, such as FTX_NO_SPACE. */
        qint64 status;
        /** The failure and its remedy. */
        QString message;
    };

    /** The progress of a call. */
    struct Totals {
        /** Files in the list. */
        int filesTotal;
        /** Files that are done. */
        int filesDone;
        /** Files that have failed. */
        int filesFailed;
        /** Size in bytes of the files whose sizes are known: of all of them, except in a download from
         * an original server. */
        qint64 bytesTotal;
        /** Bytes of these files that are transferred. */
        qint64 bytesDone;
    };

    /** Creates a client of the server at an address or a host name. It connects on demand. */
    FTX_FILECLIENT_TAG explicit FileClient(QString ip, quint16 port, QObject *parent = nullptr);
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

    qint64 limitRate() const;
    /** Sets the maximum bytes of files in a second, in each direction, of all connections together, from
     * the next call on: 8192 (FTX_MIN_LIMIT_RATE) or more; 0, the default, for no limit. */
    void setLimitRate(qint64 bytes);

    int compress() const;
    /** Sets the compression on the line, from the next call on: 0, the default, compresses while the line
     * is slower than the compressor; -1 never; 1 to 19 always, at this level for uploads. */
    void setCompress(int when);

    Tls tls() const;
    /** Sets the encryption, from the next call on; Auto by default. */
    void setTls(Tls tls);

    QString fingerprint() const;
    /** Sets the fingerprint of the server's key, as ftx-server prints it, from the next call on. A server
     * with another key, or without TLS, is refused. Empty by default. */
    void setFingerprint(const QString &fingerprint);

    QString token() const;
    /** Sets the token that proves to the server who the client is, as `ftx-server token add` prints it,
     * from the next call on; empty by default. A server on another machine gets it encrypted or not at
     * all: with a token, servers without TLS are refused there. */
    void setToken(const QString &token);

    bool isDurable() const;
    /** Sets whether a finished download survives a power failure, from the next call on; true by default.
     * Without, many small files are faster. The server decides about uploads. */
    void setDurable(bool durable);

    bool keepGoing() const;
    /** Sets whether a list continues behind a file that has failed, from the next call on; false by
     * default, as in the original. The call then returns the code of the first file in the list that has
     * failed. */
    void setKeepGoing(bool keepGoing);

    /** Returns the status of the last call in the finer codes of ftx.h, such as FTX_CANCELLED; in a
     * receiver of fileFinished(), that of the file. */
    qint64 lastStatus() const;
    /** Returns the failure that lastStatus() is about and its remedy; empty if there was none. */
    QString lastError() const;
    /** Returns the files of the last call that have failed, in the order of the list. */
    QList<FileError> errors() const;
    /** Returns the progress of the running call, or of the last one. */
    Totals totals() const;

    /** Returns whether a call is to be cancelled: the running one, or the next one. Any thread. */
    bool isCancelled() const;

public Q_SLOTS:
    /** Uploads files. Without keepGoing(), the first failure ends the call, which returns its code. */
    qint64 filesUpload(QStringList filepath_list);
    /** Uploads a file under the part of its path after the last '/'. */
    qint64 fileUpload(QString filepath);
    /** Downloads files. Without keepGoing(), the first failure ends the call, which returns its code. */
    qint64 filesDownload(QStringList filepath_list);
    /** Downloads a file; `filepath` is both its name on the server and its local path. */
    qint64 fileDownload(QString filepath);
    /**
     * Cancels one call of the four slots above: the running one or, when none runs, the next one, which
     * then does nothing. So a call that is queued for another thread is cancelled before it begins. The
     * call returns RECV_DATA_TIMEOUT_ERROR, unless all its files are done, and the cancellation ends with
     * it; transferred data is kept. Any thread.
     */
    void cancel();
    /** Takes back a cancel() that came when no call ran. Call it before queueing a call, so that a click
     * that came too late for an earlier call does not cancel this one. Any thread. */
    void resetCancel();

Q_SIGNALS:
    /** `done` of the `total` bytes of a file are transferred. A file that succeeds reaches `total`. */
    void progress(QString file, qint64 done, qint64 total);
    /** The files of the call that are done, and their bytes: the totals(). */
    void totalProgress(int filesDone, int filesTotal, qint64 bytesDone, qint64 bytesTotal);
    /** A file has ended with the code that fileUpload or fileDownload returns for it. */
    void fileFinished(QString file, qint64 status);
    /** A file has failed with a code and a message; fileFailed and fileFinished follow. */
    void errorOccurred(qint64 status, QString message);
    /** A file has failed with a code and a message; fileFinished follows. */
    void fileFailed(QString file, qint64 status, QString message);

protected:
    /** Tests whether the server answers, by a connection of its own, without retries: as long as no call
     * runs, the next one would reach it. */
    bool socketConnect();
    /** Does nothing: every call begins anew. */
    void paramInit() {}

private:
    typedef QMap<QString, QVariant> MessageEntries;

protected:
    /* The other protected functions of the original are the steps of its protocol, which lives in
     * libftx. A call of one of these does not compile, and the error names the function to use. */
#define FTX_FILECLIENT_GONE(function, arguments, instead)                                          \
    template <bool isThere = false> qint64 function arguments                                      \
    {                                                                                              \
        static_assert(isThere, "FileClient::" #function " is a step of the original's protocol, "  \
                                                        "which is in libftx now: " instead);       \
        return 0;                                                                                  \
    }
    FTX_FILECLIENT_GONE(fileUploadHeader, (QString), "call fileUpload() for the whole transfer")
    FTX_FILECLIENT_GONE(fileUploadPos, (), "call fileUpload() for the whole transfer")
    FTX_FILECLIENT_GONE(fileUploadContent, (), "call fileUpload(), and connect to progress()")
    FTX_FILECLIENT_GONE(fileUploadTail, (), "call fileUpload() for the whole transfer")
    FTX_FILECLIENT_GONE(fileDownloadHeader, (QString), "call fileDownload() for the whole transfer")
    FTX_FILECLIENT_GONE(fileDownloadContent, (), "call fileDownload(), and connect to progress()")
    FTX_FILECLIENT_GONE(fileDownloadTail, (), "call fileDownload() for the whole transfer")
    FTX_FILECLIENT_GONE(fileUploadRecvData, (qint64, MessageEntries &), "call fileUpload() or fileDownload()")
    FTX_FILECLIENT_GONE(file_clc_md5, (QString &), "use QCryptographicHash")
#undef FTX_FILECLIENT_GONE

private:
    Q_DISABLE_COPY(FileClient)
    enum class Direction;
    class Call;
    class Private;

    QSharedPointer<Private> d;
};

#undef FTX_FILECLIENT_TAG

#endif

/* An application of the original's class. It is built with either class, unchanged.
 *
 * caller HOST PORT upload|download|upload-list|download-list|invoke-upload FILE...
 * prints "<code> <name of the code>" for each call that it makes. */
#include "fileclient.h"

#include <QCoreApplication>

#include <cstdio>

static const char *name_of(qint64 status)
{
    switch (status) {
    case OK:
        return "OK";
    case FILE_WRITE_ERROR:
        return "FILE_WRITE_ERROR";
    case FILE_OPEN_ERROR:
        return "FILE_OPEN_ERROR";
    case FILE_SEEK_ERROR:
        return "FILE_SEEK_ERROR";
    case FILE_ALREADY_EXISTS_ERROR:
        return "FILE_ALREADY_EXISTS_ERROR";
    case RECV_DATA_TIMEOUT_ERROR:
        return "RECV_DATA_TIMEOUT_ERROR";
    case RECV_UNKNOW_DATA_ERROR:
        return "RECV_UNKNOW_DATA_ERROR";
    case CONNECT_SERVER_ERROR:
        return "CONNECT_SERVER_ERROR";
    case UPLOAD_FILE_ERROR:
        return "UPLOAD_FILE_ERROR";
    case DOWNLOAD_FILE_ERROR:
        return "DOWNLOAD_FILE_ERROR";
    default:
        return "?";
    }
}

/** Wraps the class as an application would: in another class, with a pointer to member. */
class Transfers : public FileClient {
public:
    Transfers(const QString &host, quint16 port, QObject *parent) : FileClient(host, port, parent)
    {
    }

    qint64 each(qint64 (FileClient::*slot)(QString), const QString &file)
    {
        return (this->*slot)(file);
    }
};

static int show(qint64 status)
{
    std::printf("%d %s\n", int(status), name_of(status));
    std::fflush(stdout);
    return status == OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    if (arguments.size() < 5)
        return 2;
    Transfers client(arguments[1], quint16(arguments[2].toInt()), &app);
    const QByteArray verb = arguments[3].toUtf8();
    const QStringList files = arguments.mid(4);
    if (verb == "upload-list")
        return show(client.filesUpload(files));
    if (verb == "download-list")
        return show(client.filesDownload(files));
    int worst = 0;
    for (const QString &file : files) {
        qint64 status = UPLOAD_FILE_ERROR;
        if (verb == "upload")
            status = client.each(&FileClient::fileUpload, file);
        else if (verb == "download")
            status = client.each(&FileClient::fileDownload, file);
        else if (!QMetaObject::invokeMethod(&client, "fileUpload", Qt::DirectConnection,
                                            Q_RETURN_ARG(qint64, status), Q_ARG(QString, file)))
            return 3;
        worst |= show(status);
    }
    return worst;
}

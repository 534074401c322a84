#include "client.h"

#include "digest.h"

#include <QFileInfo>

namespace qtpeer {

namespace {
constexpr qint64 kPiece = 64 * 1024;
constexpr qint64 kQueued = 1024 * 1024;
} // namespace

Client::Client(QString host, quint16 port, int timeoutMs)
    : m_host(std::move(host)), m_port(port), m_timeoutMs(timeoutMs)
{
}

int Client::upload(const QString &path)
{
    QFile file(path);
    if (QFileInfo(path).isDir() || !file.open(QIODevice::ReadOnly))
        return OpenError;
    if (!connected())
        return ConnectError;

    Message reply;
    const QString name = path.section(QLatin1Char('/'), -1);
    int status = request({Id::UploadHeader, {{"file_prjpath", name}}}, Id::UploadHeader, reply);
    if (status == AlreadyThere)
        return Done;
    if (status != Done)
        return fail(status);

    qint64 start = 0;
    if (const int held = reply.number("file_pos")) {
        if (md5OfPrefix(path, held) == reply.text("file_md5"))
            start = held;
        if (file.size() == start)
            return Done;
    }

    const Entries where{{"file_pos", number(start)}, {"file_size", number(file.size() - start)}};
    status = request({Id::UploadPos, where}, Id::UploadPos, reply);
    if (status != Done)
        return fail(status);
    file.seek(start);
    if (!sendFrom(file))
        return fail(Timeout);

    const QByteArray bytes = receive();
    if (bytes.isEmpty())
        return fail(Timeout);
    reply = Message::decode(bytes);
    if (!reply.is(Id::UploadTail))
        return fail(UnknownData);
    status = reply.number("reply_status");
    return status == Done ? Done : fail(status);
}

int Client::download(const QString &path)
{
    if (!connected())
        return ConnectError;
    const QFileInfo local(path);
    const qint64 held = local.exists() ? local.size() : 0;
    const Entries asked{{"file_prjpath", path},
                        {"file_pos", number(held)},
                        {"file_md5", md5OfPrefix(path, held)}};
    Message reply;
    int status = request({Id::DownloadHeader, asked}, Id::DownloadHeader, reply);
    if (status == AlreadyThere)
        return Done;
    if (status != Done)
        return fail(status);
    const int announced = reply.number("file_size");
    if (announced == 0)
        return Done;

    // The client requests the bytes before it opens the target, and opening truncates the target even if
    // the reply offered to resume. Servers must cope with both.
    m_socket.write(Message(Id::DownloadContent, {{"reply_status", number(Done)}}).encode());
    m_socket.flush();
    QFile file(path);
    if (!file.open(QIODevice::WriteOnly))
        return fail(OpenError);
    file.seek(reply.number("file_pos"));
    status = receiveInto(file, announced);
    if (status != Done)
        return fail(status);
    status = request({Id::DownloadTail, {{"reply_status", number(Done)}}}, Id::DownloadTail, reply);
    return status == Done ? Done : fail(status);
}

bool Client::connected()
{
    if (m_socket.state() == QAbstractSocket::ConnectedState)
        return true;
    m_socket.connectToHost(m_host, m_port);
    return m_socket.waitForConnected(m_timeoutMs);
}

int Client::fail(int status)
{
    m_socket.abort();
    return status;
}

int Client::request(const Message &message, Id expected, Message &reply)
{
    m_socket.write(message.encode());
    const QByteArray bytes = receive();
    if (bytes.isEmpty())
        return Timeout;
    reply = Message::decode(bytes);
    return reply.is(expected) ? reply.number("reply_status") : int(UnknownData);
}

// Returns the result of one readAll() as one message; nothing after a timeout or a lost connection.
QByteArray Client::receive()
{
    while (m_socket.bytesAvailable() == 0) {
        if (!m_socket.waitForReadyRead(m_timeoutMs))
            break;
    }
    return m_socket.readAll();
}

bool Client::sendFrom(QFile &file)
{
    while (!file.atEnd()) {
        // This client drops messages that a server sends amid the bytes of a file.
        m_socket.readAll();
        const QByteArray piece = file.read(kPiece);
        if (piece.isEmpty() || m_socket.write(piece) != piece.size())
            return false;
        while (m_socket.bytesToWrite() > kQueued) {
            if (!m_socket.waitForBytesWritten(m_timeoutMs))
                return false;
        }
    }
    while (m_socket.bytesToWrite() > 0) {
        if (!m_socket.waitForBytesWritten(m_timeoutMs))
            return false;
    }
    return true;
}

int Client::receiveInto(QFile &file, int announced)
{
    bool written = true;
    qint64 left = announced;
    while (left > 0) {
        const QByteArray bytes = receive();
        if (bytes.isEmpty())
            return Timeout;
        written = written && file.write(bytes) == bytes.size();
        left -= bytes.size();
    }
    written = file.flush() && written;
    return written ? Done : WriteError;
}

} // namespace qtpeer

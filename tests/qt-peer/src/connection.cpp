#include "connection.h"

#include "digest.h"

#include <QFileInfo>

namespace qtpeer {

namespace {
constexpr qint64 kPiece = 64 * 1024;
constexpr int kSendWaitMs = 30'000;
} // namespace

Connection::Connection(QTcpSocket *socket, QString root)
    : m_socket(socket), m_root(std::move(root))
{
}

void Connection::take(const QByteArray &bytes)
{
    if (m_receiving)
        return fileBytes(bytes);
    const Message request = Message::decode(bytes);
    switch (Id(request.id)) {
    case Id::UploadHeader:
        return uploadHeader(request);
    case Id::UploadPos:
        return uploadPos(request);
    case Id::DownloadHeader:
        return downloadHeader(request);
    case Id::DownloadContent:
        return sendFile();
    case Id::DownloadTail:
        return answer({Id::DownloadTail, {{"reply_status", number(Done)}}});
    case Id::UploadTail:
        break; // no client sends it, so it is as unknown as any other number
    }
    Message echo;
    echo.id = request.id;
    answer(echo);
}

void Connection::uploadHeader(const Message &request)
{
    m_path = m_root + QLatin1Char('/') + request.text("file_prjpath");
    const QFileInfo present(m_path);
    int status = Done;
    qint64 held = 0;
    QString md5;
    if (present.isDir()) {
        status = OpenError;
    } else if (present.exists()) {
        held = present.size();
        if (held > 0)
            md5 = md5OfPrefix(m_path, held);
        if (!present.isReadable() || !present.isWritable()) {
            status = OpenError;
            held = 0;
            md5 = QString();
        }
    }
    m_accepted = status == Done;
    answer({Id::UploadHeader,
            {{"reply_status", number(status)}, {"file_pos", number(held)}, {"file_md5", md5}}});
}

void Connection::uploadPos(const Message &request)
{
    int status = Done;
    m_target.close();
    m_target.setFileName(m_path);
    if (!m_accepted || !m_target.open(QIODevice::WriteOnly))
        status = OpenError;
    else if (request.number("file_pos") < 0 || !m_target.seek(request.number("file_pos")))
        status = SeekError;
    if (status == Done) {
        m_receiving = true;
        m_writeFailed = false;
        m_left = request.number("file_size");
    }
    answer({Id::UploadPos, {{"reply_status", number(status)}}});
}

void Connection::fileBytes(const QByteArray &bytes)
{
    m_writeFailed = m_writeFailed || m_target.write(bytes) != bytes.size();
    m_left -= bytes.size();
    if (m_left != 0 || m_writeFailed)
        return;
    m_target.close();
    m_receiving = false;
    answer({Id::UploadTail, {{"reply_status", number(Done)}}});
}

void Connection::downloadHeader(const Message &request)
{
    m_path = m_root + QLatin1Char('/') + request.text("file_prjpath");
    const QFileInfo present(m_path);
    int status = Done;
    qint64 from = request.number("file_pos");
    qint64 follow = 0;
    if (present.isDir() || !present.exists() || !present.isReadable()) {
        status = OpenError;
    } else {
        if (from < 0 || md5OfPrefix(m_path, from) != request.text("file_md5"))
            from = 0;
        follow = present.size() - from;
    }
    m_pending = status == Done;
    m_accepted = m_pending;
    m_from = from;
    answer({Id::DownloadHeader,
            {{"reply_status", number(status)},
             {"file_pos", number(from)},
             {"file_size", number(follow)}}});
}

// Serves no other client until it returns, as the original does. A client that disconnects ends it.
void Connection::sendFile()
{
    if (!m_pending)
        return;
    m_pending = false;
    QFile file(m_path);
    if (!file.open(QIODevice::ReadOnly) || !file.seek(m_from))
        return;
    while (!file.atEnd()) {
        const QByteArray piece = file.read(kPiece);
        if (piece.isEmpty() || m_socket->write(piece) != piece.size())
            return;
        while (m_socket->bytesToWrite() > 0) {
            if (!m_socket->waitForBytesWritten(kSendWaitMs))
                return;
        }
    }
}

void Connection::answer(const Message &reply)
{
    m_socket->write(reply.encode());
    m_socket->flush();
}

} // namespace qtpeer

// One client's connection on the server: answers messages, or takes the raw bytes of an upload.
#pragma once

#include "message.h"

#include <QFile>
#include <QTcpSocket>

namespace qtpeer {

class Connection
{
public:
    Connection(QTcpSocket *socket, QString root);

    // Everything that one readAll() returned.
    void take(const QByteArray &bytes);

private:
    void uploadHeader(const Message &request);
    void uploadPos(const Message &request);
    void fileBytes(const QByteArray &bytes);
    void downloadHeader(const Message &request);
    void sendFile();
    void answer(const Message &reply);

    QTcpSocket *const m_socket;
    const QString m_root;
    QString m_path;
    QFile m_target;
    bool m_accepted = false;
    bool m_receiving = false;
    bool m_pending = false;
    bool m_writeFailed = false;
    qint64 m_left = 0;
    qint64 m_from = 0;
};

} // namespace qtpeer

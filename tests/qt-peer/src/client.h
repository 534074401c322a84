// The client's side of the dialect, blocking, one transfer after another on one connection.
#pragma once

#include "message.h"

#include <QFile>
#include <QTcpSocket>

namespace qtpeer {

class Client
{
public:
    Client(QString host, quint16 port, int timeoutMs);

    int upload(const QString &path);
    int download(const QString &path);

private:
    bool connected();
    int fail(int status);
    int request(const Message &message, Id expected, Message &reply);
    QByteArray receive();
    bool sendFrom(QFile &file);
    int receiveInto(QFile &file, int announced);

    const QString m_host;
    const quint16 m_port;
    const int m_timeoutMs;
    QTcpSocket m_socket;
};

} // namespace qtpeer

#include "server.h"

#include "connection.h"

#include <memory>

namespace qtpeer {

Server::Server(QString root) : m_root(std::move(root))
{
    QObject::connect(&m_listener, &QTcpServer::newConnection, [this] { accept(); });
}

quint16 Server::listen(quint16 port)
{
    return m_listener.listen(QHostAddress::LocalHost, port) ? m_listener.serverPort() : 0;
}

void Server::accept()
{
    while (QTcpSocket *socket = m_listener.nextPendingConnection()) {
        const auto connection = std::make_shared<Connection>(socket, m_root);
        QObject::connect(socket, &QTcpSocket::readyRead, socket, [socket, connection] {
            const QByteArray bytes = socket->readAll();
            if (!bytes.isEmpty())
                connection->take(bytes);
        });
        QObject::connect(socket, &QTcpSocket::disconnected, socket, &QObject::deleteLater);
    }
}

} // namespace qtpeer

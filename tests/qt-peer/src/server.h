// Accepts connections on the loopback interface and gives each its state.
#pragma once

#include <QString>
#include <QTcpServer>

namespace qtpeer {

class Server
{
public:
    explicit Server(QString root);

    // The bound port; 0 if binding failed.
    quint16 listen(quint16 port);

private:
    void accept();

    const QString m_root;
    QTcpServer m_listener;
};

} // namespace qtpeer

#include "message.h"

#include <QDataStream>
#include <QIODevice>

namespace qtpeer {

QByteArray Message::encode() const
{
    QByteArray bytes;
    QDataStream out(&bytes, QIODevice::WriteOnly);
    out << id << entries;
    return bytes;
}

Message Message::decode(const QByteArray &bytes)
{
    Message message;
    QDataStream in(bytes);
    in >> message.id >> message.entries;
    if (in.status() != QDataStream::Ok)
        message.entries.clear();
    return message;
}

} // namespace qtpeer

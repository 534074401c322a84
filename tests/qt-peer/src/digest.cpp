#include "digest.h"

#include <QCryptographicHash>
#include <QFile>

namespace qtpeer {

QString md5OfPrefix(const QString &path, qint64 length)
{
    QFile file(path);
    if (!file.open(QIODevice::ReadOnly))
        return QString();
    QCryptographicHash md5(QCryptographicHash::Md5);
    while (length > 0) {
        const QByteArray piece = file.read(qMin<qint64>(length, 1 << 20));
        if (piece.isEmpty())
            break;
        md5.addData(piece);
        length -= piece.size();
    }
    return QString::fromLatin1(md5.result().toHex());
}

} // namespace qtpeer

/* Helpers of FileClient and ftx::qt::Client. Not for applications. */

#ifndef FTXSUPPORT_H
#define FTXSUPPORT_H

#include <QByteArray>
#include <QScopedPointer>
#include <QString>
#include <QTemporaryDir>

namespace ftx {
namespace qt {

/** Returns an empty output struct of ftx.h. */
template <typename Struct> Struct sized()
{
    Struct made = Struct();
    made.struct_size = sizeof made;
    return made;
}

/** Returns the text in an array, up to its first NUL or the end of the array. */
template <size_t N> QString text(const char (&array)[N])
{
    return QString::fromUtf8(array, int(qstrnlen(array, uint(N))));
}

/** Returns the message of the last failure on this thread, which had a status. */
QString lastFailure(qint32 status);

/**
 * The local files of a transfer, as paths for libftx, which knows only the file system: a Qt file name
 * may also be one of the application's resources or have the prefix of a search path (QDir::searchPaths).
 * Copies of resources last as long as this object.
 */
class LocalFiles {
public:
    /** Returns the path of a file to read; null on failure. */
    QByteArray source(const QString &file);
    /** Returns the path of a file to write; null on failure. */
    QByteArray target(const QString &file);
    /** Returns the reason of the last failure. */
    QString errorString() const { return error; }

private:
    QByteArray copied(const QString &file);

    QScopedPointer<QTemporaryDir> copies;
    int copyCount = 0;
    QString error;
};

} // namespace qt
} // namespace ftx

#endif

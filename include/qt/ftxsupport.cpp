#include "ftxsupport.h"

#include <ftx.h>

#include <QDateTime>
#include <QDir>
#include <QFile>
#include <QFileInfo>

namespace ftx {
namespace qt {

namespace {

/** Returns a path in the encoding of the file system. */
QByteArray encoded(const QString &path)
{
    if (path.isEmpty())
        return QByteArray("");
    const QByteArray local = QFile::encodeName(path);
    // The locale may lack characters that the names of the server have.
    return QFile::decodeName(local) == path ? local : path.toUtf8();
}

/** Whether no file can have the name, so that the library is to refuse it; Qt would print a warning. */
bool isRefused(const QString &file)
{
    return file.isEmpty() || file.contains(QChar::Null);
}

/** Returns the path of a new file. With the prefix of a search path, it lies in the first directory. */
QString withoutPrefix(const QString &file)
{
    const auto colon = file.indexOf(QLatin1Char(':'));
    const QStringList directories = colon > 1 ? QDir::searchPaths(file.left(colon)) : QStringList();
    if (directories.isEmpty())
        return file;
    return QDir::cleanPath(directories.first() + QLatin1Char('/') + file.mid(colon + 1));
}

} // namespace

QString lastFailure(qint32 status)
{
    ftx_error failure = sized<ftx_error>();
    const bool known = ftx_last_error(&failure) == FTX_OK && failure.status == status;
    return known ? text(failure.message) : QString::fromUtf8(ftx_strerror(status));
}

QByteArray LocalFiles::source(const QString &file)
{
    if (isRefused(file))
        return encoded(file);
    const QFileInfo info(file);
    // QFileInfo has replaced the prefix of a search path.
    return info.isNativePath() ? encoded(info.filePath()) : copied(file);
}

QByteArray LocalFiles::target(const QString &file)
{
    if (isRefused(file))
        return encoded(file);
    const QFileInfo info(file);
    const QFileInfo chosen(info.exists() ? info.filePath() : withoutPrefix(file));
    if (chosen.isNativePath())
        return encoded(chosen.filePath());
    error = QStringLiteral("%1 lies in the application's resources, which cannot be written; choose a "
                           "path in the file system")
                .arg(file);
    return QByteArray();
}

/** Copies a file that only Qt can read. */
QByteArray LocalFiles::copied(const QString &file)
{
    if (!copies)
        copies.reset(new QTemporaryDir);
    const QString path = copies->filePath(QString::number(copyCount++));
    QFile original(file);
    if (!original.copy(path)) {
        error = QStringLiteral("cannot copy %1 out of the application's resources: %2")
                    .arg(file, original.errorString());
        return QByteArray();
    }
    // A resource is readable by all. Its time changes with the application only, so that an upload that
    // is repeated changes nothing.
    QFile::setPermissions(path, QFile::ReadOwner | QFile::WriteOwner | QFile::ReadGroup |
                                    QFile::ReadOther);
    const QDateTime changed = QFileInfo(file).lastModified();
    QFile copy(path);
    if (changed.isValid() && copy.open(QIODevice::ReadWrite))
        copy.setFileTime(changed, QFileDevice::FileModificationTime);
    return encoded(path);
}

} // namespace qt
} // namespace ftx

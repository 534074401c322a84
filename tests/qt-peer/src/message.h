// A message of the legacy dialect: an id and a map of named values, as QDataStream writes them.
#pragma once

#include <QByteArray>
#include <QMap>
#include <QString>
#include <QVariant>

namespace qtpeer {

enum class Id : qint64 {
    UploadHeader = 100,
    UploadPos = 101,
    UploadTail = 103,
    DownloadHeader = 200,
    DownloadContent = 202,
    DownloadTail = 203,
};

enum Status : int {
    Done = 0,
    WriteError = -1,
    OpenError = -2,
    SeekError = -3,
    AlreadyThere = -4,
    Timeout = -5,
    UnknownData = -6,
    ConnectError = -7,
};

using Entries = QMap<QString, QVariant>;

struct Message {
    qint64 id = 0;
    Entries entries;

    Message() = default;
    Message(Id kind, Entries values) : id(qint64(kind)), entries(std::move(values)) {}

    bool is(Id kind) const { return id == qint64(kind); }

    // Qt's own narrowing: the low 32 bits, 0 when the entry is missing.
    int number(const char *key) const { return entries.value(QLatin1String(key)).toInt(); }
    QString text(const char *key) const { return entries.value(QLatin1String(key)).toString(); }

    QByteArray encode() const;

    // Never fails: an unreadable value becomes 0 or empty, as in the original.
    static Message decode(const QByteArray &bytes);
};

inline QVariant number(qint64 value) { return QVariant::fromValue(value); }

} // namespace qtpeer

// MD5 of the beginning of a file, in the form the dialect carries it.
#pragma once

#include <QString>

namespace qtpeer {

// 32 lower-case hex digits over the first `length` bytes, or over the whole file if it is shorter;
// the null string when the file cannot be read.
QString md5OfPrefix(const QString &path, qint64 length);

} // namespace qtpeer

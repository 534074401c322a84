#ifndef UPLOADER_H
#define UPLOADER_H

#include <fileclient.h>

/** Uploads a file; returns a code of FileClient. */
qint64 upload(FileClient &client, const QString &file);

#endif

#include "uploader.h"

qint64 upload(FileClient &client, const QString &file)
{
    return client.fileUpload(file);
}

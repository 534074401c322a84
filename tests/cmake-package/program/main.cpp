// program HOST PORT FILE: uploads a file by the library.
#include <uploader.h>

#include <QCoreApplication>

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    if (arguments.size() != 4)
        return 2;
    FileClient client(arguments[1], quint16(arguments[2].toUInt()));
    return upload(client, arguments[3]) == 0 ? 0 : 1;
}

// FileClient in a Qt console program: uploads files and reports each result.
//
//     ./console 127.0.0.1 7411 report.pdf ...
#include <fileclient.h>

#include <QCoreApplication>
#include <QTextStream>

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    QTextStream out(stdout);
    if (arguments.size() < 4) {
        out << "usage: console HOST PORT FILE...\n";
        return 2;
    }
    FileClient client(arguments[1], quint16(arguments[2].toUInt()));
    QObject::connect(&client, &FileClient::fileFinished, [&](const QString &file, qint64 status) {
        out << file << ": " << (status == OK ? "done" : client.lastError()) << "\n";
    });
    return client.filesUpload(arguments.mid(3)) == OK ? 0 : 1;
}

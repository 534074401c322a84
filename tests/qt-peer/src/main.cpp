// qt-peer client [--timeout SECONDS] HOST PORT upload|download FILE...
// qt-peer server --port PORT --root DIR
#include "client.h"
#include "server.h"

#include <QCoreApplication>
#include <QStringList>

#include <cstdio>

namespace {

int usage()
{
    std::fputs("usage: qt-peer client [--timeout SECONDS] HOST PORT upload|download FILE...\n"
               "       qt-peer server --port PORT --root DIR\n",
               stderr);
    return 2;
}

// Removes `--name VALUE` from the arguments.
QString option(QStringList &args, const QString &name, const QString &otherwise)
{
    const int at = int(args.indexOf(name));
    if (at < 0 || at + 1 >= args.size())
        return otherwise;
    const QString value = args.at(at + 1);
    args.erase(args.begin() + at, args.begin() + at + 2);
    return value;
}

int runClient(QStringList args)
{
    // Only as the first argument, since a file may be named --timeout.
    int timeoutMs = 30'000;
    if (args.value(0) == QLatin1String("--timeout"))
        timeoutMs = int(option(args, "--timeout", "30").toDouble() * 1000);
    if (args.size() < 4)
        return usage();
    const QString verb = args.at(2);
    if (verb != QLatin1String("upload") && verb != QLatin1String("download"))
        return usage();

    qtpeer::Client client(args.at(0), quint16(args.at(1).toUInt()), timeoutMs);
    for (const QString &file : args.mid(3)) {
        const int status =
            verb == QLatin1String("upload") ? client.upload(file) : client.download(file);
        if (status != qtpeer::Done) {
            std::printf("status=%d\n", status);
            return 1;
        }
    }
    return 0;
}

int runServer(QStringList args, QCoreApplication &app)
{
    const QString root = option(args, "--root", ".");
    const QString wanted = option(args, "--port", "0");
    if (!args.isEmpty())
        return usage();
    qtpeer::Server server(root);
    const quint16 port = server.listen(quint16(wanted.toUInt()));
    if (port == 0) {
        std::fprintf(stderr, "port %s cannot be listened on\n", qPrintable(wanted));
        return 1;
    }
    std::printf("listening on %u\n", unsigned(port));
    std::fflush(stdout);
    return app.exec();
}

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QStringList args = app.arguments();
    if (args.value(1) == QLatin1String("client"))
        return runClient(args.mid(2));
    if (args.value(1) == QLatin1String("server"))
        return runServer(args.mid(2), app);
    return usage();
}

/* Features that FileClient adds to the original: signals, cancel() and properties.
 *
 * features HOST PORT
 *     upload|download|cancel-in-signal|cancel-elsewhere|cancel-download|cancel-list|destroy|
 *     again-upload|again-download|secure FILE...
 * prints the signals (secure: the status and the reason), and at the end "<code> <finer code>"; again- repeats the call after a
 * failure. */
#include "fileclient.h"

#include <QCoreApplication>
#include <QMap>
#include <QMetaProperty>
#include <QThread>

#include <cstdio>

static const char *text(const QString &string)
{
    static QByteArray bytes;
    bytes = string.toUtf8();
    return bytes.constData();
}

/** Cancels from another thread. */
class Canceller : public QThread {
public:
    explicit Canceller(FileClient *client) : client(client) {}

protected:
    void run() override { client->cancel(); }

private:
    FileClient *client;
};

/** Sets every property by its name, as QML would, and reads it back. */
static bool set_properties(FileClient &client)
{
    const char *names[] = {"retries", "timeout", "streams"};
    const int values[] = {0, 20000, 1};
    for (int index = 0; index < 3; index++) {
        if (!client.setProperty(names[index], values[index]) ||
            client.property(names[index]).toInt() != values[index])
            return false;
    }
    client.setStreams(1000);
    client.setRetries(-1);
    client.setTimeout(0);
    client.setLimitRate(1);
    const bool bounded = client.streams() == 64 && client.retries() == 0 &&
                         client.timeout() == 1 && client.limitRate() == 8192;
    const bool limits = client.setProperty("limitRate", 100000) && client.limitRate() == 100000;
    client.setLimitRate(-1);
    const bool unlimited = client.limitRate() == 0;
    client.setCompress(20);
    const bool compresses = client.compress() == 19 && client.setProperty("compress", -2) &&
                            client.compress() == -1;
    client.setCompress(0);
    client.setTimeout(20000);
    client.setStreams(1);
    const bool native = client.setProperty("dialect", int(FileClient::Dialect::Native)) &&
                        client.dialect() == FileClient::Dialect::Native;
    client.setDialect(FileClient::Dialect::Auto);
    const bool keeps = client.setProperty("keepGoing", true) && client.keepGoing();
    const bool hastens = client.setProperty("durable", false) && !client.isDurable();
    client.setKeepGoing(false);
    client.setDurable(true);
    return bounded && limits && unlimited && compresses && native && keeps && hastens;
}

/** Uploads a file with the settings that variables give. Prints the status and the reason. */
static int secure(FileClient *client, const QStringList &files)
{
    const bool required = qgetenv("FTX_TEST_TLS") == "1";
    const QString pin = QString::fromUtf8(qgetenv("FTX_TEST_FINGERPRINT"));
    const QString token = QString::fromUtf8(qgetenv("FTX_TEST_TOKEN"));
    client->setTls(required ? FileClient::Tls::Require : FileClient::Tls::Auto);
    if (!client->setProperty("fingerprint", pin) || !client->setProperty("token", token) ||
        client->fingerprint() != pin || client->token() != token)
        return 3;
    client->filesUpload(files);
    std::printf("%d %s\n", int(client->lastStatus()), text(client->lastError()));
    delete client;
    return 0;
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    if (arguments.size() < 5)
        return 2;
    const QByteArray verb = arguments[3].toUtf8();
    const QStringList files = arguments.mid(4);
    FileClient *client = new FileClient(arguments[1], quint16(arguments[2].toInt()));
    Canceller canceller(client);
    // Of each file: several are under way at the same time.
    QMap<QString, qint64> most;
    QMap<QString, qint64> whole;
    bool moving = false;

    if (!set_properties(*client))
        return 3;
    if (verb == "secure")
        return secure(client, files);
    QObject::connect(client, &FileClient::progress, client,
                     [&](const QString &file, qint64 done, qint64 total) {
                         if (done > total || done < most.value(file))
                             std::printf("progress goes back: %d of %d\n", int(done), int(total));
                         most[file] = done;
                         whole[file] = total;
                         if (done > 0 && !moving) {
                             moving = true;
                             std::printf("moving\n");
                             std::fflush(stdout);
                         }
                         if (done == 0)
                             return;
                         if (verb == "cancel-in-signal" || verb == "cancel-download")
                             client->cancel();
                         else if (verb == "cancel-elsewhere")
                             canceller.start();
                         else if (verb == "destroy")
                             delete client;
                     });
    QObject::connect(client, &FileClient::fileFinished, client,
                     [&](const QString &file, qint64 status) {
                         std::printf("finished %s %d\n", text(file), int(status));
                         if (status == OK &&
                             (whole.value(file) == 0 || most.value(file) != whole.value(file)))
                             std::printf("progress of %s ends early\n", text(file));
                         most.remove(file);
                         if (verb == "cancel-list")
                             client->cancel();
                     });
    QObject::connect(client, &FileClient::errorOccurred, client,
                     [](qint64 status, const QString &message) {
                         std::printf("error %d %s\n", int(status), text(message));
                     });

    const auto transfer = [&] {
        return verb.endsWith("download") ? client->filesDownload(files)
                                         : client->filesUpload(files);
    };
    qint64 status = transfer();
    if (verb.startsWith("again-") && status != OK)
        status = transfer();
    canceller.wait();
    if (verb == "destroy") {
        std::printf("%d destroyed\n", int(status));
        return 0;
    }
    std::printf("%d %d\n", int(status), int(client->lastStatus()));
    delete client;
    return 0;
}

/* The calls of FileClient: cancellation, lists that continue behind a failure, resources and search
 * paths, and what a subclass may call.
 *
 * calls HOST PORT cancelled|lists|paths|nested|probe|unreachable|silent prints "done" if all went
 * well. */
#include "check.h"
#include "fileclient.h"

#include <ftx.h>

#include <QCoreApplication>
#include <QDir>
#include <QElapsedTimer>
#include <QFileInfo>

static const QString A = QStringLiteral("a");
static const QString B = QStringLiteral("b");

/** A subclass as an application of the original has it. */
class Probing : public FileClient {
public:
    Probing(const QString &host, quint16 port) : FileClient(host, port) {}

    bool isThere()
    {
        paramInit();
        return socketConnect();
    }
};

static void cancelled(Probing *client)
{
    make_file(A, 1000);
    client->cancel();
    CHECK(client->isCancelled());
    CHECK(client->filesUpload({A, B}) == RECV_DATA_TIMEOUT_ERROR);
    CHECK(client->lastStatus() == FTX_CANCELLED && !client->lastError().isEmpty());
    // It has ended with its call, which has sent nothing.
    CHECK(!client->isCancelled());
    CHECK(client->fileDownload(A) == FILE_OPEN_ERROR);
    CHECK(client->fileUpload(A) == OK && client->lastStatus() == FTX_OK);

    client->cancel();
    client->resetCancel();
    CHECK(client->fileUpload(A) == OK);
    client->cancel();
    CHECK(client->filesUpload({}) == OK);
    CHECK(client->fileUpload(A) == OK);

    // A cancellation of the running call cannot be taken back, and does not outlive it.
    const auto late = QObject::connect(client, &FileClient::fileFinished, client, [client] {
        client->cancel();
        client->resetCancel();
        CHECK(client->isCancelled());
    });
    CHECK(client->fileUpload(A) == OK);
    CHECK(QObject::disconnect(late));
    CHECK(client->fileUpload(A) == OK);
}

static void lists(Probing *client)
{
    const QStringList names{QStringLiteral("1"), QStringLiteral("2"), QStringLiteral("missing"),
                            QStringLiteral("4"), QStringLiteral("5")};
    for (const QString &name : names)
        if (name != names[2])
            make_file(name, 1000);
    QStringList finished;
    QStringList failed;
    QList<qint64> last;
    QObject::connect(client, &FileClient::fileFinished, client,
                     [&](const QString &file) { finished += file; });
    QObject::connect(client, &FileClient::fileFailed, client,
                     [&](const QString &file, qint64 code, const QString &message) {
                         CHECK(code == FILE_OPEN_ERROR && !message.isEmpty());
                         CHECK(message == client->lastError());
                         failed += file;
                     });
    QObject::connect(client, &FileClient::totalProgress, client,
                     [&](int done, int files, qint64 bytes, qint64 total) {
                         CHECK(done <= files && bytes <= total);
                         last = {done, files, bytes, total};
                     });
    client->setKeepGoing(true);
    for (const bool up : {true, false}) {
        finished.clear();
        failed.clear();
        CHECK((up ? client->filesUpload(names) : client->filesDownload(names)) == FILE_OPEN_ERROR);
        finished.sort();
        CHECK(finished == names.mid(0, 2) + names.mid(3) + names.mid(2, 1));
        CHECK(failed == names.mid(2, 1));
        CHECK(client->errors().size() == 1 && client->errors().first().file == names[2]);
        CHECK(client->errors().first().code == FILE_OPEN_ERROR);
        CHECK(client->errors().first().status == client->lastStatus());
        CHECK(client->errors().first().message == client->lastError());
        CHECK(last == QList<qint64>({4, 5, 4000, 4000}));
        CHECK(client->totals().filesFailed == 1 && client->totals().bytesDone == 4000);
        for (const QString &name : names)
            if (up && name != names[2])
                CHECK(QFile::remove(name));
    }
    for (const QString &name : names)
        CHECK(QFileInfo(name).size() == (name == names[2] ? 0 : 1000));
    client->setKeepGoing(false);
    CHECK(client->fileUpload(names[0]) == OK && client->errors().isEmpty());
}

static void paths(Probing *client)
{
    const QString resource = QStringLiteral(":/texts/greeting.txt");
    const QString greeting = QStringLiteral("greeting.txt");
    CHECK(client->fileUpload(resource) == OK);
    CHECK(client->fileDownload(greeting) == OK && bytes_of(greeting) == bytes_of(resource));
    CHECK(client->fileUpload(QStringLiteral(":/texts/none")) == FILE_OPEN_ERROR);
    CHECK(client->fileDownload(resource) == FILE_OPEN_ERROR);
    CHECK(client->lastError().contains(resource));
    CHECK(client->fileUpload(QString()) == FILE_OPEN_ERROR);

    CHECK(QDir().mkpath(QStringLiteral("one")) && QDir().mkpath(QStringLiteral("two")));
    QDir::setSearchPaths(QStringLiteral("data"), {QStringLiteral("one"), QStringLiteral("two")});
    QDir::setSearchPaths(QStringLiteral("texts"), {QStringLiteral(":/texts")});
    const QString prefixed = QStringLiteral("data:x");
    make_file(QStringLiteral("two/x"), 3000);
    CHECK(client->fileUpload(prefixed) == OK);
    // It replaces the file that has the name, or else is new in the first directory.
    make_file(QStringLiteral("two/x"), 10);
    CHECK(client->fileDownload(prefixed) == OK);
    CHECK(QFileInfo(QStringLiteral("two/x")).size() == 3000);
    CHECK(QFile::remove(QStringLiteral("two/x")));
    CHECK(client->fileDownload(prefixed) == OK);
    CHECK(QFileInfo(QStringLiteral("one/x")).size() == 3000);
    const QString both = QStringLiteral("texts:greeting.txt");
    CHECK(client->filesUpload({both, prefixed}) == OK);
    CHECK(client->fileDownload(both) == FILE_OPEN_ERROR);
}

/** The jobs of ftx::qt::Client know the same paths. */
static void job_paths(const QString &host, quint16 port)
{
    const QString resource = QStringLiteral(":/texts/greeting.txt");
    const QString name = QStringLiteral("greeting");
    ftx::qt::Client client(host, port);
    CHECK(ended(client.upload({resource}, {name})) == FTX_OK);
    CHECK(ended(client.download({name}, {name})) == FTX_OK);
    CHECK(bytes_of(name) == bytes_of(resource));
    CHECK(!client.download({name}, {resource}) && client.errorString().contains(resource));
}

/** A receiver makes a call of its own, in the middle of a file and at its end. */
static void nested(Probing *client)
{
    make_file(A, 3 << 20);
    make_file(B, 1000);
    const QString end = QStringLiteral("end");
    make_file(end, 1000);
    bool inside = false;
    QObject::connect(client, &FileClient::progress, client, [&](const QString &file) {
        if (file != A || inside)
            return;
        inside = true;
        CHECK(client->fileUpload(B) == OK);
    });
    QObject::connect(client, &FileClient::fileFinished, client, [&](const QString &file) {
        if (file == A)
            CHECK(client->filesUpload({end, B}) == OK);
    });
    CHECK(client->fileUpload(A) == OK && inside);
    CHECK(client->totals().filesTotal == 1 && client->totals().bytesDone == 3 << 20);
    CHECK(client->filesDownload({A, B, end}) == OK);
}

static void probe(Probing *client)
{
    CHECK(client->isThere());
    make_file(A, 1000);
    CHECK(client->fileUpload(A) == OK && client->isThere());
    client->setDialect(FileClient::Dialect::Legacy);
    CHECK(client->isThere());
}

static void unreachable(Probing *client)
{
    CHECK(!client->isThere());
    client->setDialect(FileClient::Dialect::Legacy);
    CHECK(!client->isThere());
    CHECK(client->filesDownload({A, B}) == CONNECT_SERVER_ERROR);
    CHECK(client->errors().size() == 1 && client->errors().first().file == A);
    const QString host = QStringLiteral("127.0.0.1");
    for (const QString &bad : {QStringLiteral("http://") + host, QStringLiteral("1.2.3.256"), QString()}) {
        Probing malformed(bad, 7411);
        CHECK(malformed.fileUpload(A) == CONNECT_SERVER_ERROR);
        CHECK(malformed.lastStatus() == FTX_INVALID_ADDRESS && !malformed.isThere());
    }
    Probing nowhere(host, 0);
    CHECK(nowhere.fileDownload(A) == CONNECT_SERVER_ERROR);
    CHECK(nowhere.lastStatus() == FTX_INVALID_ADDRESS);
}

/** A call to a server that accepts and then says nothing takes one timeout in all. */
static void silent(Probing *client)
{
    const int timeout = 3000;
    client->setTimeout(timeout);
    make_file(A, 1000);
    make_file(B, 1000);
    for (const bool up : {true, false}) {
        QElapsedTimer timer;
        timer.start();
        CHECK((up ? client->filesUpload({A, B}) : client->filesDownload({A, B})) ==
              RECV_DATA_TIMEOUT_ERROR);
        CHECK(timer.elapsed() >= timeout && timer.elapsed() < 2 * timeout);
        CHECK(client->errors().size() == 1 && client->lastStatus() == FTX_TIMED_OUT);
    }
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    CHECK(arguments.size() == 4);
    const QString host = arguments[1];
    const quint16 port = quint16(arguments[2].toInt());
    const struct {
        const char *name;
        void (*run)(Probing *);
    } scenarios[] = {{"cancelled", cancelled}, {"lists", lists}, {"paths", paths},
                     {"nested", nested},       {"probe", probe}, {"unreachable", unreachable},
                     {"silent", silent}};
    for (const auto &scenario : scenarios) {
        if (arguments[3] != QLatin1String(scenario.name))
            continue;
        Probing client(host, port);
        scenario.run(&client);
        if (arguments[3] == QLatin1String("paths"))
            job_paths(host, port);
        std::puts("done");
        return 0;
    }
    return 2;
}

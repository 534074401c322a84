/* The Qt classes in a process that forks: the child gets errors, and the parent continues.
 *
 * forks HOST PORT after|during|listing FILE: forks after a call, in a signal of one, or in a callback
 * of the library. The child prints first. */
#include "fileclient.h"
#include "ftxclient.h"

#include <ftx.h>

#include <QCoreApplication>

#include <cstdio>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char *operation, const FileClient &client, qint64 status)
{
    std::printf("%s: %d %d%s\n", operation, int(status), int(client.lastStatus()),
                client.lastError().isEmpty() ? "" : ", and why");
    std::fflush(stdout);
}

/** Waits for the child; returns whether it succeeded. */
static bool waits_for(pid_t child)
{
    int ended = 0;
    return waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 0;
}

/** Forks; an alarm kills a child that hangs. */
static pid_t forked()
{
    const pid_t child = fork();
    if (child == 0)
        alarm(60);
    return child;
}

static void be_a_child(FileClient *old, ftx::qt::Client *jobs, const QStringList &arguments)
{
    const QString file = arguments[4];
    show("child, upload", *old, old->fileUpload(file));
    show("child, download", *old, old->filesDownload({file, file}));
    old->cancel();
    delete old;
    const bool refused = !jobs->list(QString()) && !jobs->errorString().isEmpty();
    jobs->cancel();
    delete jobs;
    std::printf("child, jobs: %s\n", refused ? "refused" : "taken");
    FileClient own(arguments[1], quint16(arguments[2].toInt()));
    show("child, its own", own, own.fileUpload(file));
}

/** Forks at the first entry. */
static int32_t fork_at_entry(const ftx_entry *, void *data)
{
    pid_t *child = static_cast<pid_t *>(data);
    if (*child != -1)
        return 0;
    *child = forked();
    if (*child > 0 && !waits_for(*child))
        std::puts("the child has failed");
    return 0;
}

static int list(const QStringList &arguments)
{
    const QByteArray host = arguments[1].toUtf8();
    ftx_client *client = nullptr;
    if (ftx_client_new_at(host.constData(), quint16(arguments[2].toInt()), nullptr, &client) != OK)
        return 7;
    pid_t child = -1;
    const qint32 status = ftx_client_list(client, nullptr, 0, fork_at_entry, &child);
    std::printf("%s: %d\n", child == 0 ? "child" : "parent", status);
    std::fflush(stdout);
    if (child == 0)
        _exit(0);
    ftx_client_free(client);
    return 0;
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    if (arguments.size() != 5)
        return 2;
    if (arguments[3] == QLatin1String("listing"))
        return list(arguments);
    const QString file = arguments[4];
    FileClient *client = new FileClient(arguments[1], quint16(arguments[2].toInt()));
    ftx::qt::Client *jobs =
        new ftx::qt::Client(arguments[1], quint16(arguments[2].toInt()));
    if (!jobs->list(QString()))
        return 3;

    pid_t child = -1;
    if (arguments[3] == QLatin1String("during")) {
        QObject::connect(client, &FileClient::progress, client, [&](QString, qint64 done, qint64) {
            if (child != -1 || done == 0)
                return;
            child = forked();
            if (child > 0 && !waits_for(child))
                std::puts("the child has failed");
        });
        const qint64 status = client->fileUpload(file);
        show(child == 0 ? "child" : "parent", *client, status);
        if (child == 0)
            _exit(0);
        return child > 0 ? 0 : 4;
    }
    if (client->fileUpload(file) != OK)
        return 5;
    child = forked();
    if (child == 0) {
        be_a_child(client, jobs, arguments);
        _exit(0);
    }
    const bool well = child > 0 && waits_for(child);
    show("parent", *client, client->fileDownload(file));
    delete jobs;
    delete client;
    return well ? 0 : 6;
}

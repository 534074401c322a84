/* docs/qt.md, "With a progress dialog": the client lives in a thread of its own, and the dialog's button
 * is clicked before the queued call has begun.
 *
 * dialog HOST PORT late|early FILE... clicks never or before; prints the codes of two calls. */
#include "fileclient.h"

#include <QApplication>
#include <QProgressDialog>
#include <QPushButton>
#include <QSemaphore>
#include <QThread>

#include <cstdio>

/** Queues a call, and runs the event loop until it has ended. */
static void upload(FileClient *client, const QStringList &files)
{
    QEventLoop loop;
    QMetaObject::invokeMethod(client, [client, files, &loop] {
        const qint64 code = client->filesUpload(files);
        std::printf("%d %d\n", int(code), int(client->lastStatus()));
        std::fflush(stdout);
        QMetaObject::invokeMethod(&loop, "quit", Qt::QueuedConnection);
    });
    loop.exec();
}

int main(int argc, char **argv)
{
    QApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    if (arguments.size() < 5)
        return 2;
    QThread thread;
    FileClient *client = new FileClient(arguments[1], quint16(arguments[2].toInt()));
    client->moveToThread(&thread);
    QObject::connect(&thread, &QThread::finished, client, &QObject::deleteLater);
    thread.start();

    QProgressDialog dialog(QStringLiteral("Uploading"), QStringLiteral("Cancel"), 0, 1000);
    QPushButton *button = new QPushButton(QStringLiteral("Cancel"));
    dialog.setCancelButton(button);
    dialog.setMinimumDuration(0);
    QObject::connect(client, &FileClient::totalProgress, &dialog,
                     [&](int, int, qint64 done, qint64 total) {
                         dialog.setValue(total > 0 ? int(done * 1000 / total) : 0);
                     });
    QObject::connect(&dialog, &QProgressDialog::canceled, client, &FileClient::cancel,
                     Qt::DirectConnection);

    // The call waits in the queue behind this until the button is clicked.
    QSemaphore clicked;
    QMetaObject::invokeMethod(client, [&] { clicked.acquire(); });
    if (arguments[3] == QLatin1String("early"))
        QMetaObject::invokeMethod(button, [&] {
            button->click();
            clicked.release();
        }, Qt::QueuedConnection);
    else
        clicked.release();
    upload(client, arguments.mid(4));
    // The dialog closes, which it reports as a click, too late for the call.
    dialog.close();
    client->resetCancel();
    upload(client, arguments.mid(4));
    thread.quit();
    thread.wait();
    return 0;
}

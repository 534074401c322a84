// The row of one file: its progress, and buttons to pause and to cancel it.
#ifndef ROW_H
#define ROW_H

#include <ftxclient.h>

#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QWidget>

class Row : public QWidget {
    Q_OBJECT

public:
    Row(const QString &path, ftx::qt::Client *client, QWidget *parent);

private:
    void lay(const QString &path);
    void show(qint64 done, qint64 total);
    void pauseOrResume();
    void end(qint64 status);
    void fail(const QString &why);

    ftx::qt::Job *job;
    bool paused = false;
    QLabel *name;
    QLabel *amount;
    QLabel *state;
    QProgressBar *bar;
    QPushButton *pause;
    QPushButton *cancel;
};

#endif

// One file on its way: how far it is, and buttons to pause and to cancel it.
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
    void show(qint64 done, qint64 total);
    void pauseOrResume();
    void end(qint64 status);

    ftx::qt::Job *job;
    bool paused = false;
    QProgressBar *bar;
    QLabel *state;
    QPushButton *pause;
    QPushButton *cancel;
};

#endif

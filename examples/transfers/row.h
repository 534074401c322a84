// The row of one file: its state, its progress, and the buttons that fit the state.
#ifndef ROW_H
#define ROW_H

#include "speed.h"

#include <ftxclient.h>

#include <QDeadlineTimer>
#include <QLabel>
#include <QPointer>
#include <QProgressBar>
#include <QPushButton>
#include <QTimer>
#include <QWidget>

class Row : public QWidget {
    Q_OBJECT

public:
    enum State { Waiting, Moving, Paused, Retrying, Done, Failed, Cancelled };

    explicit Row(const QString &path, QWidget *parent = nullptr);
    /** Cancels the upload; transferred data is kept. */
    ~Row() override;

    /** Starts the upload, or starts it again: it resumes where it stopped. */
    void start(ftx::qt::Client *client);

    State state() const { return current; }
    bool hasEnded() const { return current == Done || current == Failed || current == Cancelled; }

Q_SIGNALS:
    void stateChanged();
    /** The user wants it started again. */
    void retryClicked();
    /** The user wants the row removed. */
    void removeClicked();

protected:
    void resizeEvent(QResizeEvent *event) override;

private:
    void layOut();
    void enter(State state, const QString &text);
    void showState();
    void moved(qint64 done, qint64 total);
    void retrying(qint64 status, int attempt, qint64 pauseMs);
    void tellRetry();
    void pauseOrResume();
    void ended(qint64 status);
    QString amount() const;

    const QString path;
    // The client owns the jobs, and may be destroyed first.
    QPointer<ftx::qt::Job> job;
    State current = Waiting;
    qint64 doneBytes = 0;
    qint64 totalBytes = 0;
    Speed speed;

    int attempt = 0;
    QString reason;
    QDeadlineTimer nextAttempt;
    QTimer *countdown;

    QLabel *icon;
    QLabel *name;
    QLabel *text;
    QProgressBar *bar;
    QPushButton *pause;
    QPushButton *cancel;
    QPushButton *retry;
    QPushButton *remove;
};

#endif

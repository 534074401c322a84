#include "row.h"

#include <ftx.h>

#include <QFileInfo>
#include <QHBoxLayout>

using ftx::qt::Job;

namespace {
// QProgressBar counts in int, and files are larger.
const int STEPS = 1000;
} // namespace

Row::Row(const QString &path, ftx::qt::Client *client, QWidget *parent)
    : QWidget(parent), bar(new QProgressBar), state(new QLabel(tr("waiting"))),
      pause(new QPushButton(tr("Pause"))), cancel(new QPushButton(tr("Cancel")))
{
    const QString name = QFileInfo(path).fileName();
    QHBoxLayout *layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(new QLabel(name));
    layout->addWidget(bar, 1);
    layout->addWidget(state);
    layout->addWidget(pause);
    layout->addWidget(cancel);
    bar->setMaximum(STEPS);
    state->setObjectName(QStringLiteral("state"));
    pause->setObjectName(QStringLiteral("pause"));
    cancel->setObjectName(QStringLiteral("cancel"));

    job = client->upload({path}, {name});
    if (!job) {
        state->setText(tr("failed"));
        state->setToolTip(client->errorString());
        pause->setEnabled(false);
        cancel->setEnabled(false);
        return;
    }
    connect(job, &Job::progress, this,
            [this](int, qint64 done, qint64 total) { show(done, total); });
    connect(job, &Job::paused, this, [this] { state->setText(tr("paused")); });
    connect(job, &Job::finished, this, &Row::end);
    connect(pause, &QPushButton::clicked, this, &Row::pauseOrResume);
    connect(cancel, &QPushButton::clicked, job, &Job::cancel);
}

void Row::show(qint64 done, qint64 total)
{
    bar->setValue(total > 0 ? int(double(done) / double(total) * STEPS) : STEPS);
    if (!paused)
        state->setText(tr("under way"));
}

void Row::pauseOrResume()
{
    paused = !paused;
    pause->setText(paused ? tr("Resume") : tr("Pause"));
    state->setText(paused ? tr("pausing") : tr("under way"));
    if (paused)
        job->pause();
    else
        job->resume();
}

void Row::end(qint64 status)
{
    state->setText(status == FTX_OK ? tr("done")
                                    : status == FTX_CANCELLED ? tr("cancelled") : tr("failed"));
    state->setToolTip(job->errorString());
    pause->setEnabled(false);
    cancel->setEnabled(false);
}

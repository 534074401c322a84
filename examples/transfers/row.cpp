#include "row.h"

#include <ftx.h>

#include <QFileInfo>
#include <QGridLayout>
#include <QLocale>

using ftx::qt::Job;

namespace {
// QProgressBar counts in int, and files are larger.
const int STEPS = 1000;

const int NAME_WIDTH = 240;
} // namespace

Row::Row(const QString &path, ftx::qt::Client *client, QWidget *parent)
    : QWidget(parent), job(client->upload({path}, {QFileInfo(path).fileName()})),
      name(new QLabel), amount(new QLabel), state(new QLabel(tr("waiting"))),
      bar(new QProgressBar), pause(new QPushButton(tr("Pause"))),
      cancel(new QPushButton(tr("Cancel")))
{
    lay(path);
    if (!job) {
        fail(client->errorString());
        return;
    }
    connect(job, &Job::progress, this,
            [this](int, qint64 done, qint64 total) { show(done, total); });
    connect(job, &Job::paused, this, [this] {
        // The user may have resumed it since.
        if (paused)
            state->setText(tr("paused"));
    });
    connect(job, &Job::finished, this, &Row::end);
    connect(pause, &QPushButton::clicked, this, &Row::pauseOrResume);
    connect(cancel, &QPushButton::clicked, job, &Job::cancel);
}

void Row::lay(const QString &path)
{
    QFont bold = name->font();
    bold.setBold(true);
    name->setFont(bold);
    const QString text = QFileInfo(path).fileName();
    name->setText(QFontMetrics(bold).elidedText(text, Qt::ElideMiddle, NAME_WIDTH));
    name->setToolTip(path);
    bar->setMaximum(STEPS);
    // Tests find the widgets by these names.
    name->setObjectName(QStringLiteral("name"));
    state->setObjectName(QStringLiteral("state"));
    pause->setObjectName(QStringLiteral("pause"));
    cancel->setObjectName(QStringLiteral("cancel"));

    QGridLayout *layout = new QGridLayout(this);
    layout->setContentsMargins(0, 4, 0, 4);
    layout->setColumnStretch(1, 1);
    layout->addWidget(name, 0, 0);
    layout->addWidget(amount, 0, 1, Qt::AlignRight);
    layout->addWidget(state, 0, 2, 1, 2, Qt::AlignRight);
    layout->addWidget(bar, 1, 0, 1, 2);
    layout->addWidget(pause, 1, 2);
    layout->addWidget(cancel, 1, 3);
}

void Row::show(qint64 done, qint64 total)
{
    bar->setValue(total > 0 ? int(double(done) / double(total) * STEPS) : STEPS);
    const QLocale locale;
    amount->setText(
        tr("%1 of %2").arg(locale.formattedDataSize(done), locale.formattedDataSize(total)));
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
    pause->setEnabled(false);
    cancel->setEnabled(false);
    if (status == FTX_OK)
        state->setText(tr("done"));
    else if (status == FTX_CANCELLED)
        state->setText(tr("cancelled"));
    else
        fail(job->errorString());
}

void Row::fail(const QString &why)
{
    pause->setEnabled(false);
    cancel->setEnabled(false);
    state->setText(tr("failed"));
    amount->setText(why);
    amount->setWordWrap(true);
}

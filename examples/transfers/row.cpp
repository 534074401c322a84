#include "row.h"

#include <ftx.h>

#include <QFileInfo>
#include <QFrame>
#include <QGridLayout>
#include <QLocale>
#include <QStyle>

using ftx::qt::Job;

namespace {

// QProgressBar counts in int, and files are larger.
const int STEPS = 1000;

const int SYMBOL_PIXELS = 24;

QString dataSize(qint64 bytes)
{
    return QLocale().formattedDataSize(bytes, 1);
}

/** Returns a text that a label may also wrap inside a path. */
QString breakable(const QString &text)
{
    QString result;
    for (const QChar c : text) {
        result += c;
        if (QStringLiteral("/\\_-.").contains(c))
            result += QChar(0x200b); // ZERO WIDTH SPACE
    }
    return result;
}

QString timeLeft(double seconds)
{
    if (seconds < 60)
        return Row::tr("%1 s left").arg(qMax(1, int(seconds + 0.5)));
    if (seconds < 3600)
        return Row::tr("%1 min left").arg(int(seconds / 60 + 0.5));
    return Row::tr("%1 h left").arg(seconds / 3600, 0, 'f', 1);
}

QStyle::StandardPixmap symbol(Row::State state)
{
    switch (state) {
    case Row::Waiting:
        return QStyle::SP_FileIcon;
    case Row::Moving:
        return QStyle::SP_ArrowUp;
    case Row::Paused:
        return QStyle::SP_MediaPause;
    case Row::Retrying:
        return QStyle::SP_MessageBoxWarning;
    case Row::Done:
        return QStyle::SP_DialogApplyButton;
    case Row::Failed:
        return QStyle::SP_MessageBoxCritical;
    case Row::Cancelled:
        return QStyle::SP_DialogCancelButton;
    }
    return QStyle::SP_FileIcon;
}

} // namespace

Row::Row(const QString &file, QWidget *parent)
    : QWidget(parent), path(file), countdown(new QTimer(this)), icon(new QLabel), name(new QLabel),
      text(new QLabel), bar(new QProgressBar), pause(new QPushButton), cancel(new QPushButton(tr("Cancel"))),
      retry(new QPushButton(tr("Retry"))), remove(new QPushButton(tr("Remove")))
{
    layOut();
    countdown->setInterval(1000);
    connect(countdown, &QTimer::timeout, this, &Row::tellRetry);
    connect(pause, &QPushButton::clicked, this, &Row::pauseOrResume);
    connect(cancel, &QPushButton::clicked, this, [this] {
        if (job)
            job->cancel();
    });
    connect(retry, &QPushButton::clicked, this, &Row::retryClicked);
    connect(remove, &QPushButton::clicked, this, &Row::removeClicked);
    showState();
}

Row::~Row()
{
    delete job;
}

void Row::layOut()
{
    QFont bold = name->font();
    bold.setBold(true);
    name->setFont(bold);
    name->setToolTip(path);
    // They take the width that there is: a long name or error must not widen the window.
    name->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    text->setWordWrap(true);
    QSizePolicy policy = text->sizePolicy();
    policy.setHorizontalPolicy(QSizePolicy::Ignored);
    text->setSizePolicy(policy);
    text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    icon->setFixedSize(SYMBOL_PIXELS, SYMBOL_PIXELS);
    icon->setAlignment(Qt::AlignCenter);
    bar->setMaximum(STEPS);
    bar->setTextVisible(false);
    bar->setFixedHeight(12);
    QFrame *line = new QFrame;
    line->setFrameShape(QFrame::HLine);
    line->setFrameShadow(QFrame::Plain);
    line->setForegroundRole(QPalette::Midlight);
    // Tests find the widgets by these names.
    name->setObjectName(QStringLiteral("name"));
    text->setObjectName(QStringLiteral("state"));
    pause->setObjectName(QStringLiteral("pause"));
    cancel->setObjectName(QStringLiteral("cancel"));
    retry->setObjectName(QStringLiteral("retry"));
    remove->setObjectName(QStringLiteral("remove"));

    QGridLayout *layout = new QGridLayout(this);
    layout->setContentsMargins(8, 8, 8, 0);
    layout->setHorizontalSpacing(10);
    layout->setVerticalSpacing(4);
    layout->setColumnStretch(1, 1);
    layout->addWidget(icon, 0, 0, 3, 1, Qt::AlignTop);
    layout->addWidget(name, 0, 1);
    layout->addWidget(bar, 1, 1, Qt::AlignVCenter);
    layout->addWidget(text, 2, 1);
    // Only one of each pair is shown.
    layout->addWidget(pause, 0, 2, 3, 1, Qt::AlignTop);
    layout->addWidget(retry, 0, 2, 3, 1, Qt::AlignTop);
    layout->addWidget(cancel, 0, 3, 3, 1, Qt::AlignTop);
    layout->addWidget(remove, 0, 3, 3, 1, Qt::AlignTop);
    layout->setRowMinimumHeight(3, 4);
    layout->addWidget(line, 4, 0, 1, 4);
}

void Row::resizeEvent(QResizeEvent *event)
{
    QWidget::resizeEvent(event);
    const QString whole = QFileInfo(path).fileName();
    name->setText(name->fontMetrics().elidedText(whole, Qt::ElideMiddle, name->width()));
}

void Row::start(ftx::qt::Client *client)
{
    delete job;
    doneBytes = 0;
    totalBytes = 0;
    speed.restart();
    bar->setValue(0);
    job = client->upload({path}, {QFileInfo(path).fileName()});
    if (!job) {
        enter(Failed, tr("Failed: %1").arg(client->errorString()));
        return;
    }
    connect(job, &Job::progress, this,
            [this](int, qint64 done, qint64 total) { moved(done, total); });
    connect(job, &Job::retrying, this, [this](int, qint64 status, int number, qint64 pauseMs) {
        retrying(status, number, pauseMs);
    });
    connect(job, &Job::waiting, this, [this] {
        enter(Waiting, tr("Waiting: another program uploads this file"));
    });
    connect(job, &Job::paused, this, [this] {
        // The user may have resumed it since.
        if (current == Paused)
            enter(Paused, tr("Paused at %1").arg(amount()));
    });
    connect(job, &Job::finished, this, &Row::ended);
    enter(Waiting, tr("Waiting"));
}

void Row::enter(State state, const QString &message)
{
    text->setText(breakable(message));
    if (state == current)
        return;
    current = state;
    showState();
    Q_EMIT stateChanged();
}

/** Shows the symbol, the colour and the buttons of the state. */
void Row::showState()
{
    if (current != Retrying)
        countdown->stop();
    icon->setPixmap(style()->standardIcon(symbol(current)).pixmap(SYMBOL_PIXELS, SYMBOL_PIXELS));
    QPalette colours = palette();
    const bool dark = colours.color(QPalette::Base).lightness() < 128;
    if (current == Failed)
        colours.setColor(text->foregroundRole(), QColor(dark ? 0xff8a80 : 0xb3261e));
    text->setPalette(colours);
    bar->setVisible(!hasEnded());
    pause->setText(current == Paused ? tr("Resume") : tr("Pause"));
    pause->setVisible(!hasEnded());
    cancel->setVisible(!hasEnded());
    retry->setVisible(current == Failed || current == Cancelled);
    remove->setVisible(hasEnded());
}

QString Row::amount() const
{
    return tr("%1 of %2").arg(dataSize(doneBytes), dataSize(totalBytes));
}

void Row::moved(qint64 done, qint64 total)
{
    doneBytes = done;
    totalBytes = total;
    bar->setValue(total > 0 ? int(double(done) / double(total) * STEPS) : STEPS);
    // The bytes that were under way when the user paused it.
    if (current == Paused)
        return;
    speed.add(done);
    QString message = amount();
    const double rate = speed.bytesPerSecond();
    if (rate > 0)
        message = tr("%1 at %2/s, %3")
                      .arg(message, dataSize(qint64(rate)), timeLeft(double(total - done) / rate));
    enter(Moving, message);
}

void Row::retrying(qint64 status, int number, qint64 pauseMs)
{
    if (current == Paused)
        return;
    attempt = number;
    reason = QString::fromUtf8(ftx_strerror(qint32(status)));
    nextAttempt.setRemainingTime(pauseMs);
    speed.restart();
    countdown->start();
    tellRetry();
}

void Row::tellRetry()
{
    const qint64 seconds = (nextAttempt.remainingTime() + 500) / 1000;
    const QString when = seconds > 0 ? tr(" in %1 s").arg(seconds) : QString();
    enter(Retrying, tr("Retry %1%2: %3").arg(QString::number(attempt), when, reason));
}

void Row::pauseOrResume()
{
    if (!job)
        return;
    if (current == Paused) {
        job->resume();
        speed.restart();
        enter(Waiting, tr("Waiting"));
    } else {
        job->pause();
        enter(Paused, tr("Pausing"));
    }
}

void Row::ended(qint64 status)
{
    if (status == FTX_OK)
        enter(Done, tr("Done, %1").arg(dataSize(totalBytes)));
    else if (status == FTX_CANCELLED)
        enter(Cancelled, doneBytes > 0 ? tr("Cancelled; a retry resumes at %1").arg(dataSize(doneBytes))
                                       : tr("Cancelled"));
    else
        enter(Failed, tr("Failed: %1").arg(job->errorString()));
}

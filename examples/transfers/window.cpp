#include "window.h"

#include "row.h"

#include <QFileDialog>
#include <QHBoxLayout>
#include <QScrollArea>

/** Returns a button with more room around its text than some styles leave. */
static QPushButton *wideButton(const QString &text)
{
    QPushButton *button = new QPushButton(text);
    button->setMinimumWidth(button->sizeHint().width() + 16);
    return button;
}

Window::Window(QWidget *parent)
    : QWidget(parent), host(new QLineEdit(QStringLiteral("127.0.0.1"))), port(new QSpinBox),
      hint(new QLabel(tr("No files yet: pick the files to upload."))), summary(new QLabel),
      clear(wideButton(tr("&Remove ended"))), layoutOfRows(new QVBoxLayout)
{
    QVBoxLayout *layout = new QVBoxLayout(this);
    layout->addLayout(serverLine());
    layout->addWidget(list(), 1);
    layout->addLayout(statusLine());
    setWindowTitle(tr("Transfers"));
    resize(640, 400);
    summarise();
}

Window::~Window()
{
    // While the other members still exist: a row that is destroyed later would report to them.
    qDeleteAll(rows);
}

QLayout *Window::serverLine()
{
    port->setRange(1, 65535);
    port->setValue(7411);
    port->setButtonSymbols(QAbstractSpinBox::NoButtons);
    QLabel *ofHost = new QLabel(tr("&Server"));
    ofHost->setBuddy(host);
    QLabel *ofPort = new QLabel(tr("&Port"));
    ofPort->setBuddy(port);
    QPushButton *pick = wideButton(tr("&Upload files..."));
    connect(pick, &QPushButton::clicked, this, &Window::pickFiles);
    QHBoxLayout *line = new QHBoxLayout;
    line->addWidget(ofHost);
    line->addWidget(host, 1);
    line->addWidget(ofPort);
    line->addWidget(port);
    line->addSpacing(6);
    line->addWidget(pick);
    return line;
}

QWidget *Window::list()
{
    hint->setAlignment(Qt::AlignCenter);
    hint->setEnabled(false);
    layoutOfRows->setContentsMargins(0, 0, 0, 0);
    layoutOfRows->setSpacing(0);
    layoutOfRows->addWidget(hint, 1);
    layoutOfRows->addStretch();
    QWidget *inside = new QWidget;
    inside->setLayout(layoutOfRows);
    inside->setBackgroundRole(QPalette::Base);
    QScrollArea *area = new QScrollArea;
    area->setWidgetResizable(true);
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    area->setWidget(inside);
    return area;
}

QLayout *Window::statusLine()
{
    summary->setObjectName(QStringLiteral("summary"));
    clear->setObjectName(QStringLiteral("clear"));
    connect(clear, &QPushButton::clicked, this, &Window::removeEnded);
    QHBoxLayout *line = new QHBoxLayout;
    line->addWidget(summary, 1);
    line->addWidget(clear);
    return line;
}

void Window::setServer(const QString &name, int at)
{
    host->setText(name);
    port->setValue(at);
}

void Window::upload(const QStringList &paths)
{
    for (const QString &path : paths)
        addRow(path);
}

void Window::pickFiles()
{
    upload(QFileDialog::getOpenFileNames(this, tr("Files to upload")));
}

void Window::addRow(const QString &path)
{
    Row *row = new Row(path);
    rows.append(row);
    // Above the stretch at the bottom.
    layoutOfRows->insertWidget(layoutOfRows->count() - 1, row);
    connect(row, &Row::stateChanged, this, &Window::summarise);
    // The user may have corrected the server meanwhile.
    connect(row, &Row::retryClicked, this, [this, row] { row->start(client()); });
    connect(row, &Row::removeClicked, this, [this, row] {
        rows.removeOne(row);
        row->hide();
        // It is the sender of this signal.
        row->deleteLater();
        summarise();
    });
    row->start(client());
}

void Window::removeEnded()
{
    const QList<Row *> all = rows;
    for (Row *row : all) {
        if (row->hasEnded()) {
            rows.removeOne(row);
            delete row;
        }
    }
    summarise();
}

/** Counts the rows by their states. */
void Window::summarise()
{
    const struct {
        Row::State state;
        QString name;
    } kinds[] = {{Row::Moving, tr("uploading")}, {Row::Waiting, tr("waiting")},
                 {Row::Paused, tr("paused")},    {Row::Retrying, tr("retrying")},
                 {Row::Done, tr("done")},        {Row::Failed, tr("failed")},
                 {Row::Cancelled, tr("cancelled")}};
    QStringList parts;
    bool anyEnded = false;
    for (const auto &kind : kinds) {
        int count = 0;
        for (const Row *row : rows)
            count += row->state() == kind.state;
        if (count > 0)
            parts += QStringLiteral("%1 %2").arg(QString::number(count), kind.name);
    }
    for (const Row *row : rows)
        anyEnded = anyEnded || row->hasEnded();
    hint->setVisible(rows.isEmpty());
    summary->setText(parts.join(QStringLiteral(", ")));
    clear->setEnabled(anyEnded);
}

ftx::qt::Client *Window::client()
{
    const QString server = host->text() + QLatin1Char(':') + QString::number(port->value());
    ftx::qt::Client *&found = clients[server];
    if (!found)
        found = new ftx::qt::Client(host->text(), quint16(port->value()), this);
    return found;
}

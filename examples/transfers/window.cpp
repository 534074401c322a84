#include "window.h"

#include "row.h"

#include <QFileDialog>
#include <QHBoxLayout>
#include <QPushButton>
#include <QScrollArea>

Window::Window(QWidget *parent)
    : QWidget(parent), host(new QLineEdit(QStringLiteral("127.0.0.1"))), port(new QSpinBox),
      hint(new QLabel(tr("No files yet: pick the files to upload."))),
      rows(new QVBoxLayout)
{
    port->setRange(1, 65535);
    port->setValue(7411);
    port->setButtonSymbols(QAbstractSpinBox::NoButtons);
    QLabel *label = new QLabel(tr("&Server"));
    label->setBuddy(host);
    QPushButton *pick = new QPushButton(tr("&Upload files..."));
    connect(pick, &QPushButton::clicked, this, &Window::pickFiles);
    QHBoxLayout *top = new QHBoxLayout;
    top->addWidget(label);
    top->addWidget(host, 1);
    top->addWidget(port);
    top->addWidget(pick);

    hint->setAlignment(Qt::AlignCenter);
    hint->setEnabled(false);
    rows->addWidget(hint, 1);
    rows->addStretch();
    QWidget *list = new QWidget;
    list->setLayout(rows);
    list->setBackgroundRole(QPalette::Base);
    QScrollArea *area = new QScrollArea;
    area->setWidgetResizable(true);
    area->setWidget(list);

    QVBoxLayout *layout = new QVBoxLayout(this);
    layout->addLayout(top);
    layout->addWidget(area, 1);
    setWindowTitle(tr("Transfers"));
    resize(640, 360);
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
    hint->hide();
    // Above the stretch at the bottom.
    rows->insertWidget(rows->count() - 1, new Row(path, client(), this));
}

// Rows keep the client they started with, so a client lives as long as the window.
ftx::qt::Client *Window::client()
{
    const QString wanted = host->text() + QLatin1Char(':') + QString::number(port->value());
    if (!current || server != wanted) {
        current = new ftx::qt::Client(host->text(), quint16(port->value()), this);
        server = wanted;
    }
    return current;
}

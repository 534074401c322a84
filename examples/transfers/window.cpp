#include "window.h"

#include "row.h"

#include <QFileDialog>
#include <QHBoxLayout>
#include <QPushButton>

Window::Window(QWidget *parent)
    : QWidget(parent), host(new QLineEdit(QStringLiteral("127.0.0.1"))), port(new QSpinBox),
      rows(new QVBoxLayout)
{
    port->setRange(1, 65535);
    port->setValue(7411);
    QPushButton *pick = new QPushButton(tr("Upload files..."));
    connect(pick, &QPushButton::clicked, this, &Window::pickFiles);

    QHBoxLayout *top = new QHBoxLayout;
    top->addWidget(host, 1);
    top->addWidget(port);
    top->addWidget(pick);
    QVBoxLayout *layout = new QVBoxLayout(this);
    layout->addLayout(top);
    layout->addLayout(rows);
    layout->addStretch();
    setWindowTitle(tr("Transfers"));
    resize(640, 320);
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
    rows->addWidget(new Row(path, client(), this));
}

// Rows keep the client that they began with: it goes only with the window.
ftx::qt::Client *Window::client()
{
    const QString wanted = host->text() + QLatin1Char(':') + QString::number(port->value());
    if (!current || server != wanted) {
        current = new ftx::qt::Client(host->text(), quint16(port->value()), this);
        server = wanted;
    }
    return current;
}

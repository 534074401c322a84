// A window with a row for each file.
#ifndef WINDOW_H
#define WINDOW_H

#include <ftxclient.h>

#include <QLabel>
#include <QLineEdit>
#include <QSpinBox>
#include <QVBoxLayout>
#include <QWidget>

class Window : public QWidget {
    Q_OBJECT

public:
    explicit Window(QWidget *parent = nullptr);

    /** Uploads files to the server that the window names, with a row for each. */
    void upload(const QStringList &paths);

    /** Fills in the server. */
    void setServer(const QString &host, int port);

private:
    void pickFiles();
    void addRow(const QString &path);
    ftx::qt::Client *client();

    QLineEdit *host;
    QSpinBox *port;
    QLabel *hint;
    QVBoxLayout *rows;
    QString server;
    ftx::qt::Client *current = nullptr;
};

#endif

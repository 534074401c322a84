// A window with a server and a row for each file.
#ifndef WINDOW_H
#define WINDOW_H

#include <ftxclient.h>

#include <QHash>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>
#include <QVBoxLayout>
#include <QWidget>

class Row;

class Window : public QWidget {
    Q_OBJECT

public:
    explicit Window(QWidget *parent = nullptr);
    ~Window() override;

    /** Uploads files to the server that the window names, with a row for each. */
    void upload(const QStringList &paths);

    /** Fills in the server. */
    void setServer(const QString &host, int port);

private:
    QLayout *serverLine();
    QWidget *list();
    QLayout *statusLine();
    void pickFiles();
    void addRow(const QString &path);
    void removeEnded();
    void summarise();
    ftx::qt::Client *client();

    QLineEdit *host;
    QSpinBox *port;
    QLabel *hint;
    QLabel *summary;
    QPushButton *clear;
    QVBoxLayout *layoutOfRows;
    QList<Row *> rows;
    // A client for each server, since a client runs its jobs one after another.
    QHash<QString, ftx::qt::Client *> clients;
};

#endif

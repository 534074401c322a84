// A small application: picks files, shows the progress of each, pauses, resumes and cancels them.
//
//     ./transfers [HOST PORT [FILE...]]
#include "window.h"

#include <QApplication>

int main(int argc, char **argv)
{
    QApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    Window window;
    if (arguments.size() > 2)
        window.setServer(arguments[1], arguments[2].toInt());
    window.show();
    window.upload(arguments.mid(3));
    return app.exec();
}

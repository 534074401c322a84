/* Clicks through the example with widgets, and takes a picture of it.
 *
 * clicks HOST PORT PICTURE FILE FILE: pauses and resumes the first, cancels the second. The line to
 * the server is slow. */
#include "window.h"

#include <QApplication>
#include <QLabel>
#include <QPixmap>
#include <QPushButton>
#include <QTest>

#include <cstdio>

static bool reaches(const QLabel *state, const QString &text)
{
    return QTest::qWaitFor([=] { return state->text().contains(text); }, 60000);
}

static int run(Window &window, const QStringList &arguments)
{
    window.setServer(arguments[1], arguments[2].toInt());
    window.show();
    window.upload(arguments.mid(4));
    const QList<QLabel *> states = window.findChildren<QLabel *>(QStringLiteral("state"));
    const QList<QPushButton *> pauses = window.findChildren<QPushButton *>(QStringLiteral("pause"));
    const QList<QPushButton *> cancels =
        window.findChildren<QPushButton *>(QStringLiteral("cancel"));
    if (states.size() != 2 || !reaches(states[0], QStringLiteral("under way")))
        return 1;
    QTest::mouseClick(pauses[0], Qt::LeftButton);
    if (!reaches(states[0], QStringLiteral("paused")))
        return 2;
    if (!reaches(states[1], QStringLiteral("under way")))
        return 3;
    QTest::mouseClick(cancels[1], Qt::LeftButton);
    if (!reaches(states[1], QStringLiteral("cancelled")) || cancels[1]->isEnabled())
        return 4;
    if (!window.grab().save(arguments[3]))
        return 5;
    QTest::mouseClick(pauses[0], Qt::LeftButton);
    return reaches(states[0], QStringLiteral("done")) ? 0 : 6;
}

int main(int argc, char **argv)
{
    QApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    if (arguments.size() != 6)
        return 9;
    Window window;
    const int failed = run(window, arguments);
    std::printf("%d\n", failed);
    return failed;
}

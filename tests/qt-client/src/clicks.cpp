/* Clicks through the example with widgets, and takes a screenshot of it.
 *
 * clicks HOST PORT PICTURE FILE FILE: pauses and resumes the first, cancels the second. The line to
 * the server is slow. */
#include "window.h"

#include <QApplication>
#include <QImage>
#include <QLabel>
#include <QPixmap>
#include <QProgressBar>
#include <QPushButton>
#include <QScreen>
#include <QSet>
#include <QTest>

#include <cstdio>

static const int PATIENCE_MS = 60000;

static bool reaches(const QLabel *state, const QString &text)
{
    return QTest::qWaitFor([=] { return state->text().contains(text); }, PATIENCE_MS);
}

/** Captures the window from the screen. */
static QImage seen(const QWidget &window)
{
    const QPixmap shown = QGuiApplication::primaryScreen()->grabWindow(window.winId());
    return shown.toImage().convertToFormat(QImage::Format_RGB32);
}

/** Renders the window in its present state, which the screen may lag behind. */
static QImage meant(QWidget &window)
{
    return window.grab().toImage().convertToFormat(QImage::Format_RGB32);
}

static QImage part(const QImage &picture, const QWidget &window, const QWidget *widget)
{
    return picture.copy(QRect(widget->mapTo(&window, QPoint()), widget->size()));
}

static int colours(const QImage &picture)
{
    QSet<QRgb> all;
    for (int y = 0; y < picture.height(); y++)
        for (int x = 0; x < picture.width(); x++)
            all.insert(picture.pixel(x, y));
    return int(all.size());
}

/** Whether a picture has dark marks on a light ground. */
static bool has_ink(const QImage &picture)
{
    int darkest = 255;
    int lightest = 0;
    for (int y = 0; y < picture.height(); y++) {
        for (int x = 0; x < picture.width(); x++) {
            const int grey = qGray(picture.pixel(x, y));
            darkest = qMin(darkest, grey);
            lightest = qMax(lightest, grey);
        }
    }
    // The text of a disabled button is grey.
    return lightest - darkest > 40;
}

/** Whether the colour of the done part covers exactly the part that the bar reports. */
static bool is_filled(const QImage &picture, const QProgressBar *bar)
{
    const int row = picture.height() / 4;
    const int edge = picture.width() * bar->value() / bar->maximum();
    const auto coloured = [&](int x) {
        return QColor(picture.pixel(x, row)).saturation() > 60;
    };
    const int slack = 8;
    if (edge < 2 * slack || edge > picture.width() - 2 * slack)
        return false;
    return coloured(slack) && coloured(edge - slack) && !coloured(edge + slack) &&
           !coloured(picture.width() - slack);
}

/** Returns a text, button or bar that the screen does not show; null if it shows all of them. */
static const char *missing(const QImage &picture, Window &window)
{
    if (picture != meant(window) || colours(picture) < 30)
        return "the window as it is now";
    const QList<QLabel *> labels = window.findChildren<QLabel *>();
    for (const QLabel *label : labels)
        if (label->isVisible() && !label->text().isEmpty() &&
            !has_ink(part(picture, window, label)))
            return "a text";
    const QList<QPushButton *> buttons = window.findChildren<QPushButton *>();
    for (const QPushButton *button : buttons)
        if (!has_ink(part(picture, window, button)))
            return "a button";
    const QList<QProgressBar *> bars = window.findChildren<QProgressBar *>();
    return is_filled(part(picture, window, bars[0]), bars[0]) ? nullptr : "the first bar";
}

/** Takes the picture as soon as it shows all widgets as expected. */
static bool take_picture(Window &window, const QString &file)
{
    QImage picture;
    const char *unseen = nullptr;
    const bool shown = QTest::qWaitFor(
        [&] {
            picture = seen(window);
            unseen = missing(picture, window);
            return !unseen;
        },
        PATIENCE_MS);
    if (unseen)
        std::fprintf(stderr, "not seen: %s\n", unseen);
    return picture.save(file) && shown;
}

static int run(Window &window, const QStringList &arguments)
{
    window.setServer(arguments[1], arguments[2].toInt());
    window.show();
    if (!QTest::qWaitForWindowExposed(&window, PATIENCE_MS))
        return 7;
    window.upload(arguments.mid(4));
    const QList<QLabel *> states = window.findChildren<QLabel *>(QStringLiteral("state"));
    const QList<QPushButton *> pauses = window.findChildren<QPushButton *>(QStringLiteral("pause"));
    const QList<QPushButton *> cancels =
        window.findChildren<QPushButton *>(QStringLiteral("cancel"));
    const QProgressBar *bar = window.findChild<QProgressBar *>();
    if (states.size() != 2 || !QTest::qWaitFor([=] { return bar->value() > 100; }, PATIENCE_MS))
        return 1;
    QTest::mouseClick(pauses[0], Qt::LeftButton);
    if (!reaches(states[0], QStringLiteral("paused")))
        return 2;
    if (!reaches(states[1], QStringLiteral("under way")))
        return 3;
    QTest::mouseClick(cancels[1], Qt::LeftButton);
    if (!reaches(states[1], QStringLiteral("cancelled")) || cancels[1]->isEnabled())
        return 4;
    if (!take_picture(window, arguments[3]))
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
    if (app.platformName() != QLatin1String("xcb"))
        return 8;
    Window window;
    const int failed = run(window, arguments);
    std::printf("%d\n", failed);
    return failed;
}

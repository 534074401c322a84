/* Clicks through the example with widgets, and takes screenshots of it.
 *
 * clicks HOST PORT controls FILE FILE: pauses and resumes the first, cancels the second. The line to
 * the server is slow.
 *
 * clicks HOST PORT failures MISSING FILE: the first does not exist, until it is created and retried; the
 * first connections of the second are cut.
 *
 * Either prints its first step that failed, or 0. */
#include "row.h"
#include "window.h"

#include <ftx.h>

#include <QApplication>
#include <QFile>
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

/** The text of a label, without the spaces of no width at which it may be wrapped. */
static QString plain(const QLabel *label)
{
    return label->text().remove(QChar(0x200b));
}

static bool reaches(const QLabel *state, const QString &text)
{
    return QTest::qWaitFor([=] { return plain(state).contains(text); }, PATIENCE_MS);
}

template <typename Widget> static Widget *part_of(const Row *row, const char *name)
{
    return row->findChild<Widget *>(QString::fromUtf8(name));
}

static void click(const Row *row, const char *name)
{
    QTest::mouseClick(part_of<QPushButton>(row, name), Qt::LeftButton);
}

/** The buttons that a row shows, in the order of their names. */
static QString buttons(const Row *row)
{
    QStringList shown;
    for (const char *name : {"cancel", "pause", "remove", "retry"})
        if (part_of<QPushButton>(row, name)->isVisible())
            shown += QString::fromUtf8(name);
    return shown.join(QLatin1Char(' '));
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
    const int row = picture.height() / 2;
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
        if (button->isVisible() && !has_ink(part(picture, window, button)))
            return "a button";
    const QList<QProgressBar *> bars = window.findChildren<QProgressBar *>();
    for (const QProgressBar *bar : bars)
        if (bar->isVisible() && !is_filled(part(picture, window, bar), bar))
            return "a bar";
    return nullptr;
}

/** Takes a picture as soon as the screen shows all widgets as expected. */
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

static int controls(Window &window, const QList<Row *> &rows)
{
    const QLabel *first = part_of<QLabel>(rows[0], "state");
    const QLabel *second = part_of<QLabel>(rows[1], "state");
    const QProgressBar *bar = rows[0]->findChild<QProgressBar *>();
    if (!QTest::qWaitFor([=] { return bar->value() > 100; }, PATIENCE_MS))
        return 1;
    if (!plain(first).contains(QStringLiteral(" of 32.0 MiB")) ||
        plain(second) != QStringLiteral("Waiting"))
        return 2;
    click(rows[0], "pause");
    if (!reaches(first, QStringLiteral("Paused")))
        return 3;
    if (!reaches(second, QStringLiteral(" of 64.0 MiB")))
        return 4;
    click(rows[1], "cancel");
    if (!reaches(second, QStringLiteral("Cancelled")) ||
        buttons(rows[1]) != QStringLiteral("remove retry"))
        return 5;
    if (!take_picture(window, QStringLiteral("controls.png")))
        return 6;
    click(rows[0], "pause");
    if (!reaches(first, QStringLiteral("Done")) || buttons(rows[0]) != QStringLiteral("remove"))
        return 7;
    return 0;
}

/** Has the text of a row noted that it shows when its upload is retried. */
static void note_retry(Window &window, const Row *row, QString *noted)
{
    // The jobs are in the order of the rows. The row was connected first, and so is told first.
    const ftx::qt::Job *job = window.findChildren<ftx::qt::Job *>().last();
    const QLabel *state = part_of<QLabel>(row, "state");
    QObject::connect(job, &ftx::qt::Job::retrying, [=](int, qint64 status) {
        const QString reason = QString::fromUtf8(ftx_strerror(qint32(status)));
        if (plain(state).contains(reason))
            *noted = plain(state);
    });
}

static int failures(Window &window, const QList<Row *> &rows)
{
    QString noted;
    note_retry(window, rows[1], &noted);
    const QLabel *first = part_of<QLabel>(rows[0], "state");
    const QString missing = part_of<QLabel>(rows[0], "name")->toolTip();
    if (!reaches(first, QStringLiteral("Failed")) || !plain(first).contains(missing) ||
        buttons(rows[0]) != QStringLiteral("remove retry"))
        return 1;
    if (!reaches(part_of<QLabel>(rows[1], "state"), QStringLiteral("Done")) ||
        !noted.startsWith(QStringLiteral("Retry ")))
        return 2;
    if (!take_picture(window, QStringLiteral("failures.png")))
        return 3;
    QFile file(missing);
    if (!file.open(QIODevice::WriteOnly) || file.write("now") != 3)
        return 4;
    file.close();
    click(rows[0], "retry");
    if (!reaches(first, QStringLiteral("Done")))
        return 5;
    click(rows[0], "remove");
    if (!QTest::qWaitFor([&] { return window.findChildren<Row *>().size() == 1; }, PATIENCE_MS))
        return 6;
    QTest::mouseClick(window.findChild<QPushButton *>(QStringLiteral("clear")), Qt::LeftButton);
    return window.findChildren<Row *>().isEmpty() ? 0 : 7;
}

static int run(Window &window, const QStringList &arguments)
{
    window.setServer(arguments[1], arguments[2].toInt());
    window.show();
    if (!QTest::qWaitForWindowExposed(&window, PATIENCE_MS))
        return 8;
    window.upload(arguments.mid(4));
    const QList<Row *> rows = window.findChildren<Row *>();
    if (rows.size() != 2)
        return 10;
    return arguments[3] == QLatin1String("controls") ? controls(window, rows)
                                                     : failures(window, rows);
}

int main(int argc, char **argv)
{
    QApplication app(argc, argv);
    const QStringList arguments = app.arguments();
    if (arguments.size() != 6)
        return 9;
    if (app.platformName() != QLatin1String("xcb"))
        return 11;
    Window window;
    const int failed = run(window, arguments);
    std::printf("%d\n", failed);
    return failed;
}

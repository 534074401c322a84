// The speed of a transfer over the last seconds.
#ifndef SPEED_H
#define SPEED_H

#include <QElapsedTimer>
#include <QPair>
#include <QQueue>

class Speed {
public:
    /** Forgets the past: the transfer starts, or continues after a pause. */
    void restart()
    {
        samples.clear();
        clock.start();
    }

    /** Notes the bytes that are done now. */
    void add(qint64 done)
    {
        if (!clock.isValid())
            clock.start();
        samples.enqueue({clock.elapsed(), done});
        while (samples.size() > 2 && samples.last().first - samples.first().first > WINDOW_MS)
            samples.dequeue();
    }

    /** Returns bytes a second; 0 as long as too little is known. */
    double bytesPerSecond() const
    {
        if (samples.size() < 2)
            return 0;
        const qint64 ms = samples.last().first - samples.first().first;
        const qint64 bytes = samples.last().second - samples.first().second;
        return ms < MIN_MS || bytes <= 0 ? 0 : double(bytes) * 1000 / double(ms);
    }

private:
    static constexpr qint64 WINDOW_MS = 5000;
    static constexpr qint64 MIN_MS = 500;

    QElapsedTimer clock;
    QQueue<QPair<qint64, qint64>> samples;
};

#endif

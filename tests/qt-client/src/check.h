/* Helpers shared by the programs that test jobs. */
#ifndef CHECK_H
#define CHECK_H

#include "ftxclient.h"

#include <cstdio>
#include <cstdlib>
#include <functional>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                           \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (false)

QByteArray bytes_of(const QString &path);

/** Creates a file in the current directory, with content that compresses badly. */
void make_file(const QString &path, int bytes);

/** Runs the event loop until a job has ended, and returns its status. */
qint64 ended(ftx::qt::Job *job);

/** Acts on a job as soon as its first bytes are transferred. */
void when_moving(ftx::qt::Job *job, const std::function<void()> &then);

/* The scenarios of crowds.cpp. */
void many(ftx::qt::Client *client);
void moves(ftx::qt::Client *client);
void ends(ftx::qt::Client *client);

#endif

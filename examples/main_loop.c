/* Uploads files from a main loop: each file is a job, and one thread serves their events, a timer and the
 * keyboard. Linux, because of epoll; the descriptors of ftx work with poll and select as well.
 *
 *     cc main_loop.c $(pkg-config --cflags --libs ftx) -o main_loop
 *     ./main_loop 127.0.0.1:7411 *.pdf
 *
 * While it runs, p and Enter pause all jobs, r resumes them, and q cancels them. */
#define _POSIX_C_SOURCE 200809L

#include <ftx.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* A client runs its jobs one after another, so several clients share them. */
#define CLIENTS 4

struct transfer {
    const char *path;
    ftx_job *job;
};

static ftx_client *clients[CLIENTS];
static struct transfer *transfers;
static size_t count, ended, failed;

static void die(const char *what)
{
    ftx_error error;
    error.struct_size = sizeof error;
    fprintf(stderr, "%s: %s\n", what, ftx_last_error(&error) == FTX_OK ? error.message : "failed");
    exit(1);
}

/* Starts a job for a file. Its events will carry the pointer to the transfer. */
static void start(struct transfer *transfer, ftx_client *client)
{
    const char *slash = strrchr(transfer->path, '/');
    const char *name = slash == NULL ? transfer->path : slash + 1;
    if (ftx_job_new(client, FTX_JOB_UPLOAD, &transfer->job) != FTX_OK ||
        ftx_job_set_user_data(transfer->job, transfer) != FTX_OK ||
        ftx_job_add(transfer->job, transfer->path, name) != FTX_OK ||
        ftx_job_start(transfer->job) != FTX_OK)
        die(transfer->path);
}

static void on_event(const ftx_event *event)
{
    struct transfer *transfer = event->user_data;
    switch (event->kind) {
    case FTX_EVENT_RETRYING:
        printf("%s: %s; retry %u\n", transfer->path, ftx_strerror(event->status),
               (unsigned)event->attempt);
        break;
    case FTX_EVENT_JOB_ENDED: /* comes once for each job, and last */
        ended++;
        if (event->status != FTX_OK) {
            ftx_error error;
            failed++;
            error.struct_size = sizeof error;
            if (ftx_job_error(transfer->job, FTX_WHOLE_JOB, &error) == FTX_OK)
                printf("%s: %s\n", transfer->path, error.message);
        }
        break;
    default: /* a program may ignore the events that it does not show */
        break;
    }
}

/* Takes all events that wait: the descriptor stays readable until then. */
static void on_readable(ftx_client *client)
{
    ftx_event event;
    event.struct_size = sizeof event;
    while (ftx_client_next_event(client, &event) == FTX_OK)
        on_event(&event);
}

static void on_timer(int timer)
{
    uint64_t expirations, done = 0, total = 0;
    size_t at;
    if (read(timer, &expirations, sizeof expirations) < 0)
        return;
    for (at = 0; at < count; at++) {
        ftx_totals totals;
        totals.struct_size = sizeof totals;
        if (ftx_job_totals(transfers[at].job, &totals) == FTX_OK) {
            done += totals.bytes_done;
            total += totals.bytes_total;
        }
    }
    printf("%u of %u jobs, %u of %u KiB\n", (unsigned)ended, (unsigned)count,
           (unsigned)(done / 1024), (unsigned)(total / 1024));
}

/* Returns 0 at the end of the input. */
static int on_key(void)
{
    char keys[64];
    const ssize_t length = read(STDIN_FILENO, keys, sizeof keys);
    size_t at;
    if (length <= 0)
        return 0;
    for (at = 0; at < count; at++) { /* a job that has ended refuses, which does not matter */
        if (memchr(keys, 'p', (size_t)length) != NULL)
            ftx_job_pause(transfers[at].job);
        if (memchr(keys, 'r', (size_t)length) != NULL)
            ftx_job_resume(transfers[at].job);
        if (memchr(keys, 'q', (size_t)length) != NULL)
            ftx_job_cancel(transfers[at].job);
    }
    return 1;
}

static int watch(int epoll, int descriptor)
{
    struct epoll_event interest;
    memset(&interest, 0, sizeof interest);
    interest.events = EPOLLIN;
    interest.data.fd = descriptor;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &interest);
}

static void serve(int epoll, int timer, int descriptor)
{
    size_t at;
    if (descriptor == timer) {
        on_timer(timer);
    } else if (descriptor == STDIN_FILENO) {
        if (!on_key())
            epoll_ctl(epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
    } else {
        for (at = 0; at < CLIENTS; at++)
            if (ftx_client_event_fd(clients[at]) == descriptor)
                on_readable(clients[at]);
    }
}

int main(int argc, char **argv)
{
    const struct itimerspec every_second = {{1, 0}, {1, 0}};
    int epoll, timer;
    size_t at;

    if (argc < 3) {
        fputs("usage: main_loop HOST:PORT FILE...\n", stderr);
        return 2;
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    count = (size_t)argc - 2;
    transfers = calloc(count, sizeof *transfers);
    if (transfers == NULL || timerfd_settime(timer, 0, &every_second, NULL) < 0 ||
        watch(epoll, timer) < 0)
        return 1;
    watch(epoll, STDIN_FILENO); /* fails for a file, which nobody types into */
    for (at = 0; at < CLIENTS; at++)
        if (ftx_client_new(argv[1], NULL, &clients[at]) != FTX_OK ||
            watch(epoll, ftx_client_event_fd(clients[at])) < 0)
            die(argv[1]);
    for (at = 0; at < count; at++) {
        transfers[at].path = argv[at + 2];
        start(&transfers[at], clients[at % CLIENTS]);
    }

    while (ended < count) {
        struct epoll_event ready[16];
        const int found = epoll_wait(epoll, ready, 16, -1);
        int next;
        for (next = 0; next < found; next++)
            serve(epoll, timer, ready[next].data.fd);
    }

    printf("%u uploaded, %u failed\n", (unsigned)(count - failed), (unsigned)failed);
    for (at = 0; at < count; at++)
        ftx_job_free(transfers[at].job);
    for (at = 0; at < CLIENTS; at++)
        ftx_client_free(clients[at]);
    free(transfers);
    close(timer);
    close(epoll);
    return failed == 0 ? 0 : 1;
}

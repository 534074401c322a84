/* Many jobs, many threads, forks, logs, and a server that is killed. */
#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void many_jobs(const char *address, const char *directory)
{
    enum { JOBS = 3000, UPLOADS = 60 };
    static ftx_job *jobs[JOBS];
    static unsigned char ended[JOBS];
    ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
    const char *path = path_of(directory, "one of many");
    unsigned at, left = JOBS;
    make_file(path, 2000, 9);
    for (at = 0; at < JOBS; at++) {
        char name[32];
        sprintf(name, "jobs/%u", at);
        jobs[at] = at < UPLOADS ? job_of(client, FTX_JOB_UPLOAD, path, name)
                                : job_of(client, FTX_JOB_STAT, NULL, "jobs/0");
        CHECK_STATUS(ftx_job_set_user_data(jobs[at], &ended[at]), FTX_OK);
        CHECK_STATUS(ftx_job_start(jobs[at]), FTX_OK);
    }
    while (left > 0) {
        ftx_event event = wait_event(client);
        unsigned char *mark = event.user_data;
        CHECK(mark >= ended && mark < ended + JOBS && !*mark);
        CHECK(event.job_id == ftx_job_id(jobs[mark - ended]));
        if (event.kind == FTX_EVENT_JOB_ENDED) {
            CHECK_STATUS(event.status, FTX_OK);
            *mark = 1;
            left--;
        }
    }
    for (at = 0; at < JOBS; at++)
        ftx_job_free(jobs[at]);
    ftx_client_free(client);
}

/* The entries of a directory of /proc/self: the threads or descriptors of this process. */
static unsigned entries(const char *directory)
{
    DIR *opened = opendir(directory);
    unsigned count = 0;
    CHECK(opened != NULL);
    while (readdir(opened) != NULL)
        count++;
    closedir(opened);
    return count;
}

static void wait_until_at_most(const char *directory, unsigned most)
{
    const struct timespec moment = {0, 10 * 1000 * 1000};
    unsigned rounds = 6000;
    while (entries(directory) > most && rounds-- > 0)
        nanosleep(&moment, NULL);
    CHECK(entries(directory) <= most);
}

/* Clients that are kept have no threads, and two descriptors: connection and events. */
void kept(const char *address, const char *directory)
{
    enum { CLIENTS = 150 };
    static ftx_client *clients[CLIENTS];
    static ftx_job *jobs[CLIENTS];
    const char *path = path_of(directory, "kept");
    const unsigned threads = entries("/proc/self/task");
    unsigned at, descriptors;
    make_file(path, 2000, 9);

    /* The first event loop of a process makes descriptors that stay. */
    clients[0] = client_of(address, FTX_DIALECT_AUTO);
    CHECK_STATUS(ftx_client_upload(clients[0], path, "kept", NULL, NULL), FTX_OK);
    ftx_client_free(clients[0]);
    CHECK(entries("/proc/self/task") == threads);
    descriptors = entries("/proc/self/fd");

    for (at = 0; at < CLIENTS; at++)
        clients[at] = client_of(address, at % 2 ? FTX_DIALECT_NATIVE : FTX_DIALECT_LEGACY);
    CHECK(entries("/proc/self/task") == threads && entries("/proc/self/fd") == descriptors);
    for (at = 0; at < CLIENTS; at++)
        CHECK_STATUS(ftx_client_upload(clients[at], path, "kept", NULL, NULL), FTX_OK);
    wait_until_at_most("/proc/self/task", threads);
    CHECK(entries("/proc/self/fd") <= descriptors + CLIENTS);

    /* All at once, on the kept connections. */
    for (at = 0; at < CLIENTS; at++) {
        CHECK(ftx_client_event_fd(clients[at]) >= 0);
        jobs[at] = job_of(clients[at], FTX_JOB_UPLOAD, path, "kept");
        CHECK_STATUS(ftx_job_start(jobs[at]), FTX_OK);
    }
    for (at = 0; at < CLIENTS; at++) {
        CHECK_STATUS(ftx_job_wait(jobs[at], -1), FTX_OK);
        ftx_job_free(jobs[at]);
    }
    wait_until_at_most("/proc/self/task", threads);
    CHECK(entries("/proc/self/fd") <= descriptors + 2 * CLIENTS);
    for (at = 0; at < CLIENTS; at++)
        ftx_client_free(clients[at]);
    CHECK(entries("/proc/self/fd") == descriptors);
}

struct thread {
    ftx_client *client;
    const char *directory;
    unsigned number;
};

static void *work(void *data)
{
    struct thread *thread = data;
    char path[4096], copy[4096], name[32];
    unsigned round;
    sprintf(name, "threads/%u", thread->number);
    sprintf(path, "%.4000s/thread%u", thread->directory, thread->number);
    sprintf(copy, "%.4000s/thread%u copy", thread->directory, thread->number);
    for (round = 0; round < 5; round++) {
        ftx_error error;
        error.struct_size = sizeof error;
        make_file(path, 5000, thread->number * 10 + round);
        CHECK_STATUS(ftx_client_upload(thread->client, path, name, NULL, NULL), FTX_OK);
        CHECK_STATUS(ftx_client_upload(thread->client, path, copy, NULL, NULL), FTX_NAME_REFUSED);
        CHECK_STATUS(ftx_last_error(&error), FTX_OK);
        CHECK(strstr(error.message, copy) != NULL);
        CHECK_STATUS(ftx_client_download(thread->client, name, copy, NULL, NULL), FTX_OK);
        CHECK(same_files(path, copy));
    }
    return NULL;
}

/* Each thread has its own errors, and its own calls of the same client. */
void threads(const char *address, const char *directory)
{
    enum { THREADS = 6 };
    ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
    struct thread all[THREADS];
    pthread_t ids[THREADS];
    unsigned at;
    for (at = 0; at < THREADS; at++) {
        all[at].client = client;
        all[at].directory = directory;
        all[at].number = at;
        CHECK(pthread_create(&ids[at], NULL, work, &all[at]) == 0);
    }
    for (at = 0; at < THREADS; at++)
        CHECK(pthread_join(ids[at], NULL) == 0);
    ftx_client_free(client);
}

void forked(const char *address, const char *directory)
{
    ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
    ftx_config *config = ftx_config_new();
    ftx_job *job = job_of(client, FTX_JOB_STAT, NULL, "fork");
    const char *path = path_of(directory, "fork");
    ftx_event event;
    pid_t child;
    int ended = 0;
    event.struct_size = sizeof event;
    make_file(path, 10, 1);
    CHECK_STATUS(ftx_client_upload(client, path, "fork", NULL, NULL), FTX_OK);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        ftx_client *mine;
        CHECK_STATUS(ftx_client_upload(client, path, "fork", NULL, NULL), FTX_FORKED);
        CHECK_STATUS(ftx_client_next_event(client, &event), FTX_FORKED);
        CHECK_STATUS(ftx_client_new(address, config, &mine), FTX_FORKED);
        CHECK_STATUS(ftx_job_start(job), FTX_FORKED);
        CHECK(ftx_client_event_fd(client) == -1);
        ftx_job_free(job);
        ftx_client_free(client);
        ftx_config_free(config);
        mine = client_of(address, FTX_DIALECT_AUTO);
        CHECK_STATUS(ftx_client_upload(mine, path, "fork child", NULL, NULL), FTX_OK);
        ftx_client_free(mine);
        _exit(0);
    }
    CHECK(waitpid(child, &ended, 0) == child);
    CHECK(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
    CHECK_STATUS(ftx_job_start(job), FTX_OK);
    CHECK_STATUS(ftx_job_wait(job, -1), FTX_OK);
    ftx_job_free(job);
    ftx_config_free(config);
    ftx_client_free(client);
}

static pthread_mutex_t lines_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned lines;

static void on_log(uint32_t level, const char *message, void *user_data)
{
    CHECK(level >= FTX_LOG_ERROR && level <= FTX_LOG_DEBUG && strlen(message) > 0);
    CHECK(user_data == &lines);
    CHECK_STATUS(ftx_set_log_callback(FTX_LOG_TRACE, NULL, NULL), FTX_REENTERED);
    pthread_mutex_lock(&lines_lock);
    lines++;
    pthread_mutex_unlock(&lines_lock);
}

/* Checks that the library's threads block signals, so that they run none of the application's handlers
   and SIGPIPE kills no process. */
static void check_masks(void)
{
    char command[64], line[256];
    unsigned ours = 0, blocked = 0;
    FILE *all;
    /* A thread may end before its status is read. */
    sprintf(command, "cat /proc/%ld/task/*/status 2>/dev/null", (long)getpid());
    all = popen(command, "r");
    CHECK(all != NULL);
    {
        int in_ours = 0;
        while (fgets(line, sizeof line, all) != NULL) {
            unsigned long long mask;
            if (strncmp(line, "Name:", 5) == 0) {
                in_ours = strstr(line, "ftx-") != NULL;
                ours += in_ours;
            } else if (in_ours && sscanf(line, "SigBlk: %llx", &mask) == 1) {
                blocked += (mask >> 12 & 1) && (mask >> 14 & 1) && !(mask >> 10 & 1);
            }
        }
    }
    pclose(all);
    CHECK(ours > 0 && blocked == ours);
}

void logs(const char *address, const char *directory)
{
    ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
    const char *path = path_of(directory, "logged");
    unsigned before;
    make_file(path, 10, 1);
    CHECK_STATUS(ftx_client_upload(client, path, "logged", NULL, NULL), FTX_OK);
    CHECK_STATUS(ftx_set_log_callback(FTX_LOG_DEBUG, on_log, &lines), FTX_OK);
    CHECK_STATUS(ftx_client_download(client, "logged", path_of(directory, "l"), NULL, NULL),
                 FTX_OK);
    CHECK(lines > 0);
    CHECK_STATUS(ftx_set_log_callback(0, NULL, NULL), FTX_OK);
    before = lines;
    CHECK_STATUS(ftx_client_remove(client, "logged"), FTX_OK);
    CHECK(lines == before);
    check_masks();
    ftx_client_free(client);
}

/* Prints "moving" when bytes move; the test then kills the server. */
void killed(const char *address, const char *directory)
{
    ftx_client *client = client_of(address, FTX_DIALECT_AUTO);
    const char *path = path_of(directory, "killed");
    ftx_error error;
    ftx_job *job;
    error.struct_size = sizeof error;
    make_file(path, 10 << 20, 6);
    job = job_of(client, FTX_JOB_UPLOAD, path, "killed");
    CHECK_STATUS(ftx_job_start(job), FTX_OK);
    wait_for(client, ftx_job_id(job), FTX_EVENT_PROGRESS);
    puts("moving");
    fflush(stdout);
    wait_for(client, ftx_job_id(job), FTX_EVENT_RETRYING);
    wait_for(client, ftx_job_id(job), FTX_EVENT_JOB_ENDED);
    CHECK_STATUS(ftx_job_error(job, FTX_WHOLE_JOB, &error), FTX_OK);
    CHECK(error.category == FTX_CATEGORY_NETWORK && error.retryable == 1);
    CHECK(error.resume_at > 0 && error.message[0] != 0);
    ftx_job_free(job);
    ftx_client_free(client);
}

// A long line between two network namespaces: delays packets, limits their rate, and loses some.
//
//   packet_pipe NAMESPACE NAMESPACE DELAY_MS RATE_MBIT QUEUE_KIB LOSS_PPM
//
// Each namespace gets a TUN device "line0"; then the program prints "up". Every packet arrives DELAY_MS later. Each
// direction has a bottleneck of RATE_MBIT (0: none) with a queue of QUEUE_KIB, beyond which packets are dropped, and
// loses LOSS_PPM of a million segments at random. TCP runs from end to end, so its windows, buffers and congestion
// control are the real ones, unlike behind a proxy.
//
// The devices take segments of up to 64 KiB (segmentation offload), for the speed of this program. A drop takes a whole
// one; its probability grows with its size, so that the expected share of lost bytes is right, but losses come in bursts.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    VNET_HEADER_BYTES = 10,
    MAX_PACKET_BYTES = 66 * 1024,
    // Packets of one direction before the other has its turn.
    BATCH_PACKETS = 64,
};
static const int64_t SECOND_NS = 1000000000;

struct packet {
    struct packet *next;
    int64_t due_ns;
    size_t length;
    unsigned char bytes[];
};

struct direction {
    int from, to;
    struct packet *first, **end;
    // The bottleneck has sent everything by then.
    int64_t free_at_ns;
    uint64_t packets, bytes, lost, overflowed;
};

struct line {
    int64_t delay_ns;
    double bytes_per_ns;
    double queue_bytes;
    uint64_t loss_ppm;
    uint64_t random;
};

static volatile sig_atomic_t is_over;

static void end(int signal_number) {
    (void)signal_number;
    is_over = 1;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND_NS + time.tv_nsec;
}

static int open_device(const char *namespace) {
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", namespace);
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = open(path, O_RDONLY | O_CLOEXEC);
    if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0) fail(path);
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0) fail("/dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    strcpy(request.ifr_name, "line0");
    int header = VNET_HEADER_BYTES;
    if (ioctl(device, TUNSETIFF, &request) < 0 || ioctl(device, TUNSETVNETHDRSZ, &header) < 0 ||
        ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) < 0)
        fail("TUN device");
    if (setns(home, CLONE_NEWNET) < 0) fail("setns");
    close(home);
    close(there);
    return device;
}

static uint64_t next_random(struct line *line) {
    line->random ^= line->random << 13;
    line->random ^= line->random >> 7;
    line->random ^= line->random << 17;
    return line->random;
}

// The TCP segments of a packet, from its virtio header: u8 flags, u8 gso_type, u16 hdr_len, u16 gso_size.
static uint64_t segments(const unsigned char *packet, size_t length) {
    unsigned gso_type = packet[1], gso_bytes = packet[4] | (unsigned)packet[5] << 8;
    return gso_type != 0 && gso_bytes != 0 ? (length - VNET_HEADER_BYTES) / gso_bytes + 1 : 1;
}

// Takes the packets that a device has sent.
static void take(struct direction *direction, struct line *line) {
    static unsigned char buffer[MAX_PACKET_BYTES];
    int64_t now = now_ns();
    for (int count = 0; count < BATCH_PACKETS; count++) {
        ssize_t got = read(direction->from, buffer, sizeof buffer);
        if (got <= VNET_HEADER_BYTES) return;
        size_t length = (size_t)got;
        if (line->loss_ppm > 0 && next_random(line) % 1000000 < line->loss_ppm * segments(buffer, length)) {
            direction->lost++;
            continue;
        }
        int64_t begins = direction->free_at_ns > now ? direction->free_at_ns : now;
        if (line->bytes_per_ns > 0) {
            if ((double)(begins - now) * line->bytes_per_ns > line->queue_bytes) {
                direction->overflowed++;
                continue;
            }
            direction->free_at_ns = begins + (int64_t)((double)length / line->bytes_per_ns);
        } else {
            direction->free_at_ns = begins;
        }
        struct packet *packet = malloc(sizeof *packet + length);
        if (packet == NULL) fail("malloc");
        *packet = (struct packet){.due_ns = direction->free_at_ns + line->delay_ns, .length = length};
        memcpy(packet->bytes, buffer, length);
        *direction->end = packet;
        direction->end = &packet->next;
    }
}

// Hands over the packets that are due. Packets that the kernel does not take are dropped, as by a full receiver.
static void hand_over(struct direction *direction) {
    int64_t now = now_ns();
    while (direction->first != NULL && direction->first->due_ns <= now) {
        struct packet *packet = direction->first;
        if (write(direction->to, packet->bytes, packet->length) < 0 && errno != EAGAIN && errno != EIO) fail("write");
        direction->packets++;
        direction->bytes += packet->length;
        direction->first = packet->next;
        if (direction->first == NULL) direction->end = &direction->first;
        free(packet);
    }
}

static void wake_at(int timer, int64_t due_ns) {
    struct itimerspec when = {.it_value = {.tv_sec = due_ns / SECOND_NS, .tv_nsec = due_ns % SECOND_NS}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void run(struct direction directions[2], struct line *line) {
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer < 0) fail("timerfd");
    while (!is_over) {
        int64_t due_ns = INT64_MAX;
        for (int i = 0; i < 2; i++)
            if (directions[i].first != NULL && directions[i].first->due_ns < due_ns) due_ns = directions[i].first->due_ns;
        if (due_ns != INT64_MAX) wake_at(timer, due_ns);
        struct pollfd polled[] = {{directions[0].from, POLLIN, 0}, {directions[1].from, POLLIN, 0}, {timer, POLLIN, 0}};
        if (poll(polled, 3, 1000) < 0) continue;
        uint64_t expirations;
        if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) fail("timer");
        for (int i = 0; i < 2; i++) {
            take(&directions[i], line);
            hand_over(&directions[i]);
        }
    }
    close(timer);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fputs("usage: packet_pipe NAMESPACE NAMESPACE DELAY_MS RATE_MBIT QUEUE_KIB LOSS_PPM\n", stderr);
        return 2;
    }
    struct line line = {
        .delay_ns = (int64_t)(atof(argv[3]) * 1e6),
        .bytes_per_ns = atof(argv[4]) * 1e6 / 8e9,
        .queue_bytes = atof(argv[5]) * 1024,
        .loss_ppm = strtoull(argv[6], NULL, 10),
        .random = 88172645463325252,
    };
    int near = open_device(argv[1]), far = open_device(argv[2]);
    struct direction directions[2] = {{.from = near, .to = far}, {.from = far, .to = near}};
    for (int i = 0; i < 2; i++) directions[i].end = &directions[i].first;
    signal(SIGTERM, end);
    signal(SIGINT, end);
    puts("up");
    fflush(stdout);
    run(directions, &line);
    for (int i = 0; i < 2; i++)
        fprintf(stderr, "%s: %lu packets, %lu MB, %lu lost, %lu overflowed\n", i == 0 ? "up" : "down",
                directions[i].packets, directions[i].bytes / 1000000, directions[i].lost, directions[i].overflowed);
    return 0;
}

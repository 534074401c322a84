"""A long line: a packet pipe (`packet_pipe.c`) between two network namespaces."""
import contextlib
import itertools
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .process import Failed, running, tail

SOURCE = Path(__file__).with_name("packet_pipe.c")
NEAR_HOST, FAR_HOST = "10.98.0.1", "10.98.0.2"
# Longer than any burst of TCP, so that only the pipe's own queue drops packets.
DEVICE_QUEUE_PACKETS = 10_000
ALLOWED = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")

numbers = itertools.count()


@dataclass(frozen=True)
class Line:
    """The properties of a long line. The rate is 0 without a bottleneck."""

    round_trip_ms: float
    rate_mbit: float = 0
    queue_kib: int = 0
    loss_ppm: int = 0


class PacketPipe:
    """A context manager: two namespaces with a line between them, and a system's default congestion control."""

    def __init__(self, rig, line, congestion):
        self._rig, self._line, self._congestion = rig, line, congestion

    def __enter__(self):
        if os.geteuid() != 0:
            raise Failed("a packet pipe needs root")
        number = next(numbers)
        self._near, self._far = (f"ftx-{os.getpid()}-{number}-{end}" for end in ("near", "far"))
        with contextlib.ExitStack() as stack:
            stack.enter_context(all_congestion_controls())
            for namespace in (self._near, self._far):
                ip("netns", "add", namespace)
                stack.callback(ip, "netns", "del", namespace)
                inside(namespace, "ip", "link", "set", "lo", "up")
            self._start(stack)
            for namespace, host in ((self._near, NEAR_HOST), (self._far, FAR_HOST)):
                inside(namespace, "ip", "address", "add", f"{host}/30", "dev", "line0")
                inside(namespace, "ip", "link", "set", "line0", "txqueuelen", DEVICE_QUEUE_PACKETS, "up")
                inside(namespace, "sysctl", "-qw", f"net.ipv4.tcp_congestion_control={self._congestion}")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def ends(self):
        """Returns the fields of `Places` for a server at the far end and a client at the near one."""
        return {"host": FAR_HOST, "near": self._near, "far": self._far}

    def _start(self, stack):
        log, line = self._rig.top / "pipe.log", self._line
        argv = [compiled(self._rig), self._near, self._far, line.round_trip_ms / 2, line.rate_mbit,
                line.queue_kib, line.loss_ppm]
        rights = {"user": None, "group": None, "extra_groups": None}
        process = stack.enter_context(running(argv, log, stdout=subprocess.PIPE, text=True, **rights))
        if process.stdout.readline() != "up\n":
            raise Failed(f"the packet pipe does not start: {tail(log)}")


def compiled(rig):
    """Returns the program, compiled once for each rig."""
    program = rig.top / "packet_pipe"
    if not program.exists():
        done = subprocess.run(["cc", "-O2", "-Wall", "-o", program, SOURCE], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"{SOURCE.name} does not compile: {done.stderr}")
    return program


@contextlib.contextmanager
def all_congestion_controls():
    """Allows every available congestion control; a namespace may choose only among the allowed ones."""
    before = ALLOWED.read_text()
    ALLOWED.write_text(AVAILABLE.read_text())
    try:
        yield
    finally:
        ALLOWED.write_text(before)


def inside(namespace, *argv):
    ip("netns", "exec", namespace, *argv)


def ip(*arguments):
    argv = ["ip", *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: {done.stderr.strip()}")

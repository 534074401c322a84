"""Starts programs, waits until they are ready, and ends them in every case."""
import contextlib
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 10
PORT_TRIES = 5
NOBODY = 65534

# Ends a server even if this program is killed.
WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]

# The state of a listening socket in /proc/net/tcp.
LISTEN = "0A"


@dataclass(frozen=True)
class Address:
    """The address of a server."""

    host: str
    port: int

    def __str__(self):
        return f"{self.host}:{self.port}"


class Failed(Exception):
    """A program failed; the text has its name and its message."""


def unprivileged():
    """Returns arguments for Popen that drop root's rights; none without root."""
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def require(commands):
    """Ends the program if one of `commands`, {command: Debian package}, is missing."""
    missing = {package for command, package in commands.items() if not which(command)}
    if missing:
        sys.exit(f"programs are missing: apt-get install {' '.join(sorted(missing))}")


def which(command):
    """Returns the path of a program. Servers are in sbin, which not every user's PATH has."""
    return shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def first_version(*command):
    """Returns the first dotted number in the output of `command`."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    found = re.search(r"\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
    return found[0] if found else "unknown"


@contextlib.contextmanager
def running(argv, log, inside=None, **options):
    """A program, in a process group of its own that does not outlive the block.

    `inside` is the network namespace; entering it takes root, so the program runs as root there.
    """
    rights = {} if inside else unprivileged()
    prefix = ["nsenter", f"--net=/run/netns/{inside}", "--"] if inside else []
    with open(log, "ab") as errors:
        process = subprocess.Popen(
            [*prefix, *(str(part) for part in argv)], stdin=subprocess.DEVNULL, stderr=errors,
            start_new_session=True, **{"stdout": errors, **rights, **options})
    try:
        yield process
    finally:
        end(process)


def wait(process, seconds):
    """Returns the exit code, or None after the timeout. Returns at once; Popen polls every 50 ms."""
    pidfd = os.pidfd_open(process.pid)
    try:
        return process.wait() if select.select([pidfd], [], [], seconds)[0] else None
    finally:
        os.close(pidfd)


def end(process, grace=5):
    """Sends SIGTERM, then SIGKILL to the rest of the group."""
    if process.poll() is None:
        process.terminate()
        wait(process, grace)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()
    if process.stdout:
        process.stdout.close()


@contextlib.contextmanager
def listening(argv_for, log, places, **options):
    """A server that cannot choose its port itself: `argv_for(address)` returns its command line.

    Yields (process, address). Another program may take the free port before the server does; then the
    server ends, and the next attempt uses another port.
    """
    for _ in range(PORT_TRIES):
        address = Address(places.host, free_port())
        with running([*WITH_US, *argv_for(address)], log, places.far, **options) as process:
            if accepts(process, address.port):
                yield process, address
                return
    raise Failed(f"{argv_for(address)[0]} does not start: {tail(log)}")


def accepts(process, port):
    """Whether the server accepts connections before it ends or the time is over."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if listens(process, port):
            return True
        # No event reports that another program listens; the pause only leaves the core to it.
        time.sleep(0.005)
    return False


def listens(process, port):
    """Whether a program listens at `port` in the network namespace of `process`."""
    with contextlib.suppress(OSError):
        sockets = Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]
        return any(local.endswith(f":{port:04X}") and state == LISTEN
                   for _, local, _, state, *_ in map(str.split, sockets))
    return False


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tail(log):
    lines = Path(log).read_text(errors="replace").splitlines()
    return " / ".join(lines[-3:]) or "it says nothing"


def peak_rss(process):
    """Returns the peak memory of `process` so far, in bytes."""
    return status_bytes(process, "VmHWM")


def rss(process):
    """Returns the present memory of `process`, in bytes."""
    return status_bytes(process, "VmRSS")


def status_bytes(process, field):
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", text)[1]) * 1024

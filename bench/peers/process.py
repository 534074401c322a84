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
from pathlib import Path

START_SECONDS = 10
PORT_TRIES = 5
NOBODY = 65534

# Ends a server even if this program is killed.
WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]


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
def running(argv, log, **options):
    """A program, in a process group of its own that does not outlive the block."""
    with open(log, "ab") as errors:
        process = subprocess.Popen(
            [str(part) for part in argv], stdin=subprocess.DEVNULL, stderr=errors,
            start_new_session=True, **{"stdout": errors, **unprivileged(), **options})
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
def listening(argv_for, log, **options):
    """A server that cannot choose its port itself: `argv_for(port)` returns its command line.

    Yields (process, port). Another program may take the free port before the server does; then the
    server ends, and the next attempt uses another port.
    """
    for _ in range(PORT_TRIES):
        port = free_port()
        with running([*WITH_US, *argv_for(port)], log, **options) as process:
            if accepts(process, port):
                yield process, port
                return
    raise Failed(f"{argv_for(0)[0]} does not start: {tail(log)}")


def accepts(process, port):
    """Whether the server accepts connections before it ends or the time is over."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        # No event reports that another program listens; the pause only leaves the core to it.
        time.sleep(0.005)
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

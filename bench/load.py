#!/usr/bin/env python3
"""Loads a server with many, greedy and slow clients, beside one honest transfer, and reports what each costs.

    cargo build --release -p ftx-server -p ftx-client
    bench/load.py                                 # all rows, three minutes
    bench/load.py --only idle --connections 200   # one row, smaller

It checks counts and ends with 1 if one is wrong; times and memory are figures. All connections use TLS and tokens.
"""
import argparse
import concurrent.futures
import contextlib
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from peers.native import frame, text
from peers.process import WITH_US, Failed, first_version, rss, running, tail

ROOT = Path(__file__).resolve().parents[1]
MIB = 1 << 20
SMALL_BYTES = 2 * MIB
GREEDY_CLIENTS_AT_ONCE = 500
SETTLE_SECONDS = 30
# For the blocks that are still in use among the free ones.
MEMORY_SLACK_BYTES = 16 * MIB
# Short, so that the server ends the slow clients while the script watches.
LIMITS = ["--hello-timeout", "5s", "--stall-timeout", "5s"]
CONFIG = """root = "root"
listen = "127.0.0.1:0"
[[grant]]
who = "user"
path = ""
can = ["list", "read", "create", "replace", "delete"]
"""
HELLO_PREFACE = b"\x89FTX\r\n\x1a\n" + bytes(4)


class Rig:
    """A server with one user, and what clients need to reach it."""

    def __init__(self, args, directory, process, port, fingerprint, token):
        self.args, self.directory, self.process = args, directory, process
        self.port, self.fingerprint, self.token = port, fingerprint, token
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        # The pin is the clients' business; these connections only load the server.
        self.context.verify_mode = ssl.CERT_NONE

    def client(self, verb, *words):
        argv = [self.args.bin / "ftx-client", verb, "-q", "--retries", "50", "--fingerprint",
                self.fingerprint, f"127.0.0.1:{self.port}", *words]
        environment = {**os.environ, "FTX_TOKEN": self.token,
                       "XDG_CONFIG_HOME": str(self.directory / "config")}
        return subprocess.run([str(word) for word in argv], env=environment, capture_output=True, text=True)

    def honest(self):
        """One honest transfer, in seconds."""
        begin = time.monotonic()
        done = self.client("upload", self.directory / "honest", "--as", "honest")
        if done.returncode != 0:
            raise Failed(f"the honest transfer: {done.stderr}")
        # The next one sends everything again.
        (self.directory / "root/honest").unlink()
        return time.monotonic() - begin

    def plain(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def tls(self):
        return self.context.wrap_socket(self.plain())

    def welcomed(self):
        connection = self.tls()
        connection.sendall(self.hello())
        if len(connection.recv(12)) == 0:
            raise Failed("the server closes a connection that it should welcome")
        return connection

    def hello(self):
        versions, features = (1).to_bytes(8, "little") + (1).to_bytes(4, "little"), bytes(8)
        auth = b"\1" + text(self.token)
        record = bytes(4) + versions + features + text("load/0") + b"\0" + auth + b"\0"
        return HELLO_PREFACE + frame(0, 1, record)

    def usage(self):
        pid = self.process.pid
        return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")),
                "threads": len(os.listdir(f"/proc/{pid}/task")), "rss": rss(self.process)}


def main():
    args = arguments()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda number, _: sys.exit(128 + number))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = {"idle": idle, "greedy": greedy, "one-name": one_name, "slow": slow}
    chosen = args.only.split(",") if args.only else list(rows)
    print(f"ftx {first_version(args.bin / 'ftx-server', '--version')}, {os.cpu_count()} cores, "
          f"{time.strftime('%Y-%m-%d')}: bench/load.py {' '.join(sys.argv[1:])}")
    for name in chosen:
        with served(args) as rig:
            alone = min(rig.honest() for _ in range(2))
            before = rig.usage()
            figures, shares = rows[name](rig)
            share = f"; an honest transfer got {alone / (sum(shares) / len(shares)):.2f} of its speed alone"
            print(f"{name}: {figures}{share if shares else ''}", flush=True)
            print(f"    {settled(rig, before)}", flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="bench/load.py", description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=Path, default=ROOT / "target/release", metavar="DIR")
    parser.add_argument("--only", metavar="ROWS", help="idle, greedy, one-name, slow")
    parser.add_argument("--connections", type=int, default=2000, metavar="N", help="of the row idle")
    parser.add_argument("--clients", type=int, default=GREEDY_CLIENTS_AT_ONCE, metavar="N", help="of the row greedy")
    parser.add_argument("--honest-mib", type=int, default=256, metavar="N", help="size of the honest transfer")
    return parser.parse_args()


@contextlib.contextmanager
def served(args):
    with tempfile.TemporaryDirectory(prefix="ftx-load.", dir="/dev/shm") as top:
        directory = Path(top)
        (directory / "root").mkdir()
        (directory / "server.toml").write_text(CONFIG)
        (directory / "honest").write_bytes(os.urandom(args.honest_mib * MIB))
        config = ["--config", directory / "server.toml"]
        added = subprocess.run([args.bin / "ftx-server", "token", "add", "user", *config],
                               capture_output=True, text=True, check=True)
        log = directory / "server.log"
        argv = [*WITH_US, args.bin / "ftx-server", *config, "--log", "warn", *LIMITS]
        with running(argv, log, stdout=subprocess.PIPE, text=True, user=None, group=None, extra_groups=None) as process:
            line = process.stdout.readline()
            if not line.startswith("listening on "):
                raise Failed(f"ftx-server does not start: {tail(log)}")
            fingerprint = process.stdout.readline().split()[-1]
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield Rig(args, directory, process, int(line.rsplit(":", 1)[1]), fingerprint, added.stdout.strip())


def idle(rig):
    """Connections that have logged in and do nothing."""
    count, before = rig.args.connections, rig.usage()["rss"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        connections = list(pool.map(lambda _: rig.welcomed(), range(count)))
    each = (rig.usage()["rss"] - before) / count / 1024
    seconds = rig.honest()
    for connection in connections:
        connection.close()
    return f"{count} connections with TLS, {each:.1f} KiB each", [seconds]


def greedy(rig):
    """Clients that all upload a file of their own at the same time."""
    count = rig.args.clients
    (rig.directory / "small").write_bytes(os.urandom(SMALL_BYTES))
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        begin = time.monotonic()
        runs = [pool.submit(rig.client, "upload", rig.directory / "small", "--as", f"g/{n}") for n in range(count)]
        seconds = rig.honest()
        failed = [run.result().stderr for run in runs if run.result().returncode != 0]
        took = time.monotonic() - begin
    stored = len(list((rig.directory / "root/g").iterdir()))
    if failed or stored != count:
        raise Failed(f"{len(failed)} of {count} clients failed, {stored} files are there: {failed[:1]}")
    return f"{count} clients uploaded {SMALL_BYTES // MIB} MiB each in {took:.1f} s, all of them", [seconds]


def one_name(rig):
    """Clients that upload different files under one name."""
    count, names = 32, [rig.directory / f"version-{n}" for n in range(32)]
    for name in names:
        name.write_bytes(os.urandom(SMALL_BYTES))
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        runs = [pool.submit(rig.client, "upload", name, "--as", "one") for name in names]
        seconds = rig.honest()
        done = sum(run.result().returncode == 0 for run in runs)
    last = (rig.directory / "root/one").read_bytes()
    if done != count or last not in [name.read_bytes() for name in names]:
        raise Failed(f"{done} of {count} clients succeeded, and the file is {'' if done else 'not '}one of theirs")
    return f"{count} clients uploaded different files under one name; all succeeded, and it is one of them", [seconds]


def slow(rig):
    """Clients that stop at each state of a connection. The server ends all but the idle ones."""
    hello = rig.hello()
    put = frame(7, 3, bytes(200_000))
    states = {
        "silent": lambda: rig.plain(),
        "in the TLS hello": lambda: sent(rig.plain(), b"\x16\x03\x01\x02\x00\x01\x00"),
        "silent inside TLS": lambda: rig.tls(),
        "in the preface": lambda: sent(rig.tls(), HELLO_PREFACE[:6]),
        "in the hello": lambda: sent(rig.tls(), hello[:40]),
        "in a request": lambda: sent(rig.welcomed(), frame(7, 1, bytes(100))[:50]),
        "in a small file": lambda: sent(rig.welcomed(), put[:12]),
        "idle": lambda: rig.welcomed(),
    }
    connections = {state: [make() for _ in range(20)] for state, make in states.items()}
    seconds = rig.honest()
    for state, some in connections.items():
        if state == "idle":
            continue
        for connection in some:
            if not is_ended(connection):
                raise Failed(f"a client that stops {state} is not ended")
    for connection in connections["idle"]:
        connection.close()
    return f"20 clients stopped in each of {len(states)} states; the server ended all but the idle ones", [seconds]


def sent(connection, data):
    connection.sendall(data)
    return connection


def is_ended(connection):
    connection.settimeout(SETTLE_SECONDS)
    try:
        while connection.recv(65536):
            pass
        return True
    except (ConnectionError, ssl.SSLError):
        return True
    except TimeoutError:
        return False
    finally:
        connection.close()


def settled(rig, before):
    """What is left of the load; fails if descriptors, threads or memory stay."""
    deadline = time.monotonic() + SETTLE_SECONDS
    most = {**before, "rss": before["rss"] + MEMORY_SLACK_BYTES}
    while left := [key for key, value in rig.usage().items() if value > most[key]]:
        if time.monotonic() > deadline:
            raise Failed(f"{', '.join(left)} stay: {before} before, {rig.usage()} after")
        time.sleep(0.1)
    after = rig.usage()
    return ", ".join(f"{key} {show(key, before[key])} before and {show(key, after[key])} after" for key in before)


def show(key, value):
    return f"{value / MIB:.0f} MiB" if key == "rss" else value


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        sys.exit(f"load.py: {failed}")

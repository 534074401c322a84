#!/usr/bin/env python3
"""Compares ftx with the original Qt system in the legacy dialect; prints a Markdown table.

  bench/legacy.py --seed DIR [--runs N] [--dir DIR] [ROW...]

DIR holds seed-server and seed-client, built with optimisation; ftx comes from target/release. All
pairs of a row run in turn in the same run. Times are medians; the ratio is the original pair's median
divided by the pair's (above 1: ftx is faster). None of this is a test.
"""
import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MIB = 1 << 20
ROOT = Path(__file__).resolve().parent.parent
ENV = dict(os.environ, QT_LOGGING_RULES="*=false", LANG="C.UTF-8", LC_ALL="C.UTF-8")


class Ftx:
    name = "ftx"

    def __init__(self, args):
        self.bin = ROOT / "target" / "release"

    def server(self, root, threads=1):
        process = subprocess.Popen(
            [self.bin / "ftx-server", "--listen", "127.0.0.1:0", "--root", root, "--threads", str(threads), "--log", "warn"],
            stdout=subprocess.PIPE, text=True)
        return process, int(process.stdout.readline().rsplit(":", 1)[1])

    def client(self, port, verb, files, cwd):
        return subprocess.Popen([self.bin / "ftx-client", "-q", "--dialect", "legacy", verb, f"127.0.0.1:{port}", *files], cwd=cwd)


class Original:
    name = "original"

    def __init__(self, args):
        self.bin = Path(args.seed).resolve()

    def server(self, root, threads=1):
        port = 20000 + os.getpid() % 20000
        while True:
            port += 1
            process = subprocess.Popen([self.bin / "seed-server", "--port", str(port), "--threads", str(threads)],
                                       cwd=root, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                                       env=dict(ENV, QT_LOGGING_RULES="", QT_LOGGING_TO_CONSOLE="1"))
            line = process.stderr.readline()
            if "successful" in line:
                # seed-server writes lines for each connection, and must not block on a full pipe.
                subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
                return process, port
            process.kill()

    def client(self, port, verb, files, cwd):
        return subprocess.Popen([self.bin / "seed-client", "127.0.0.1", str(port), verb, *files], cwd=cwd, env=ENV,
                                stderr=subprocess.DEVNULL)


def peak_rss(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def fill(path, size):
    with open(path, "wb") as f:
        while size > 0:
            size -= f.write(os.urandom(min(size, 8 * MIB)))


class Case:
    """One run of one pair: fresh directories, one server, `clients` clients at a time."""

    def __init__(self, args, verb, files, clients=1):
        self.args, self.verb, self.files, self.clients = args, verb, files, clients

    def run(self, client, server):
        with tempfile.TemporaryDirectory(dir=self.args.dir, prefix="ftx-bench.") as top:
            here, there = Path(top, "here"), Path(top, "there")
            here.mkdir()
            there.mkdir()
            source, target = (here, there) if self.verb == "upload" else (there, here)
            for name in self.files:
                os.link(Path(self.args.pool, name), source / name)
            process, port = server.server(there, threads=4 if self.clients > 1 else 1)
            try:
                begin = time.monotonic()
                if self.clients == 1:
                    running = [client.client(port, self.verb, self.files, here)]
                else:
                    running = [client.client(port, self.verb, [name], here) for name in self.files]
                codes = [one.wait() for one in running]
                took = time.monotonic() - begin
                rss = peak_rss(process)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait()
            if any(codes):
                sys.exit(f"{client.name} client with {server.name} server failed: {codes}")
            for name in self.files:
                if subprocess.call(["cmp", "-s", source / name, target / name]):
                    sys.exit(f"{client.name} client with {server.name} server: {name} differs")
            return took, rss


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", required=True, help="directory with seed-server and seed-client")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dir", default="/dev/shm", help="where the files are (default: %(default)s)")
    parser.add_argument("rows", nargs="*", metavar="ROW")
    args = parser.parse_args()
    args.pool = tempfile.mkdtemp(dir=args.dir, prefix="ftx-bench-pool.")
    try:
        measure(args)
    finally:
        shutil.rmtree(args.pool)


def measure(args):
    rows = {
        "1 GiB": ["one.bin"],
        "2,000 files of 4 KiB": [f"small-{i:04}.bin" for i in range(2000)],
        "100 clients at once, 8 MiB each": [f"many-{i:03}.bin" for i in range(100)],
    }
    sizes = {"one": 1024 * MIB, "small": 4096, "many": 8 * MIB}
    wanted = {row: files for row, files in rows.items() if not args.rows or any(r in row for r in args.rows)}
    for files in wanted.values():
        for name in files:
            fill(Path(args.pool, name), sizes[re.split(r"[-.]", name)[0]])
    ftx, original = Ftx(args), Original(args)
    pairs = [(original, original), (original, ftx), (ftx, ftx)]
    print("| work | client, server | median s | ratio | server's peak RSS, MiB |\n|---|---|---|---|---|")
    for row, files in wanted.items():
        for verb in ("upload", "download"):
            case = Case(args, verb, files, clients=100 if files[0].startswith("many") else 1)
            times = {pair: [] for pair in pairs}
            peaks = {pair: 0 for pair in pairs}
            for _ in range(args.runs):
                for pair in pairs:
                    took, rss = case.run(*pair)
                    times[pair].append(took)
                    peaks[pair] = max(peaks[pair], rss)
            base = statistics.median(times[pairs[0]])
            for pair in pairs:
                median = statistics.median(times[pair])
                print(f"| {row}, {verb} | {pair[0].name}, {pair[1].name} | {median:.2f} | {base / median:.2f} | {peaks[pair]:.0f} |",
                      flush=True)


main()

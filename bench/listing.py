#!/usr/bin/env python3
"""Measures the time to list a directory, and prints a Markdown table.

  bench/listing.py [--bin DIR] [--runs N] [NAMES...]

DIR holds ftx-server and ftx-client, by default target/release. NAMES are numbers of files, by default 50000 and
400000. The time is that of the whole client, the best of the runs; the memory is the server's peak.
"""
import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RELEASE = Path(__file__).resolve().parent.parent / "target/release"


def measure(programs, count, runs):
    """Returns the seconds of the fastest run, and the server's peak memory in MiB."""
    with tempfile.TemporaryDirectory() as root:
        directory = Path(root, "d")
        directory.mkdir()
        for index in range(count):
            # In random order.
            (directory / f"{index * 2654435761 % (1 << 32):010d}-name").touch()
        server = subprocess.Popen([programs / "ftx-server", "--root", root, "--listen", "127.0.0.1:0"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            address = server.stdout.readline().split()[-1]
            return min(list_once(programs, address, count) for _ in range(runs)), peak_mib(server.pid)
        finally:
            server.terminate()
            server.wait()


def list_once(programs, address, count):
    with tempfile.TemporaryFile() as out:
        begin = time.monotonic()
        subprocess.run([programs / "ftx-client", "ls", address, "d"], stdout=out, check=True)
        took = time.monotonic() - begin
        out.seek(0)
        assert sum(1 for _ in out) == count
        return took


def peak_mib(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", type=int, default=[50_000, 400_000])
    parser.add_argument("--bin", type=Path, default=RELEASE)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    if not shutil.which(args.bin / "ftx-server"):
        sys.exit(f"there is no ftx-server in {args.bin}")
    print("| names | seconds | us a name | MiB |\n|---|---|---|---|")
    for count in args.names:
        seconds, mib = measure(args.bin, count, args.runs)
        print(f"| {count} | {seconds:.2f} | {1e6 * seconds / count:.1f} | {mib} |", flush=True)


if __name__ == "__main__":
    main()

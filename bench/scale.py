#!/usr/bin/env python3
"""Measures how the cost of ftx grows with clients and with files: time, processor time and memory of both sides.

    apt-get install time
    cargo build --release -p ftx-server -p ftx-client
    pip install matplotlib
    bench/scale.py                                  # ten minutes; 12 GiB in /dev/shm at 10^6 files
    bench/scale.py --clients 1,10 --files 1000      # does everything work?
    bench/scale.py --draw bench/scale.json          # tables and plots of an earlier run

It writes bench/scale.json, bench/SCALE.md, and the plots in docs/images. README.md beside it says how to read them.
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.dont_write_bytecode = True

from peers.ftx import Ftx, check  # noqa: E402
from peers.process import Failed, peak_rss, require, tail, unprivileged  # noqa: E402
from peers.report import head  # noqa: E402
from peers.rig import MIB, Rig, at_home  # noqa: E402
from scale_report import DIRECTIONS, write_report  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
# One file of each client: more than a block, so that it is staged.
CLIENT_BYTES = 4 * MIB
FILE_BYTES = 64
FILES_IN_A_DIRECTORY = 1000
# Up to so many, a case is run several times.
FEW_CLIENTS, FEW_FILES, RUNS = 100, 10_000, 5
# On a busy machine a server looks distant, and each client opens eight connections.
MAX_CONNECTIONS = 16_384
# Waits for the end of its input, so that all clients begin together. Writes the client's memory, in KiB.
AT_THE_GATE = 'memory=$1; shift; read -r _; exec time -f %M -o "$memory" "$@"'


@dataclass
class Cost:
    """The cost of one case: seconds, seconds of processor time, and bytes. Of several runs, the medians.

    `client_cpu` is the sum of all clients, `client_peak` that of the largest one."""

    kind: str
    direction: str
    count: int
    seconds: float
    server_cpu: float
    server_peak: int
    client_cpu: float
    client_peak: int


def main():
    args = arguments()
    if args.draw:
        return write_report(ROOT, json.loads(args.draw.read_text()))
    check(args.bin, "native")
    require({"time": "time", "setpriv": "util-linux"})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ftx = Ftx(args.bin, "native")
    ftx.server_options = ["--max-connections", MAX_CONNECTIONS]
    facts = {**head(args, [ftx.version()]), "command": " ".join(["bench/scale.py", *sys.argv[1:]])}
    with Rig(args.dir) as rig:
        idle = statistics.median(server_alone(rig, ftx) for _ in range(RUNS))
        costs = [*of_clients(rig, ftx, args.clients), *of_files(rig, ftx, args.files)]
    for cost in costs:
        cost.server_cpu = max(0.0, cost.server_cpu - idle)
    result = {"head": facts, "client_bytes": CLIENT_BYTES, "file_bytes": FILE_BYTES,
              "costs": [asdict(cost) for cost in costs]}
    args.json.write_text(json.dumps(result, indent=1) + "\n")
    write_report(ROOT, result)


def arguments():
    def counts(words):
        return [int(word) for word in words.split(",") if word]

    parser = argparse.ArgumentParser(prog="bench/scale.py", description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=Path, default=ROOT / "target/release", metavar="DIR")
    parser.add_argument("--dir", default="/dev/shm", help="where the files are")
    parser.add_argument("--clients", type=counts, default=[1, 10, 100, 1000], metavar="N,N")
    parser.add_argument("--files", type=counts, default=[10**3, 10**4, 10**5, 10**6], metavar="N,N")
    parser.add_argument("--json", type=Path, default=ROOT / "bench/scale.json", metavar="FILE")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="measure nothing; draw FILE")
    return parser.parse_args()


def of_clients(rig, ftx, counts):
    """Clients that begin at the same moment, each with one file."""
    source = rig.file(CLIENT_BYTES)
    for count in counts:
        for direction in DIRECTIONS:
            def commands(places, address, direction=direction, count=count):
                for index in range(count):
                    if direction == "upload":
                        yield ftx.upload(address, source, f"f{index}")
                    else:
                        here = places.here / f"c{index}"
                        here.mkdir(mode=0o777)
                        os.link(source, places.there / f"f{index}")
                        yield ftx.download(address, f"f{index}", here)

            runs = RUNS if count <= FEW_CLIENTS else 1
            yield median([measured(rig, ftx, ("clients", direction, count), commands) for _ in range(runs)])


def of_files(rig, ftx, counts):
    """One client with many small files."""
    for count in counts:
        for direction in DIRECTIONS:
            def commands(places, address, direction=direction, count=count):
                side = places.here if direction == "upload" else places.there
                make_tree(side / "tree", count)
                if direction == "upload":
                    yield ftx.upload_tree(address, side / "tree")
                else:
                    yield ftx.download_tree(address, "tree", places.here)

            runs = RUNS if count <= FEW_FILES else 1
            yield median([measured(rig, ftx, ("files", direction, count), commands) for _ in range(runs)])


def make_tree(top, count):
    for index in range(count):
        directory = top / f"d{index // FILES_IN_A_DIRECTORY:04}"
        if index % FILES_IN_A_DIRECTORY == 0:
            directory.mkdir(parents=True)
        with open(directory / f"f{index:07}", "wb") as out:
            out.write(index.to_bytes(FILE_BYTES, "little"))


def server_alone(rig, ftx):
    """The processor time of a server that starts and ends."""
    with rig.places() as places, ftx.serve(places) as (process, _):
        return ended(process)[0]


def measured(rig, ftx, case, commands):
    """Runs one case with a server of its own."""
    with rig.places() as places, ftx.serve(places) as (process, address):
        waiting, gate = os.pipe()
        clients = [start(places, waiting, index, argv) for index, argv in enumerate(commands(places, address))]
        os.close(waiting)
        begin = time.monotonic()
        os.close(gate)
        used = [ended(client, stop=False) for client in clients]
        seconds = time.monotonic() - begin
        if failed := [code for _, code in used if code]:
            raise Failed(f"{len(failed)} of {len(clients)} clients: {tail(places.spare / 'client.log')}")
        peak = max(int((places.spare / f"memory{index}").read_text()) for index in range(len(clients)))
        server_peak = peak_rss(process)
        cost = Cost(*case, seconds, ended(process)[0], server_peak, sum(cpu for cpu, _ in used), peak * 1024)
    print(cost, file=sys.stderr, flush=True)
    return cost


def start(places, waiting, index, argv):
    command = ["sh", "-c", AT_THE_GATE, "sh", places.spare / f"memory{index}", *argv]
    with open(places.spare / "client.log", "ab") as log:
        return subprocess.Popen([str(word) for word in command], stdin=waiting, stdout=log, stderr=log,
                                **unprivileged(), **at_home(places))


def ended(process, stop=True):
    """Waits for the end of a process. Returns the processor time of it and its children, and its exit code."""
    if stop:
        process.terminate()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, process.returncode


def median(costs):
    first = costs[0]
    middle = {name: type(value)(statistics.median(getattr(cost, name) for cost in costs))
              for name, value in asdict(first).items() if isinstance(value, (int, float))}
    return Cost(first.kind, first.direction, **middle)


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        sys.exit(f"scale.py: {failed}")

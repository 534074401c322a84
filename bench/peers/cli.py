"""The command line, and the order of the runs."""
import argparse
import resource
import signal
import sys
from pathlib import Path

from . import report
from .cp import Cp
from .ftx import Ftx, check
from .library import Library
from .nginx import Aria, Nginx
from .process import Failed, require
from .rig import MIB, Rig
from .rows import Setup, all_rows
from .rsync import Rsync
from .ssh import RsyncOverSsh
from .vsftpd import Vsftpd

ROOT = Path(__file__).resolve().parents[2]
TOOLS = {"cmp": "diffutils", "b3sum": "b3sum", "setpriv": "util-linux"}


def main():
    args = arguments()
    peers = [Nginx(), Aria(), Rsync(), Vsftpd(), Cp(), RsyncOverSsh()]
    require({**TOOLS, **{cmd: package for one in peers for cmd, package in one.needs.items()}})
    if args.ftx:
        check(args.bin, args.dialect)
        peers.insert(0, Ftx(args.bin, args.dialect))
    # The cleanup of started processes runs on exit, so signals must become an exit.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda number, _: sys.exit(128 + number))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    rows = [row for row in all_rows(setup(args)) if wanted(row, args.only)]
    if not rows:
        sys.exit(f"no row begins with any of {', '.join(args.only)}")
    facts = report.head(args, [one.version() for one in peers])
    report.print_head(facts)
    measured, looked = [], []
    with Rig(args.dir) as rig:
        for row in rows:
            results = measure(row, rig, args.runs)
            report.print_row(row, results)
            measured.append((row, results))
            looked += [(row.id, one, *one.look(results)) for one in row.targets]
            rig.drop_pool()
    report.print_targets(looked)
    if args.json:
        report.write_json(args.json, facts, measured, looked)
    failed = any(stats.failed for _, results in measured for stats in results.values())
    sys.exit(1 if failed else 0)


def arguments():
    parser = argparse.ArgumentParser(
        prog="bench/peers.py", description="Measures ftx beside other ways to move files.")
    add = parser.add_argument
    add("--bin", type=lambda text: Path(text).resolve(), default=ROOT / "target" / "release", metavar="DIR",
        help="where ftx-server and ftx-client are (default: target/release)")
    add("--dialect", choices=("native", "legacy"), default="native", help="the dialect of ftx-client")
    add("--no-ftx", dest="ftx", action="store_false", help="measure the peers alone")
    add("--only", type=lambda text: text.split(","), default=[], metavar="ROWS",
        help="rows, or beginnings of their names: 1,3,6-upload")
    add("--runs", type=positive, default=5, metavar="N", help="runs of each case (default: 5)")
    add("--size", type=positive, default=1024, metavar="MIB",
        help="the big file; row 3 takes twice, row 7 at most as much (default: 1024)")
    add("--files", type=positive, default=10_000, metavar="N",
        help="how many small files (default: 10000)")
    add("--dir", default="/dev/shm", help="where the files are (default: %(default)s)")
    add("--json", metavar="FILE", help="also write all results to FILE")
    return parser.parse_args()


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def setup(args):
    def ftx(durability="full", label="", options=(), tls=False):
        return [Ftx(args.bin, args.dialect, durability, label, options, tls)] if args.ftx else []

    def library():
        return [Library(args.bin)] if args.ftx else []
    return Setup(ftx, library, args.dialect == "native", args.size * MIB, args.files)


def wanted(row, only):
    return not only or any(row.id.startswith(one) for one in only)


def measure(row, rig, runs):
    """Runs all cases in turn, `runs` times, so that a disturbance of the machine affects all of them."""
    results = {(case.name, case.group): report.Stats(case.subject) for case in row.cases}
    for turn in range(runs):
        for case in row.cases:
            stats = results[case.name, case.group]
            attempt(row, case, stats, lambda: stats.add(case.run(rig)), f"run {turn + 1}")
    for case in row.cases:
        if case.count:
            stats = results[case.name, case.group]
            attempt(row, case, stats, lambda: setattr(stats, "wire", case.count(rig)), "count")
    return results


def attempt(row, case, stats, action, what):
    """Runs a case once. A case that fails is reported, and skipped from then on."""
    if stats.failed:
        return
    print(f"row {row.id}, {case.name} {case.group}: {what}", file=sys.stderr)
    try:
        action()
    except Failed as error:
        stats.failed = str(error)
        print(f"FAILED: row {row.id}, {case.name}: {error}", file=sys.stderr)

"""Medians, tables, JSON."""
import json
import os
import platform
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

MIB = 1 << 20


@dataclass
class Stats:
    """All runs of one case. `failed` is the reason why there are no more of them."""

    subject: bool
    seconds: list = field(default_factory=list)
    wire: int | None = None
    rss: int | None = None
    idle: float | None = None
    failed: str | None = None

    def add(self, sample):
        if sample.seconds is not None:
            self.seconds.append(sample.seconds)
        self.rss = highest(self.rss, sample.rss)
        self.idle = highest(self.idle, sample.idle)

    @property
    def median(self):
        return statistics.median(self.seconds) if self.seconds else None


def highest(one, other):
    return max((value for value in (one, other) if value is not None), default=None)


def head(args, versions):
    """Returns machine, date and versions, without which the numbers mean nothing."""
    cpu = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    congestion = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{os.cpu_count()} cores {cpu}, {memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}, {congestion} on loopback",
        "files": args.dir,
        "load": "{:.1f} before the first run".format(os.getloadavg()[0]),
        "versions": ", ".join(versions),
        "command": " ".join(["bench/peers.py", *sys.argv[1:]]),
    }


def print_head(facts):
    for name, value in facts.items():
        print(f"- {name}: {value}")
    print("\n| work | peer | median s | min … max | rate | ftx is faster by | on the wire, MiB "
          "| peak memory of ftx-server, MiB |\n|---|---|---|---|---|---|---|---|", flush=True)


def print_row(row, results):
    for (name, group), stats in results.items():
        work = f"{row.id}: {row.title}" + (f", {group}" if group else "")
        cells = [work, name, *cells_of(row, results, group, stats)]
        print("| " + " | ".join(cells) + " |", flush=True)


def cells_of(row, results, group, stats):
    wire = "" if stats.wire is None else f"{stats.wire / MIB:.2f}"
    rss = "" if stats.rss is None else f"{stats.rss / MIB:.0f}"
    if stats.failed:
        return [f"FAILED: {stats.failed}", "", "", "", wire, rss]
    if not stats.seconds:
        return ["", "", "", "", wire, rss]
    spread = f"{min(stats.seconds):.2f} … {max(stats.seconds):.2f}"
    rate = f"{row.amount / stats.median:,.0f} {row.unit}/s"
    return [f"{stats.median:.2f}", spread, rate, ratios(results, group, stats), wire, rss]


def ratios(results, group, stats):
    """Returns the median divided by that of each ftx in the group, in order; above 1, ftx is faster."""
    if stats.subject:
        return ""
    ours = [one for (_, of), one in results.items() if one.subject and of == group and one.median]
    return ", ".join(f"{stats.median / one.median:.2f}" for one in ours)


def print_targets(looked):
    print("\n| row | target | measured | met |\n|---|---|---|---|")
    words = {True: "yes", False: "NO", None: "not measured"}
    for row, target, measured, met in looked:
        print(f"| {row} | {target} | {measured or ''} | {words[met]} |")


def write_json(path, facts, measured, looked):
    """Returns one object: `head`, `rows` with each run's seconds, and `targets`. Bytes and seconds."""
    rows = [{"id": row.id, "title": row.title, "cases": [
        {"name": name, "group": group, "median": stats.median, **asdict(stats)}
        for (name, group), stats in results.items()]} for row, results in measured]
    targets = [{"row": row, "target": str(target), "measured": value, "met": met}
               for row, target, value, met in looked]
    Path(path).write_text(json.dumps({"head": facts, "rows": rows, "targets": targets}, indent=1))

"""The table and the plots of scale.py."""
from pathlib import Path

MIB = 1 << 20
DIRECTIONS = ("upload", "download")
KINDS = {"clients": "clients at once, a file of 4 MiB each", "files": "files of 64 bytes, one client"}
# In the plots, and in the table with its unit.
MEASURES = {
    "seconds": ("time", 1, "s"),
    "server_cpu": ("processor time, server", 1, "s"),
    "client_cpu": ("processor time, clients", 1, "s"),
    "server_peak": ("peak memory, server", MIB, "MiB"),
    "client_peak": ("peak memory, largest client", MIB, "MiB"),
}
TIMES = ("seconds", "server_cpu", "client_cpu")
SPACES = ("server_peak", "client_peak")


def write_report(root, result):
    (root / "bench/SCALE.md").write_text(table(result))
    images = root / "docs/images"
    images.mkdir(exist_ok=True)
    for kind in KINDS:
        if any(cost["kind"] == kind for cost in result["costs"]):
            plot(images / f"scale-{kind}.svg", kind, result["costs"])


def table(result):
    lines = ["# How cost grows", "",
             "Written by `bench/scale.py`, with the plots of [performance.md](../docs/performance.md#how-cost-grows).", ""]
    lines += [f"- {name}: {value}" for name, value in result["head"].items()]
    for kind, title in KINDS.items():
        lines += ["", f"## By {kind}: {title}", "", "| direction | " + kind + " | "
                  + " | ".join(f"{name}, {unit}" for name, _, unit in MEASURES.values())
                  + f" | processor time for each of the {kind}, µs |",
                  "|---|" + "---|" * (len(MEASURES) + 2)]
        for cost in result["costs"]:
            if cost["kind"] == kind:
                cells = [cost["direction"], f"{cost['count']:,}"]
                cells += [f"{cost[name] / scale:.{2 if scale == 1 else 0}f}"
                          for name, (_, scale, _) in MEASURES.items()]
                each = (cost["server_cpu"] + cost["client_cpu"]) / cost["count"] * 1e6
                lines.append("| " + " | ".join([*cells, f"{each:,.0f}"]) + " |")
    return "\n".join(lines) + "\n"


def plot(path: Path, kind, costs):
    """One panel for times and one for memory, both logarithmic: a straight line at 45° is linear."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "ftx", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for panel, names, unit in ((panels[0], TIMES, "seconds"), (panels[1], SPACES, "MiB")):
        for name in names:
            for direction, style in zip(DIRECTIONS, ("-", "--")):
                label, scale, _ = MEASURES[name]
                points = [(cost["count"], cost[name] / scale) for cost in costs
                          if (cost["kind"], cost["direction"]) == (kind, direction)]
                panel.plot(*zip(*points), style, marker=".", color=f"C{list(MEASURES).index(name)}",
                           label=f"{label}, {direction}")
        panel.set(xscale="log", yscale="log", xlabel=KINDS[kind], ylabel=unit)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)

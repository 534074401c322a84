"""Row 7: long lines, with the windows, buffers and losses of real TCP."""
from ..nginx import Aria, Nginx
from ..pipe import Line, PacketPipe
from ..raw import Raw
from ..rig import MIB, Sample, timed
from ..rsync import Rsync
from ..targets import Faster, Within
from . import Case, Row, is_ftx, trees, whole

QUEUE_KIB = 3000
CONGESTION_CONTROLS = ("cubic", "bbr")
DIRECTIONS = ("upload", "download")
RAW, RSYNC = Raw.name, Rsync().name

# By name: the line, the title, the largest size of the big file in MiB, and its least speeds beside others.
LINES = {
    "far": (Line(100), "100 ms", 1024, [Faster(RAW, 0.9)]),
    "gigabit": (Line(100, 1000, QUEUE_KIB), "1 Gbit/s, 100 ms", 1024, [Faster(RAW, 1.05), Faster(RSYNC, 3.5)]),
    "loss-100": (Line(100, 1000, QUEUE_KIB, 100), "1 Gbit/s, 100 ms, 0.01 % loss", 256, [Faster(RAW)]),
    "loss-1000": (Line(100, 1000, QUEUE_KIB, 1000), "1 Gbit/s, 100 ms, 0.1 % loss", 128, [Faster(RAW)]),
    "slow": (Line(300, 20, QUEUE_KIB), "20 Mbit/s, 300 ms", 32, [Faster(RAW, 0.95)]),
}
# The most time of small files beside their bytes in raw streams, and round trips on top.
SMALL_TIMES, SMALL_TRIPS = 1.2, 2


def rows(setup):
    if not setup.native:
        return
    for name, (line, title, most_mib, targets) in LINES.items():
        # With losses, a transfer in one stream takes minutes.
        others = [] if line.loss_ppm else [Rsync(), Nginx()]
        for congestion in CONGESTION_CONTROLS:
            pipe = f"{title}, {congestion}"
            size = min(setup.size, most_mib * MIB)
            for direction in DIRECTIONS:
                several = [Aria(16)] if direction == "download" else []
                peers = [*setup.ftx(), *setup.ftx(label="TLS", tls=True), Raw(), *others, *several]
                yield Row(f"7-{name}-{congestion}-file-{direction}", f"{direction} of {size // MIB} MiB, {pipe}",
                          size / 1e6, "MB", [file_case(peer, direction, size, line, congestion) for peer in peers],
                          targets)
            for direction in DIRECTIONS:
                peers = [*setup.ftx(), *setup.ftx(label="TLS", tls=True), Raw(), *(others and [Rsync()])]
                yield Row(f"7-{name}-{congestion}-tree-{direction}",
                          f"{direction} of {setup.files:,} files of 4 KiB, {pipe}", setup.files, "files",
                          [tree_case(peer, direction, setup.files, line, congestion) for peer in peers],
                          [Within(RAW, SMALL_TIMES, SMALL_TRIPS * line.round_trip_ms / 1000)])


def file_case(peer, direction, size, line, congestion):
    def run(rig):
        with PacketPipe(rig, line, congestion) as pipe:
            if isinstance(peer, Raw):
                return raw(rig, peer, direction, size, pipe)
            return whole.move(rig, peer, direction, size, pipe)
    return Case(peer.name, run, subject=is_ftx(peer))


def tree_case(peer, direction, files, line, congestion):
    def run(rig):
        with PacketPipe(rig, line, congestion) as pipe:
            if isinstance(peer, Raw):
                return raw(rig, peer, direction, files * trees.SIZE, pipe)
            return trees.move(rig, peer, direction, files, pipe)
    return Case(peer.name, run, subject=is_ftx(peer))


def raw(rig, peer, direction, size, pipe):
    """As many bytes as the files have."""
    with rig.places(pipe) as places, peer.serve(places) as (_, address):
        command = peer.upload if direction == "upload" else peer.download
        return Sample(timed(command(address, size), places))

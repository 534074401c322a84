"""Row 14: source text over a slow line, with and without compression; random bytes beside it, and on this machine."""
import os
import tarfile

from ..pipe import Line, PacketPipe
from ..rig import MIB, Sample, link_tree, timed, verify_file, verify_tree
from ..rsync import Rsync
from ..targets import Faster
from . import Case, Row, is_ftx, whole

LINE, CONGESTION = Line(40, 20, 1000), "cubic"
TITLE = "20 Mbit/s, 40 ms"
MAX_TEXT_MIB, MAX_RANDOM_MIB = 32, 16
FILE, TREE = "source.tar", "source"
NEVER = "never compressed"
# The most time that the search for text that does not shrink may cost.
RANDOM_SHARE = 0.97


def rows(setup):
    if not setup.native:
        return
    size = min(setup.size, MAX_TEXT_MIB * MIB)
    peers = [*setup.ftx(), *setup.ftx(label=NEVER, options=("--compress", "never")), Rsync("-W"), Rsync("-zz")]
    targets = [Faster(f"ftx, {NEVER}", 3), Faster("rsync daemon -W", 3), Faster("rsync daemon -zz")]
    for direction in ("upload", "download"):
        for kind, move in (("file", move_file), ("tree", move_tree)):
            yield Row(f"14-text-{kind}-{direction}", f"{direction} of {size // MIB} MiB of source text, one {kind}, {TITLE}",
                      size / 1e6, "MB", [case(peer, direction, size, move) for peer in peers], targets)
    size = min(setup.size, MAX_RANDOM_MIB * MIB)
    for direction in ("upload", "download"):
        yield Row(f"14-random-{direction}", f"{direction} of {size // MIB} MiB of random bytes, {TITLE}", size / 1e6, "MB",
                  [case(peer, direction, size, move_random) for peer in peers],
                  [Faster(f"ftx, {NEVER}", RANDOM_SHARE)])
    for direction in ("upload", "download"):
        yield Row(f"14-loopback-{direction}", f"{direction} of {setup.size // MIB} MiB of random bytes, one machine",
                  setup.size / 1e6, "MB", [local_case(peer, direction, setup.size) for peer in peers if is_ftx(peer)],
                  [Faster(f"ftx, {NEVER}", RANDOM_SHARE)])


def local_case(peer, direction, size):
    return Case(peer.name, lambda rig: whole.move(rig, peer, direction, size), subject=True)


def case(peer, direction, size, move):
    def run(rig):
        with PacketPipe(rig, LINE, CONGESTION) as pipe:
            return move(rig, peer, direction, size, pipe)
    return Case(peer.name, run, subject=is_ftx(peer))


def move_random(rig, peer, direction, size, pipe):
    return whole.move(rig, peer, direction, size, pipe)


def move_file(rig, peer, direction, size, pipe):
    with rig.places(pipe) as places:
        source, target = places.side(direction)
        os.link(tar(rig, size), source / FILE)
        with peer.serve(places) as (_, address):
            if direction == "upload":
                command = peer.upload(address, source / FILE)
            else:
                command = peer.download(address, FILE, target)
            sample = Sample(timed(command, places))
        verify_file(source / FILE, target / FILE)
        return sample


def move_tree(rig, peer, direction, size, pipe):
    with rig.places(pipe) as places:
        source, target = places.side(direction)
        link_tree(rig.text(size), source / TREE)
        with peer.serve(places) as (_, address):
            if direction == "upload":
                command = peer.upload_tree(address, source / TREE)
            else:
                command = peer.download_tree(address, TREE, target)
            sample = Sample(timed(command, places))
        verify_tree(source / TREE, target / TREE)
        return sample


def tar(rig, size):
    """The same text in one file."""
    path = rig.top / "pool" / f"text-{size}.tar"
    if not path.exists():
        with tarfile.open(path, "w") as out:
            out.add(rig.text(size), TREE)
        path.chmod(0o644)
    return path

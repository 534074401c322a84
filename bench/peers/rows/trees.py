"""Rows 6 and 10: many small files, 100 in each directory; and once more, with all of them up to date."""
from ..line import Line
from ..rig import Sample, link_tree, run, timed, verify_tree
from ..rsync import Rsync
from ..targets import Faster, WireAtMost
from . import Case, Row, is_ftx, rss_of

NAME = "tree"
SIZE = 4096


def rows(setup):
    peers = [*setup.ftx("none", "durability none"), *setup.ftx("full", "durability full"), Rsync()]
    for direction in ("upload", "download"):
        yield Row(f"6-{direction}", f"{direction} of {setup.files:,} files of 4 KiB", setup.files,
                  "files", [case(peer, direction, setup.files) for peer in peers],
                  [Faster("rsync daemon", 2),
                   Faster("rsync daemon", ours="ftx, durability full")])


def rows_again(setup):
    # rsync without flags compares only size and time, so ftx is not measured by it.
    checksum = Rsync("--checksum")
    peers = [*setup.ftx("none", "durability none"), checksum, Rsync()]
    for direction in ("upload", "download"):
        yield Row(f"10-{direction}", f"{direction} of {setup.files:,} files of 4 KiB again, unchanged",
                  setup.files, "files", [case_again(peer, direction, setup.files) for peer in peers],
                  [Faster(checksum.name),
                   WireAtMost(setup.files * SIZE // 2, "half of the files' bytes")])


def case_again(peer, direction, files):
    return Case(peer.name, lambda rig: again(rig, peer, direction, files)[0],
                lambda rig: again(rig, peer, direction, files, count=True)[1],
                subject=is_ftx(peer))


def again(rig, peer, direction, files, count=False):
    """Transfers a tree that is up to date. Returns the sample and the bytes."""
    with rig.places() as places:
        source, target = places.side(direction)
        link_tree(rig.tree(files, SIZE), source / NAME)
        with peer.serve(places) as (process, address):
            run(command(peer, direction, address, source, target), places)
            if count:
                with Line(address) as line:
                    run(command(peer, direction, line.address, source, target), places)
                    sample, moved = None, sum(line.counts().values())
            else:
                sample = Sample(timed(command(peer, direction, address, source, target), places))
                sample.rss, moved = rss_of(peer, process), None
        verify(peer, direction, source, target)
        return sample, moved


def command(peer, direction, address, source, target):
    if direction == "upload":
        return peer.upload_tree(address, source / NAME)
    return peer.download_tree(address, NAME, target)


def case(peer, direction, files):
    return Case(peer.name, lambda rig: move(rig, peer, direction, files), subject=is_ftx(peer))


def move(rig, peer, direction, files, pipe=None):
    """A directory from one side to the other, over a packet pipe if there is one."""
    with rig.places(pipe) as places:
        source, target = places.side(direction)
        link_tree(rig.tree(files, SIZE), source / NAME)
        with peer.serve(places) as (process, address):
            sample = Sample(timed(command(peer, direction, address, source, target), places))
            sample.rss = rss_of(peer, process)
        verify(peer, direction, source, target)
        return sample


def verify(peer, direction, source, target):
    # The legacy dialect knows no directories: each file is uploaded by its last name.
    flat = is_ftx(peer) and peer.dialect == "legacy" and direction == "upload"
    verify_tree(source / NAME, target if flat else target / NAME, flat)

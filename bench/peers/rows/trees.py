"""Row 6: many small files, 100 in each directory."""
from ..rig import Sample, link_tree, timed, verify_tree
from ..rsync import Rsync
from ..targets import Faster
from . import Case, Row, is_ftx, rss_of, through

NAME = "tree"
SIZE = 4096


def rows(setup):
    peers = [*setup.ftx("none", "durability none"), *setup.ftx("full", "durability full"), Rsync()]
    for direction in ("upload", "download"):
        yield Row(f"6-{direction}", f"{direction} of {setup.files:,} files of 4 KiB", setup.files,
                  "files", [case(peer, direction, setup.files) for peer in peers],
                  [Faster("rsync daemon", 2),
                   Faster("rsync daemon", ours="ftx, durability full")])


def case(peer, direction, files, delay=None, group=""):
    return Case(peer.name, lambda rig: move(rig, peer, direction, files, delay),
                group=group, subject=is_ftx(peer))


def move(rig, peer, direction, files, delay=None):
    """A directory from one side to the other, through a line if there is a delay."""
    with rig.places() as places:
        source, target = places.side(direction)
        link_tree(rig.tree(files, SIZE), source / NAME)
        with peer.serve(places) as (process, port), through(port, delay) as port:
            if direction == "upload":
                command = peer.upload_tree(port, source / NAME)
            else:
                command = peer.download_tree(port, NAME, target)
            sample = Sample(timed(command, places))
            sample.rss = rss_of(peer, process)
        # The legacy dialect knows no directories: each file is uploaded by its last name.
        flat = is_ftx(peer) and peer.dialect == "legacy" and direction == "upload"
        verify_tree(source / NAME, target if flat else target / NAME, flat)
        return sample

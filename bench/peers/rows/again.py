"""Rows 4 and 5: the file again, as it was, and with 1 % of its blocks changed."""
import os
import time

from ..line import Line
from ..rig import MIB, Sample, run, timed, verify_file
from ..rsync import Rsync
from ..targets import Faster, WireAtMost
from . import Case, Row, is_ftx, rss_of
from .whole import move

NAME = "one.bin"
SHARE = 0.01
SETTLED = 2.1
FIRST = ", the first time"
# Without the client's cache of the first upload, the file is hashed again.
HASHED = "without its cache"
LATER = 10


def rows(setup):
    mb, mib, size = setup.size / 1e6, setup.size >> 20, setup.size
    checksum = Rsync("--checksum")
    ftx, hashed = setup.ftx(), setup.ftx(label=HASHED, options=["--no-cache"])
    # rsync without flags compares only size and time, so ftx is not measured by it.
    yield Row("4", f"upload of {mib} MiB again, unchanged", mb, "MB",
              [*[case(peer, size, False) for peer in [*ftx, *hashed, checksum, Rsync()]],
               *[first(peer, size) for peer in setup.ftx()]],
              [Faster(f"ftx{FIRST}", 5), Faster(f"ftx{FIRST}", 5, ours=f"ftx, {HASHED}"),
               Faster(checksum.name),
               WireAtMost(MIB, "chaining values: 32 KiB for each GiB")])
    yield Row("5", f"upload of {mib} MiB again, 1 % of its blocks changed", mb, "MB",
              [case(peer, size, True) for peer in [*setup.ftx(), Rsync()]],
              [Faster("rsync daemon"), WireAtMost(size // 50, "2 % of the file")])


def first(peer, size):
    """The measurement of row 1, for comparison with the repeated upload."""
    return Case(peer.name + FIRST, lambda rig: move(rig, peer, "upload", size))


def case(peer, size, changed):
    return Case(peer.name, lambda rig: again(rig, peer, size, changed)[0],
                lambda rig: again(rig, peer, size, changed, count=True)[1],
                subject=is_ftx(peer))


def again(rig, peer, size, changed, count=False):
    """Uploads, changes, and measures the second upload. Returns the sample and the bytes."""
    with rig.places() as places:
        path = places.here / NAME
        os.link(rig.file(size), path)
        # As old as most files are: ftx does not trust the times of a file that has just changed.
        time.sleep(SETTLED)
        with peer.serve(places) as (process, address):
            run(peer.upload(address, path), places)
            if changed:
                path.unlink()
                os.link(rig.changed(size, SHARE), path)
                # Otherwise the file could keep its time, and rsync would see no change.
                later = rig.file(size).stat().st_mtime + LATER
                os.utime(path, (later, later))
            if count:
                with Line(address) as line:
                    run(peer.upload(line.address, path), places)
                    sample, moved = None, sum(line.counts().values())
            else:
                sample, moved = Sample(timed(peer.upload(address, path), places)), None
                sample.rss = rss_of(peer, process)
        verify_file(path, places.there / NAME)
        return sample, moved

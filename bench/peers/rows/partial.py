"""Row 13: a partial file that another program left under the name itself, resumed and sent anew."""
import os

from ..line import Line
from ..rig import MIB, Sample, run, timed, verify_file
from ..targets import Faster, WireAtMost
from . import Case, Row, is_ftx, rss_of
from .resume import begin_of

NAME = "one.bin"
SHARES = (0.1, 0.5, 0.9)
ANEW = ", sent anew"
# Chaining values, and the block in which the partial file ends.
BESIDE = 2 * MIB


def rows(setup):
    size = setup.size
    for direction in ("upload", "download"):
        for share in SHARES:
            yield Row(f"13-{direction}-{share * 100:.0f}",
                      f"{direction} of {size >> 20} MiB, of which another program left {share:.0%}",
                      size / 1e6, "MB",
                      [case(peer, direction, size, there)
                       for peer in setup.ftx() for there in (share, 0)],
                      [Faster(f"ftx{ANEW}"),
                       WireAtMost(round(size * (1 - share)) + BESIDE, "what is missing")])


def case(peer, direction, size, share):
    name = peer.name if share else peer.name + ANEW
    count = (lambda rig: move(rig, peer, direction, size, share, count=True)[1]) if share else None
    return Case(name, lambda rig: move(rig, peer, direction, size, share)[0], count,
                subject=is_ftx(peer) and bool(share))


def move(rig, peer, direction, size, share, count=False):
    """Transfers the file to a target that has `share` of it. Returns the sample and the bytes."""
    with rig.places() as places:
        source, target = places.side(direction)
        os.link(rig.file(size), source / NAME)
        if share:
            begin_of(source / NAME, target / NAME, round(size * share) + 321)
        with peer.serve(places) as (process, address):
            def command(at):
                if direction == "upload":
                    return peer.upload(at, source / NAME)
                return peer.download(at, NAME, target)

            sample, moved = None, None
            if count:
                with Line(address) as line:
                    run(command(line.address), places)
                    moved = sum(line.counts().values())
            else:
                sample = Sample(timed(command(address), places))
                sample.rss = rss_of(peer, process)
        verify_file(source / NAME, target / NAME)
        return sample, moved

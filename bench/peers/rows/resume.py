"""Row 3: the end of a file of which 90 % has arrived.

For ftx a line holds a real transfer after 90 %, and the row kills its client with SIGKILL. rsync would
discard the bytes of a killed client, so its target is the first 90 % of the file.
"""
import os
import shutil

from ..line import DOWN, UP, Line
from ..process import Failed, running, tail
from ..rig import MIB, Sample, at_home, run, timed, verify_file
from ..rsync import Rsync
from ..targets import Faster, WireAtMost
from . import Case, Row, is_ftx, rss_of

NAME, LOG = "one.bin", "killed.log"
THERE = 0.9
HOLD_SECONDS = 120
# The bytes that a cut transfer may send again: 8 MiB for each connection, and ftx makes two connections
# without delay. Bytes that had reached only the killed client's kernel are part of them.
AGAIN = 2 * 8 * MIB


def rows(setup):
    size = 2 * setup.size
    rsync = Rsync("--append-verify")
    targets = [Faster(rsync.name, 3),
               WireAtMost(round(size * (1 - THERE)) + AGAIN,
                          "what is missing, and 8 MiB a connection")]
    for direction in ("upload", "download"):
        yield Row(f"3-{direction}",
                  f"{direction} of {size >> 20} MiB, of which {THERE:.0%} is there",
                  size / 1e6, "MB",
                  [case(peer, direction, size) for peer in [*setup.ftx(), rsync]], targets)


def case(peer, direction, size):
    return Case(peer.name, lambda rig: finish(rig, peer, direction, size)[0],
                lambda rig: finish(rig, peer, direction, size, count=True)[1],
                subject=is_ftx(peer))


def finish(rig, peer, direction, size, count=False):
    """Transfers 90 %, and measures the rest. Returns the sample and the bytes."""
    with rig.places() as places:
        source, target = places.side(direction)
        os.link(rig.file(size), source / NAME)
        with peer.serve(places) as (process, address):
            def command(at):
                if direction == "upload":
                    return peer.upload(at, source / NAME)
                return peer.download(at, NAME, target)

            if is_ftx(peer):
                interrupt(command, address, direction, size, places)
            else:
                begin_of(source / NAME, target / NAME, round(size * THERE))
            if count:
                with Line(address) as line:
                    run(command(line.address), places)
                    sample, moved = None, sum(line.counts().values())
            else:
                sample, moved = Sample(timed(command(address), places)), None
                sample.rss = rss_of(peer, process)
        verify_file(source / NAME, target / NAME)
        return sample, moved


def interrupt(command, address, direction, size, places):
    hold = (UP if direction == "upload" else DOWN, round(size * THERE))
    with Line(address, hold=hold) as line:
        with running(command(line.address), places.spare / LOG, **at_home(places)) as client:
            if not line.wait_held(HOLD_SECONDS):
                raise Failed(f"a transfer through a line does not get to {THERE:.0%} in "
                             f"{HOLD_SECONDS} s; it had {line.counts()}")
            if client.poll() is not None:
                raise Failed(f"the client ended at {THERE:.0%}: {tail(places.spare / LOG)}")
            client.kill()
            client.wait()


def begin_of(source, target, size):
    with open(source, "rb") as whole, open(target, "wb") as part:
        while left := size - part.tell():
            part.write(whole.read(min(left, 8 * MIB)))
    if os.geteuid() == 0:
        shutil.chown(target, "nobody")

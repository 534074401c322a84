"""Rows 1 and 2: one big file that the other side does not have."""
import os

from ..cp import Cp
from ..nginx import Aria, Nginx
from ..rig import Sample, timed, verify_file
from ..rsync import Rsync
from ..targets import Faster
from ..vsftpd import Vsftpd
from . import Case, Row, is_ftx, rss_of

NAME = "one.bin"


def rows(setup):
    mb, mib = setup.size / 1e6, setup.size >> 20
    ftx = setup.ftx()
    up = [*ftx, Nginx(), Rsync(), Vsftpd(), Cp()]
    down = [*ftx, Nginx(), Aria(), Vsftpd(), Rsync()]
    faster = Faster("nginx+curl")
    yield Row("1", f"upload of {mib} MiB", mb, "MB",
              [case(peer, "upload", setup.size) for peer in up],
              [faster, Faster("rsync daemon", 1.4), Faster("vsftpd+curl")])
    yield Row("2", f"download of {mib} MiB", mb, "MB",
              [case(peer, "download", setup.size) for peer in down],
              [faster, Faster("nginx+aria2 -x4"), Faster("vsftpd+curl"), Faster("rsync daemon")])


def case(peer, direction, size):
    return Case(peer.name, lambda rig: move(rig, peer, direction, size), subject=is_ftx(peer))


def move(rig, peer, direction, size, pipe=None):
    """One file from one side to the other, over a packet pipe if there is one."""
    with rig.places(pipe) as places:
        source, target = places.side(direction)
        os.link(rig.file(size), source / NAME)
        with peer.serve(places) as (process, address):
            if direction == "upload":
                command = peer.upload(address, source / NAME)
            else:
                command = peer.download(address, NAME, target)
            seconds = timed(command, places)
            sample = Sample(seconds, rss=rss_of(peer, process))
        verify_file(source / NAME, target / NAME)
        return sample

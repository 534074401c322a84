"""Row 8: the server's memory under many connections. Native only; the server has as many threads
as there are cores."""
import contextlib

from .. import native
from ..process import peak_rss, rss
from ..rig import MIB, Sample, verify_file
from ..targets import IdleAtMost, PeakAtMost
from . import Case, Row

IDLE, BUSY = 1000, 500
IDLE_BYTES = 64 << 10
BUSY_BYTES = 256 * MIB


def rows(setup):
    peers = setup.ftx() if setup.native else []
    yield Row("8-idle", f"{IDLE:,} connections that said hello and nothing else", IDLE,
              "connections", [Case(one.name, idle_of(one), subject=True) for one in peers],
              [IdleAtMost(IDLE_BYTES)])
    yield Row("8-busy", f"{BUSY} connections that upload 1 MiB each at once", BUSY * MIB / 1e6,
              "MB", [Case(one.name, busy_of(one), subject=True) for one in peers],
              [PeakAtMost(BUSY_BYTES)])


def idle_of(peer):
    def run(rig):
        with rig.places() as places, peer.serve(places, "auto") as (process, address):
            with contextlib.ExitStack() as stack:
                # The first connection pays for the memory that all connections share.
                stack.enter_context(native.connect(address.port))
                before = rss(process)
                for _ in range(IDLE):
                    stack.enter_context(native.connect(address.port))
                return Sample(rss=peak_rss(process), idle=(rss(process) - before) / IDLE)
    return run


def busy_of(peer):
    def run(rig):
        source = rig.file(MIB)
        data, digest = source.read_bytes(), native.digest(source)
        with rig.places() as places, peer.serve(places, "auto") as (process, address):
            with contextlib.ExitStack() as stack:
                connections = [stack.enter_context(native.connect(address.port)) for _ in range(BUSY)]
                sample = Sample(native.put_all(connections, data, digest), rss=peak_rss(process))
            for index in range(BUSY):
                verify_file(source, places.there / f"many-{index:03}.bin")
            return sample
    return run

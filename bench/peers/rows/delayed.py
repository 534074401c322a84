"""Row 7: the cost of a long line. Each peer also goes through a line without delay, so that the line's
own cost is on both sides."""
from ..nginx import Nginx
from ..rig import Sample
from ..rsync import Rsync
from ..targets import DelayCosts, Faster
from . import Case, Row, trees, whole

CHUNK = 128 << 10
COSTS_TIMES = 2


def rows(setup):
    size, files, delay = setup.size // 4, setup.files, setup.delay
    plain, slow = "no delay", f"{delay * 1000:g} ms each way"
    groups = ((plain, 0.0), (slow, delay))
    costs = DelayCosts(plain, slow, COSTS_TIMES)
    for direction in ("upload", "download"):
        # Three round trips a file: the legacy dialect would take most of an hour.
        ftx = setup.ftx("full") if setup.native else []
        cases = [trees.case(peer, direction, files, seconds, group)
                 for group, seconds in groups for peer in [*ftx, Rsync()]]
        cases.append(stop_and_wait("a file", files, delay, slow))
        yield Row(f"7-tree-{direction}", f"{direction} of {files:,} files of 4 KiB over a line",
                  files, "files", cases, [costs, Faster("rsync daemon", group=slow)])
    for direction in ("upload", "download"):
        cases = [whole.case(peer, direction, size, seconds, group)
                 for group, seconds in groups for peer in [*setup.ftx(), Rsync(), Nginx()]]
        cases.append(stop_and_wait(f"{CHUNK >> 10} KiB", -(-size // CHUNK), delay, slow))
        yield Row(f"7-file-{direction}", f"{direction} of {size >> 20} MiB over a line",
                  size / 1e6, "MB", cases, [Faster(f"stop-and-wait, {CHUNK >> 10} KiB a round trip (computed)", 5, slow),
                                            Faster("rsync daemon", group=slow)])


def stop_and_wait(what, trips, delay, group):
    """The time of the round trips alone; computed, not measured."""
    return Case(f"stop-and-wait, {what} a round trip (computed)",
                lambda rig: Sample(trips * 2 * delay), group=group)

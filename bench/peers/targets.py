"""The targets of ftx. Each target judges a row's results and returns (measured, met).

`results` is {(name, group): Stats}; a target without results is not measured and returns
(None, None). No target is a test: a machine under load misses targets of time.
"""
from dataclasses import dataclass

MIB = 1 << 20


def subject(results, group=""):
    """Returns the first ftx in a group, the subject of the targets."""
    return next((one for (_, of), one in results.items() if one.subject and of == group), None)


@dataclass
class Faster:
    """`by` times as fast as `than`: 1 is not slower."""

    than: str
    by: float = 1.0
    group: str = ""
    # The name of the ftx case; the first one if there is no name.
    ours: str = ""

    def __str__(self):
        who = f"{self.ours}: " if self.ours else ""
        where = f", {self.group}" if self.group else ""
        return f"{who}at least {self.by:g} x the speed of {self.than}{where}"

    def look(self, results):
        named = results.get((self.ours, self.group))
        ours = named if self.ours else subject(results, self.group)
        theirs = results.get((self.than, self.group))
        if not ours or not theirs or not ours.median or not theirs.median:
            return None, None
        ratio = theirs.median / ours.median
        return f"{ratio:.2f} x", ratio >= self.by


@dataclass
class Within:
    """At most `times` the time of `than`, and `more` seconds."""

    than: str
    times: float
    more: float

    def __str__(self):
        return f"at most {self.times:g} x the time of {self.than}, plus {self.more:g} s"

    def look(self, results):
        ours, theirs = subject(results), results.get((self.than, ""))
        if not ours or not theirs or not ours.median or not theirs.median:
            return None, None
        times = (ours.median - self.more) / theirs.median
        return f"{times:.2f} x", times <= self.times


@dataclass
class WireAtMost:
    """Bytes on the wire, both directions together."""

    bytes: int
    why: str

    def __str__(self):
        return f"at most {self.bytes / MIB:.1f} MiB on the wire ({self.why})"

    def look(self, results):
        ours = subject(results)
        if not ours or ours.wire is None:
            return None, None
        return f"{ours.wire / MIB:.1f} MiB", ours.wire <= self.bytes


@dataclass
class PeakAtMost:
    """The peak memory of the server."""

    bytes: int

    def __str__(self):
        return f"at most {self.bytes / MIB:.0f} MiB of memory in the server"

    def look(self, results):
        ours = subject(results)
        if not ours or ours.rss is None:
            return None, None
        return f"{ours.rss / MIB:.0f} MiB", ours.rss <= self.bytes


@dataclass
class IdleAtMost:
    """The memory of an idle connection."""

    bytes: int

    def __str__(self):
        return f"at most {self.bytes / 1024:.0f} KiB for an idle connection"

    def look(self, results):
        ours = subject(results)
        if not ours or ours.idle is None:
            return None, None
        return f"{ours.idle / 1024:.1f} KiB", ours.idle <= self.bytes

"""What is measured. Each module's `rows(setup)` gives some rows, in their order."""
import contextlib
from dataclasses import dataclass, field
from typing import Callable

from ..line import Line
from ..process import peak_rss
from ..rig import Rig, Sample


@dataclass
class Setup:
    """What the command line says: sizes in bytes, the delay in seconds each way."""

    ftx: Callable  # ftx(durability, label) gives a list: one peer, or none with --no-ftx
    library: Callable  # library() gives the same of a program in C
    native: bool
    size: int
    files: int
    delay: float


@dataclass
class Case:
    """One line of a row. `run` measures; `count` does the same once more through a line, and
    gives the bytes that passed: counting costs time, so no time is taken there."""

    name: str
    run: Callable[[Rig], Sample]
    count: Callable[[Rig], int] | None = None
    group: str = ""
    subject: bool = False


@dataclass
class Row:
    """Cases that are compared with each other, within their groups. `amount` is what one run
    moves, and `unit` what it is counted in: "MB" (10^6 bytes) or "files"."""

    id: str
    title: str
    amount: float
    unit: str
    cases: list
    targets: list = field(default_factory=list)


def is_ftx(peer):
    return peer.name.startswith("ftx")


def rss_of(peer, process):
    """The peak of a server of ours; those of others consist of several processes."""
    return peak_rss(process) if is_ftx(peer) else None


@contextlib.contextmanager
def through(port, delay):
    """Where the client goes: to the server, or to a line if there is a delay, be it 0."""
    if delay is None:
        yield port
        return
    with Line(port, delay) as line:
        yield line.port


def all_rows(setup):
    from . import again, crowd, delayed, library, resume, trees, whole
    modules = (whole, resume, again, trees, delayed, crowd, library)
    rows = [row for module in modules for row in module.rows(setup)]
    return [*rows, *trees.rows_again(setup)]

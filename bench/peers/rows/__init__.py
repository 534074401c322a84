"""The measurements. Each module's `rows(setup)` returns some rows, in order."""
from dataclasses import dataclass, field
from typing import Callable

from ..process import peak_rss
from ..rig import Rig, Sample


@dataclass
class Setup:
    """The settings of the command line. `size` is in bytes."""

    ftx: Callable  # ftx(durability, label, options, tls) gives a list: one peer, or none with --no-ftx
    library: Callable  # library() gives the same of a program in C
    native: bool
    size: int
    files: int


@dataclass
class Case:
    """One line of a row. `run` measures; `count` repeats the work through a line and returns the bytes
    that passed. Counting costs time, so `count` measures none."""

    name: str
    run: Callable[[Rig], Sample]
    count: Callable[[Rig], int] | None = None
    group: str = ""
    subject: bool = False


@dataclass
class Row:
    """Cases that are compared with each other, within their groups. `amount` is the work of one run,
    and `unit` its unit: "MB" (10^6 bytes) or "files"."""

    id: str
    title: str
    amount: float
    unit: str
    cases: list
    targets: list = field(default_factory=list)


def is_ftx(peer):
    return peer.name.startswith("ftx")


def rss_of(peer, process):
    """Returns the peak memory of ftx-server; other servers consist of several processes."""
    return peak_rss(process) if is_ftx(peer) else None


def all_rows(setup):
    from . import again, crowd, library, long, partial, resume, secure, text, trees, whole
    modules = (whole, resume, again, trees, long, text, crowd, library)
    rows = [row for module in modules for row in module.rows(setup)]
    return [*rows, *trees.rows_again(setup), *secure.rows(setup), *partial.rows(setup)]

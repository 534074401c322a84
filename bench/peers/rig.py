"""Directories, sources, timing and verification for each run of each peer."""
import contextlib
import itertools
import os
import random
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .process import Failed, running, tail, wait

MIB = 1 << 20
WORKSPACE = Path(__file__).resolve().parents[2]
TEXT_ENDINGS = (".c", ".h", ".md", ".rs", ".toml")
BLOCK = MIB
COMMAND_SECONDS = 1800


@dataclass
class Sample:
    """The result of one run. `wire` is in bytes, both directions; `rss` and `idle` are in bytes."""

    seconds: float | None = None
    wire: int | None = None
    rss: int | None = None
    idle: float | None = None


@dataclass
class Places:
    """The directories of one run: the client's, the server's, and one for other files."""

    here: Path
    there: Path
    spare: Path
    # The host of the server, and the network namespaces of both sides if they are not this one's.
    host: str = "127.0.0.1"
    near: str | None = None
    far: str | None = None

    def side(self, direction):
        """Returns the source and the target directory of an upload or a download."""
        return (self.here, self.there) if direction == "upload" else (self.there, self.here)


class Rig:
    """A temporary directory on `base`, removed at the end; sources are made once and linked."""

    def __init__(self, base):
        self._base = base

    def __enter__(self):
        # Peers run as nobody and write here, so permissions must not depend on the caller's umask.
        os.umask(0)
        self.top = Path(tempfile.mkdtemp(dir=self._base, prefix="ftx-bench."))
        self.top.chmod(0o755)
        (self.top / "pool").mkdir()
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.top, ignore_errors=True)

    @contextlib.contextmanager
    def places(self, pipe=None):
        """Yields empty directories, at both ends of a packet pipe if there is one. Removes them with their
        contents."""
        top = Path(tempfile.mkdtemp(dir=self.top, prefix="run."))
        top.chmod(0o755)
        places = Places(top / "here", top / "there", top / "spare", **(pipe.ends() if pipe else {}))
        for one in (places.here, places.there, places.spare):
            one.mkdir(mode=0o777)
        try:
            yield places
        finally:
            shutil.rmtree(top)

    def file(self, size):
        """A file of random bytes, for reading only."""
        path = self.top / "pool" / f"file-{size}"
        if not path.exists():
            with open(path, "wb") as out:
                for begin in range(0, size, 8 * MIB):
                    out.write(os.urandom(min(8 * MIB, size - begin)))
            path.chmod(0o644)
        return path

    def changed(self, size, share):
        """The same file with `share` of its blocks replaced, at random places."""
        path = self.top / "pool" / f"changed-{size}"
        blocks = size // BLOCK
        if not path.exists():
            shutil.copyfile(self.file(size), path)
            with open(path, "r+b") as out:
                for block in random.sample(range(blocks), max(1, round(blocks * share))):
                    out.seek(block * BLOCK)
                    out.write(os.urandom(BLOCK))
            path.chmod(0o644)
        return path

    def tree(self, files, size):
        """A directory of `files` files of `size` random bytes, 100 in each directory."""
        top = self.top / "pool" / f"tree-{files}-{size}"
        if not top.exists():
            for index in range(files):
                directory = top / f"d{index // 100:03}"
                directory.mkdir(parents=True, exist_ok=True)
                path = directory / f"f{index:05}.bin"
                path.write_bytes(os.urandom(size))
                path.chmod(0o644)
        return top

    def text(self, size):
        """A directory with `size` bytes of source text: of this project, and then of the crates that it is built with."""
        top = self.top / "pool" / f"text-{size}"
        if not top.exists():
            crates = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "registry" / "src"
            left = size
            for path in itertools.chain(sources(WORKSPACE), sources(crates)):
                if left == 0:
                    break
                data = path.read_bytes()[:left]
                copy = top / f"{left:012}" / path.name
                copy.parent.mkdir(parents=True)
                copy.write_bytes(data)
                copy.chmod(0o644)
                left -= len(data)
            if left:
                raise Failed(f"there are no {size} bytes of source text here; give a smaller --size")
        return top

    def drop_pool(self):
        """Removes the sources, so that rows do not add up in memory."""
        shutil.rmtree(self.top / "pool")
        (self.top / "pool").mkdir()


def sources(top):
    """The files of source text below a directory, in the same order each time."""
    for directory, names, files in os.walk(top):
        names[:] = sorted(name for name in names if name not in ("target", ".git"))
        for name in sorted(files):
            path = Path(directory) / name
            if name.endswith(TEXT_ENDINGS) and path.stat().st_size:
                yield path


def link_tree(source, target):
    """Gives the files of `source` second names below `target`."""
    shutil.copytree(source, target, copy_function=os.link)


def timed(argv, places):
    """Returns the seconds from the start of the command's process to its end."""
    begin = time.monotonic()
    run(argv, places)
    return time.monotonic() - begin


def run(argv, places):
    """Runs a command in the client's directory; it must succeed."""
    log = places.spare / "client.log"
    with running(argv, log, places.near, **at_home(places)) as process:
        code = wait(process, COMMAND_SECONDS)
    if code is None:
        raise Failed(f"{argv[0]} takes longer than {COMMAND_SECONDS} s")
    if code != 0:
        raise Failed(f"{argv[0]} ended with {code}: {tail(log)}")


def at_home(places):
    """Returns the environment of clients, whose caches are in the run's directory."""
    env = {**os.environ, "XDG_CACHE_HOME": str(places.spare / "cache")}
    return {"cwd": places.here, "env": env}


def verify_file(source, target):
    """Fails if the two differ in any byte."""
    if subprocess.call(["cmp", "-s", source, target]) != 0:
        raise Failed(f"{target} is not what was sent")


def verify_tree(source, target, flat=False):
    """Fails if a file of `source` is missing below `target`. `flat`: only the last part of its name counts."""
    for path in source.rglob("*.bin"):
        other = target / (path.name if flat else path.relative_to(source))
        if not other.is_file() or other.read_bytes() != path.read_bytes():
            raise Failed(f"{other} is not what was sent")

"""ftx-server and ftx-client, in the native dialect or, where asked for, the legacy one."""
import contextlib
import subprocess
import sys
from pathlib import Path

from .process import WITH_US, Address, Failed, first_version, running, tail


class Ftx:
    """`durability` is the writing side's; `dialect` is the client's option."""

    needs = {}

    def __init__(self, directory, dialect, durability="full", label="", options=(), tls=False):
        self._server, self._client = directory / "ftx-server", directory / "ftx-client"
        self._options, self._tls = options, tls
        self._fingerprint, self._plain = None, []
        self.server_options = []
        self.dialect, self._durability = dialect, durability
        self.name = "ftx" + (f", {label}" if label else "")
        if dialect == "legacy":
            self.name += " (legacy)"

    def version(self):
        return f"ftx {first_version(self._server, '--version')}"

    @contextlib.contextmanager
    def serve(self, places, threads=1):
        """Yields (process, address)."""
        log = places.spare / "ftx.log"
        argv = [*WITH_US, self._server, "--listen", f"{places.host}:0", "--root", places.there,
                "--durability", self._durability, "--threads", threads, "--log", "warn",
                *self.server_options]
        if self._tls:
            argv += ["--state", places.spare / "state"]
        # Beyond this machine, nothing is served without rights unless that is asked for.
        if places.far:
            argv += ["--insecure"]
            self._plain = ["--insecure", "--tls", "off"]
        with running(argv, log, places.far, stdout=subprocess.PIPE, text=True) as process:
            line = process.stdout.readline()
            if not line.startswith("listening on "):
                raise Failed(f"ftx-server does not start: {tail(log)}")
            if self._tls:
                self._fingerprint = process.stdout.readline().split()[-1]
            yield process, Address(places.host, int(line.rsplit(":", 1)[1]))

    def upload(self, address, path, name=None):
        named = ["--as", name] if name else []
        return [*self._call("upload"), str(address), path, *named]

    def download(self, address, name, here):
        return [*self._fetch(), str(address), name, "--out-dir", here]

    def upload_tree(self, address, directory):
        paths = [directory] if self.dialect == "native" else sorted(directory.rglob("*.bin"))
        return [*self._call("upload"), str(address), *paths]

    def download_tree(self, address, name, here):
        if self.dialect == "native":
            names = [f"{name}/"]
        else:
            # The legacy dialect cannot list, so the client gets the names on its command line.
            root = Path(here).parent / "there"
            names = sorted(str(path.relative_to(root)) for path in (root / name).rglob("*.bin"))
        return [*self._fetch(), str(address), *names, "--out-dir", here]

    def _fetch(self):
        return [*self._call("download"), "--durability", self._durability]

    def _call(self, verb):
        dialect = ["--dialect", self.dialect] if chooses(self._client) else []
        tls = ["--tls", "require", "--fingerprint", self._fingerprint] if self._tls else self._plain
        return [self._client, verb, "-q", *dialect, *tls, *self._options]


def check(directory, dialect):
    """Ends the program if the binaries are missing or do not speak the dialect."""
    for one in ("ftx-server", "ftx-client"):
        if not (directory / one).is_file():
            sys.exit(f"{directory / one} is missing: "
                     "cargo build --release -p ftx-server -p ftx-client, or give --bin DIR")
    if dialect == "native" and not chooses(directory / "ftx-client"):
        sys.exit("this ftx-client speaks no native dialect: give --dialect legacy, or --no-ftx "
                 "to measure the peers alone")


def chooses(client, known={}):
    """Whether the client has the option `--dialect`. Older clients speak only the legacy dialect."""
    if client not in known:
        done = subprocess.run([client, "upload", "--help"], capture_output=True, text=True)
        known[client] = "--dialect" in done.stdout
    return known[client]

"""An rsync daemon and its client. rsync compares one checksum of each whole file."""
import contextlib

from .process import first_version, listening

CONFIG = """
use chroot = no
max connections = 0
reverse lookup = no
pid file = {spare}/rsyncd.pid
lock file = {spare}/rsyncd.lock
log file = {spare}/rsyncd.log
[files]
    path = {there}
    read only = no
"""


class Rsync:
    """`flags` are further flags of the client; the name shows them."""

    needs = {"rsync": "rsync"}

    def __init__(self, *flags):
        self._flags = flags
        self.name = " ".join(("rsync daemon", *flags))

    def version(self):
        return f"rsync {first_version('rsync', '--version')}"

    @contextlib.contextmanager
    def serve(self, places):
        config = places.spare / "rsyncd.conf"
        config.write_text(CONFIG.format(there=places.there, spare=places.spare))
        with listening(lambda address: ["rsync", "--daemon", "--no-detach", f"--config={config}",
                                     f"--address={address.host}", f"--port={address.port}"],
                       places.spare / "rsyncd-start.log", places) as server:
            yield server

    def upload(self, address, path):
        return ["rsync", "-rt", *self._flags, path, f"rsync://{address}/files/"]

    def download(self, address, name, here):
        return ["rsync", "-rt", *self._flags, f"rsync://{address}/files/{name}", f"{here}/"]

    # A directory is a path like any other, and keeps its last name.
    upload_tree = upload
    download_tree = download

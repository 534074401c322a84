"""Rows 11 and 12: a big file and many small files over TLS, beside the same in plain, and beside OpenSSH."""
from ..ssh import RsyncOverSsh, Sftp
from ..targets import Faster
from . import Row, trees, whole

# The least share of the speed in plain.
BIG_SHARE = {"upload": 0.75, "download": 0.7}
SMALL_SHARE = 0.9
# The least speed beside programs over OpenSSH.
TIMES_SSH = 1.5


def rows(setup):
    if not setup.native:
        return
    mb, mib = setup.size / 1e6, setup.size >> 20
    tls, plain = setup.ftx(label="TLS", tls=True), setup.ftx(label="plain")
    peers = [*tls, *plain, RsyncOverSsh(), Sftp()]
    over_ssh = [Faster("rsync over ssh", TIMES_SSH), Faster("sftp", TIMES_SSH)]
    for direction, share in BIG_SHARE.items():
        yield Row(f"11-{direction}", f"{direction} of {mib} MiB over TLS", mb, "MB",
                  [whole.case(peer, direction, setup.size) for peer in peers],
                  [Faster("ftx, plain", share), *over_ssh])
    for direction in BIG_SHARE:
        yield Row(f"12-{direction}", f"{direction} of {setup.files:,} files of 4 KiB over TLS",
                  setup.files, "files",
                  [trees.case(peer, direction, setup.files) for peer in peers],
                  [Faster("ftx, plain", SMALL_SHARE), *over_ssh])

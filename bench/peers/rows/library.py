"""Row 9: a C program with libftx, and ftx-client, which does the same without it."""
from ..targets import Faster
from . import Case, Row, trees, whole


def rows(setup):
    mb, mib = setup.size / 1e6, setup.size >> 20
    if not setup.native:
        return
    for direction in ("upload", "download"):
        yield row(setup, f"9-c-{direction}", f"{direction} of {mib} MiB from C", mb, "MB",
                  lambda rig, peer, way=direction: whole.move(rig, peer, way, setup.size))
    yield row(setup, "9-c-files", f"upload of {setup.files:,} files of 4 KiB from C",
              setup.files, "files",
              lambda rig, peer: trees.move(rig, peer, "upload", setup.files))


def row(setup, name, title, amount, unit, move):
    cases = [Case(peer.name, lambda rig, peer=peer: compiled(rig, peer, move), subject=True)
             for peer in setup.library()]
    cases += [Case(peer.name, lambda rig, peer=peer: move(rig, peer)) for peer in setup.ftx()]
    return Row(name, title, amount, unit, cases, [Faster("ftx", 0.95)])


def compiled(rig, peer, move):
    peer.compile(rig)
    return move(rig, peer)

"""ftx-server and a C program with libftx, which this module compiles."""
import subprocess
from pathlib import Path

from .ftx import Ftx
from .process import Failed

ROOT = Path(__file__).resolve().parents[2]


class Library(Ftx):
    """`bench/client.c` in place of ftx-client."""

    def __init__(self, directory, durability="full"):
        super().__init__(directory, "native", durability)
        self.name = "libftx from C"
        # In cargo's target directory, or beside the programs of an installation.
        places = (directory, directory.parent / "lib")
        self._library = next((one for one in places if (one / "libftx.so").is_file()), None)

    def compile(self, rig):
        """Compiles the program, once for each rig."""
        if self._library is None:
            raise Failed("libftx.so is missing: cargo build --release -p ftx-ffi")
        self._client = rig.top / "client"
        if self._client.exists():
            return
        # The program loads the library by the name of its ABI, which only an installation has.
        (rig.top / "libftx.so.1").symlink_to(self._library.resolve() / "libftx.so")
        done = subprocess.run(
            ["cc", "-O2", "-Wall", "-I", ROOT / "include", "-o", self._client,
             ROOT / "bench/client.c", rig.top / "libftx.so.1", f"-Wl,-rpath,{rig.top}"],
            capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"client.c does not compile: {done.stderr}")

    def upload(self, address, path, name=None):
        return [self._client, "upload", str(address), path, name or path.name]

    def download(self, address, name, here):
        return [self._client, "download", str(address), name, here / name]

    def upload_tree(self, address, directory):
        return [self._client, "tree", str(address), directory, directory.name]

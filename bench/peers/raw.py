"""Raw TCP in several streams: the bytes of a file without any protocol. Nothing is stored or verified.

    python3 -m peers.raw serve HOST
    python3 -m peers.raw send|receive HOST:PORT BYTES STREAMS
"""
import contextlib
import mmap
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from .process import WITH_US, Address, Failed, running, tail

BENCH = Path(__file__).resolve().parents[1]
STREAM_COUNT = 8
PIECE_BYTES = 1 << 20
SEND, RECEIVE = b"S", b"R"


class Raw:
    """`STREAM_COUNT` connections, each with its share of the bytes."""

    name = f"raw TCP, {STREAM_COUNT} streams"
    needs = {}

    @contextlib.contextmanager
    def serve(self, places):
        log = places.spare / "raw.log"
        argv = [*WITH_US, *python("serve", places.host)]
        with running(argv, log, places.far, stdout=subprocess.PIPE, text=True) as process:
            port = process.stdout.readline()
            if not port:
                raise Failed(f"{self.name} does not start: {tail(log)}")
            yield process, Address(places.host, int(port))

    def upload(self, address, size):
        return python("send", address, size, STREAM_COUNT)

    def download(self, address, size):
        return python("receive", address, size, STREAM_COUNT)


def python(*arguments):
    return ["env", f"PYTHONPATH={BENCH}", sys.executable, "-m", "peers.raw", *map(str, arguments)]


def serve(host):
    with socket.create_server((host, 0), backlog=64) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=answer, args=(client,), daemon=True).start()


def answer(client):
    with client:
        order = receive_exact(client, 9)
        size = int.from_bytes(order[1:], "little")
        if order[:1] == SEND:
            discard(client, size)
            client.sendall(b"\0")
        else:
            send(client, size)


def transfer(order, address, size, streams):
    host, port = address.rsplit(":", 1)
    shares = [size // streams] * (streams - 1) + [size - size // streams * (streams - 1)]
    done = []

    def one(share):
        with socket.create_connection((host, int(port))) as server:
            server.sendall(order + share.to_bytes(8, "little"))
            if order == SEND:
                send(server, share)
                receive_exact(server, 1)
            else:
                discard(server, share)
            done.append(share)

    threads = [threading.Thread(target=one, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(done) != streams:
        sys.exit("a stream failed")


def send(connection, size):
    """Sends zeros from the page cache, without copying them here."""
    with tempfile.TemporaryFile() as zeros:
        os.truncate(zeros.fileno(), PIECE_BYTES)
        while size > 0:
            size -= os.sendfile(connection.fileno(), zeros.fileno(), 0, min(size, PIECE_BYTES))


def discard(connection, size):
    """Takes bytes off the socket; the kernel drops them."""
    unused = mmap.mmap(-1, PIECE_BYTES)
    while size > 0:
        got = connection.recv_into(unused, min(size, PIECE_BYTES), socket.MSG_TRUNC)
        if got == 0:
            raise EOFError
        size -= got


def receive_exact(connection, size):
    got = b""
    while len(got) < size:
        piece = connection.recv(size - len(got))
        if not piece:
            raise EOFError
        got += piece
    return got


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        transfer({"send": SEND, "receive": RECEIVE}[sys.argv[1]], sys.argv[2], *map(int, sys.argv[3:]))

"""A proxy between a client and a server on loopback, in a process of its own.

The proxy counts the bytes of each direction, and can hold a transfer at an exact byte, so that a client
can be killed there. Copying is its limit, about 1 GB/s on one core of 2026; timed runs go without it.
"""
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import socket
import threading

from .process import Address

PIECE_BYTES = 256 << 10
UP, DOWN = "up", "down"


class Line:
    """A context manager; clients connect to `address` instead of the server's.

    `hold` is (UP or DOWN, bytes): the direction stops for good after exactly that many bytes, over all
    connections.
    """

    def __init__(self, server, hold=None):
        self._counts = multiprocessing.Array("Q", 2)
        self._written = {UP: 0, DOWN: 0}
        self._lock = threading.Lock()
        self._held = multiprocessing.Event()
        self._server, self._hold = server, hold

    def __enter__(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = Address(*listener.getsockname())
        self._process = multiprocessing.get_context("fork").Process(
            target=self._serve, args=(listener,), daemon=True)
        self._process.start()
        listener.close()
        return self

    def __exit__(self, *_):
        # The kernel closes all connections, as if a machine in between had failed.
        self._process.kill()
        self._process.join()

    def counts(self):
        """Returns the bytes that passed up and down."""
        return {UP: self._counts[0], DOWN: self._counts[1]}

    def wait_held(self, seconds):
        """Whether the hold was reached in time."""
        return self._held.wait(seconds)

    def _serve(self, listener):
        threading.Thread(target=end_with_parent, daemon=True).start()
        while True:
            client, _ = listener.accept()
            try:
                server = socket.create_connection((self._server.host, self._server.port))
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for ends in ((client, server, UP), (server, client, DOWN)):
                threading.Thread(target=self._copy, args=ends).start()

    def _copy(self, source, sink, direction):
        try:
            while piece := source.recv(PIECE_BYTES):
                piece = self._count(direction, piece)
                if not piece:
                    # Held. The line reads no further bytes; the connection stays open.
                    return
                sink.sendall(piece)
                with self._lock:
                    self._written[direction] += len(piece)
                    if self._hold == (direction, self._written[direction]):
                        self._held.set()
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            # One end is gone, and the other must see that.
            for one in (source, sink):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _count(self, direction, piece):
        """Counts the bytes, and cuts `piece` at the hold."""
        index = 0 if direction == UP else 1
        with self._counts.get_lock():
            if self._hold and self._hold[0] == direction:
                piece = piece[:max(0, self._hold[1] - self._counts[index])]
            self._counts[index] += len(piece)
        return piece


def end_with_parent():
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)

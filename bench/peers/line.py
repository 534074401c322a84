"""A proxy between a client and a server on loopback, in a process of its own.

The proxy counts the bytes of each direction, delays them, and can hold a transfer at an exact byte, so
that a client can be killed there. Each direction has two threads: one reads and stamps the pieces, the
other writes the due ones. Delay costs no rate: pieces in transit wait in memory, up to `IN_FLIGHT` for
each direction, which allows 2.5 GB/s at 50 ms. Copying is the limit, about 1 GB/s on one core of 2026
(`python3 -m peers.line` measures it).

The delay is that of a line without losses whose windows are always open; TCP itself sees no delay.
"""
import collections
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import socket
import threading
import time

PIECE = 256 << 10
IN_FLIGHT = 128 << 20
UP, DOWN = "up", "down"


class Line:
    """A context manager; clients connect to `port` instead of the server's port.

    `delay` is in seconds, each way. `hold` is (UP or DOWN, bytes): the direction stops for good
    after exactly that many bytes, over all connections.
    """

    def __init__(self, port, delay=0.0, hold=None):
        self._counts = multiprocessing.Array("Q", 2)
        self._written = {UP: 0, DOWN: 0}
        self._lock = threading.Lock()
        self._held = multiprocessing.Event()
        self._server, self._delay, self._hold = port, delay, hold

    def __enter__(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = listener.getsockname()[1]
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
            threading.Thread(target=self._connect, args=(client, time.monotonic())).start()

    def _connect(self, client, began):
        # As on a long line: the server sees the connection one delay later, the client sees the
        # answer after another delay, and only then sends.
        pause(began + self._delay)
        try:
            server = socket.create_connection(("127.0.0.1", self._server))
        except OSError:
            client.close()
            return
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pump(client, server, UP, began + 2 * self._delay)
        self._pump(server, client, DOWN, 0)

    def _pump(self, source, sink, direction, not_before):
        pipe = Pipe()
        reader = (source, pipe, direction, not_before)
        threading.Thread(target=self._read, args=reader).start()
        writer = (pipe, sink, source, direction)
        threading.Thread(target=self._write, args=writer).start()

    def _read(self, source, pipe, direction, not_before):
        while piece := receive(source):
            piece = self._count(direction, piece)
            if not piece:
                # Held. The line reads no further bytes; the connection stays open.
                return
            pipe.put(max(time.monotonic(), not_before) + self._delay, piece)
        pipe.put(time.monotonic() + self._delay, b"")

    def _count(self, direction, piece):
        """Counts the bytes, and cuts `piece` at the hold."""
        index = 0 if direction == UP else 1
        with self._counts.get_lock():
            if self._hold and self._hold[0] == direction:
                piece = piece[:max(0, self._hold[1] - self._counts[index])]
            self._counts[index] += len(piece)
        return piece

    def _write(self, pipe, sink, source, direction):
        try:
            while piece := pipe.take():
                sink.sendall(piece)
                with self._lock:
                    self._written[direction] += len(piece)
                    if self._hold == (direction, self._written[direction]):
                        self._held.set()
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            # The receiver is gone, and the sender must see that.
            for one in (source, sink):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


class Pipe:
    """Pieces in transit, with their time of arrival; empty bytes mark the end."""

    def __init__(self):
        self._pieces, self._bytes = collections.deque(), 0
        self._changed = threading.Condition()

    def put(self, due, piece):
        with self._changed:
            self._changed.wait_for(lambda: self._bytes < IN_FLIGHT)
            self._pieces.append((due, piece))
            self._bytes += len(piece)
            self._changed.notify_all()

    def take(self):
        with self._changed:
            self._changed.wait_for(lambda: self._pieces)
            due, piece = self._pieces[0]
        pause(due)
        with self._changed:
            self._pieces.popleft()
            self._bytes -= len(piece)
            self._changed.notify_all()
        return piece


def end_with_parent():
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def receive(source):
    try:
        return source.recv(PIECE)
    except OSError:
        return b""


def pause(until):
    left = until - time.monotonic()
    if left > 0:
        time.sleep(left)


def measure(delay, size=1 << 30):
    """MB/s from one thread of this process through a line to another."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Line(listener.getsockname()[1], delay) as line:
            def send():
                with socket.create_connection(("127.0.0.1", line.port)) as out:
                    piece = bytes(PIECE)
                    for _ in range(size // PIECE):
                        out.sendall(piece)
            begin = time.monotonic()
            threading.Thread(target=send).start()
            end, _ = listener.accept()
            with end:
                while end.recv(PIECE):
                    pass
            return size / (time.monotonic() - begin) / 1e6


if __name__ == "__main__":
    for milliseconds in (0, 50):
        print(f"{milliseconds} ms each way: {measure(milliseconds / 1000):.0f} MB/s")

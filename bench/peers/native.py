"""The part of FTX/1 that holds connections open and uploads small files over many connections at the
same moment. Client programs that start one after another would not send at the same moment."""
import selectors
import socket
import struct
import subprocess
import time

from .process import Failed

MAGIC = b"\x89FTX\r\n\x1a\n"
CONTROL, FILE = 1, 3
DONE = 4
ANSWER_SECONDS = 60


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def frame(request, kind, payload):
    return struct.pack("<IIB3x", len(payload), request, kind) + payload


def hello():
    """The preface and `Hello`: version 1, no features, no session, no auth, replaces none."""
    versions, features = struct.pack("<QI", 1, 1), struct.pack("<Q", 0)
    record = struct.pack("<I", 0) + versions + features + text("bench/0") + b"\0\0\0"
    return MAGIC + bytes(4) + frame(0, CONTROL, record)


def put(name, data, digest):
    """A small file: no mtime, not executable, replace."""
    head = struct.pack("<I", 0) + text(name) + b"\0\0" + struct.pack("<I", 0)
    return frame(1, FILE, struct.pack("<I", len(head)) + head + data + digest)


def digest(path):
    done = subprocess.run(["b3sum", "--no-names", path], capture_output=True, check=True)
    return bytes.fromhex(done.stdout.decode().strip())


def connect(port):
    """Returns a connection on which the server has sent `Welcome`."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
    connection.sendall(hello())
    preface = receive(connection, 12)
    if preface[:8] != MAGIC or preface[8:] == bytes(4):
        raise Failed("ftx-server speaks no native dialect")
    length, _, _ = struct.unpack("<IIB3x", receive(connection, 12))
    if receive(connection, length)[:4] != struct.pack("<I", 0):
        raise Failed("ftx-server does not welcome the script: its hello is of another version")
    return connection


def receive(connection, size):
    data = b""
    while len(data) < size:
        try:
            piece = connection.recv(size - len(data))
        except OSError as error:
            raise Failed(f"ftx-server does not answer: {error}") from error
        if not piece:
            raise Failed("ftx-server closes the connection; it may speak no native dialect")
        data += piece
    return data


def put_all(connections, data, digest_of):
    """Uploads `data` over all connections at once, under a name for each. Returns seconds."""
    with selectors.DefaultSelector() as selector:
        for index, connection in enumerate(connections):
            connection.setblocking(False)
            out = memoryview(put(f"many-{index:03}.bin", data, digest_of))
            selector.register(connection, selectors.EVENT_WRITE, [out, b""])
        begin = time.monotonic()
        left = len(connections)
        while left:
            ready = selector.select(ANSWER_SECONDS)
            if not ready:
                raise Failed(f"{left} connections get no answer in {ANSWER_SECONDS} s")
            for key, events in ready:
                if events & selectors.EVENT_WRITE:
                    send_more(selector, key)
                elif answered(key):
                    selector.unregister(key.fileobj)
                    left -= 1
        return time.monotonic() - begin


def send_more(selector, key):
    state = key.data
    state[0] = state[0][key.fileobj.send(state[0]):]
    if not state[0]:
        selector.modify(key.fileobj, selectors.EVENT_READ, state)


def answered(key):
    """Whether `Done` has come; other answers but `Working` are failures."""
    state = key.data
    piece = key.fileobj.recv(4096)
    if not piece:
        raise Failed("ftx-server closes a connection in the middle of a file")
    state[1] += piece
    while len(state[1]) >= 12:
        length = struct.unpack_from("<I", state[1])[0]
        if len(state[1]) < 12 + length:
            return False
        message = struct.unpack_from("<I", state[1], 12)[0]
        if message == DONE:
            return True
        if message != 10:
            raise Failed(f"ftx-server answers a file with message {message}: {state[1][16:]!r}")
        state[1] = state[1][12 + length:]
    return False

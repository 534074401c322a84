"""Uses ftxlib.py for uploads, listings and downloads; tests/tests/system/ftxlib.rs runs this program."""
import os, struct, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ftxlib import *

HAVE, READY, STORED, DONE, FOUND, ENTRIES, WORKING, FAILED, PONG = 1, 2, 3, 4, 5, 9, 10, 11, 12

def reply(conn, req):
    """Returns the next reply to this request: its number and its fields."""
    kind, to, payload = conn.frame()
    assert (kind, to) == (1, req), (kind, to, payload)
    return struct.unpack('<I', payload[:4])[0], payload[4:]

def reply_but(conn, req, *skipped):
    while True:
        n, fields = reply(conn, req)
        if n not in skipped: return n, fields

def main():
    data = bytes(range(251)) * 20
    digest = blake3(data)
    with Server() as server:
        conn = connect(server.port)
        conn.send(offer(1, 'dir/a', len(data), source=b's' * 16))
        assert reply_but(conn, 1, HAVE, WORKING) == (READY, u64(0))

        # The same source in another run waits, and its connection handles other requests meanwhile.
        other = connect(server.port)
        other.send(offer(1, 'dir/a', len(data), writer=b'x' * 16, source=b's' * 16))
        assert reply(other, 1) == (WORKING, u64(0) + u64(len(data)))
        other.send(ctl(2, 9, u64(5)))
        kind, to, payload = other.frame()
        while to == 1:
            assert payload[:4] == u32(WORKING), payload
            kind, to, payload = other.frame()
        assert (kind, to, payload) == (1, 2, u32(PONG) + u64(5))

        # An offer without a source does not wait.
        alone = connect(server.port)
        alone.send(offer(1, 'dir/a', len(data), writer=b'y' * 16))
        assert reply_but(alone, 1, HAVE, WORKING) == (READY, u64(0))

        conn.send(block(1, 0, data, block_cv(data, 0, len(data))))
        assert reply_but(conn, 1, WORKING) == (STORED, u64(0))
        conn.send(commit(1, digest))
        assert reply_but(conn, 1, WORKING) == (DONE, digest + b'\0')

        n, fields = reply_but(other, 1, WORKING)
        assert (n, fields) == (HAVE, u64(0) + u64(1) + b'\1' + block_cv(data, 0, len(data))), (n, fields)
        assert reply_but(other, 1, WORKING) == (READY, u64(0))
        other.send(commit(1, digest))
        assert reply_but(other, 1, WORKING) == (DONE, digest + b'\1')

        conn.send(put(2, 'dir/b', b'small'))
        assert reply_but(conn, 2, WORKING) == (DONE, blake3(b'small') + b'\0')
        conn.send(ctl(3, 6, text('') + b'\1' + opt(None) + u32(100)))
        n, fields = reply_but(conn, 3, WORKING)
        assert n == ENTRIES and fields.startswith(u64(3)) and b'dir/b' in fields, fields
        conn.send(get(4, 'dir/b'))
        kind, to, payload = conn.frame()
        assert (kind, to) == (3, 4) and payload.endswith(b'small' + blake3(b'small')), payload
        conn.send(get(5, 'none'))
        n, fields = reply_but(conn, 5, WORKING)
        assert n == FAILED and fields.startswith(i32(-402)), fields
        assert open(os.path.join(server.root, 'dir/a'), 'rb').read() == data

        served = client('stat', f'127.0.0.1:{server.port}', 'dir/a')
        assert served.returncode == 0, served
    print('all of it is right')

main()

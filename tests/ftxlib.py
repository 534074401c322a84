"""FTX/1 for programs in Python: frames and records, server and client processes, BLAKE3 (slow; small data).

A test runs a program with it against the server, so that it keeps up with PROTOCOL.md. FTX_SERVER and
FTX_CLIENT name the binaries; CASES_TMP, if it is set, a directory for what is temporary.
"""
import os, socket, struct, subprocess, sys, tempfile, threading, time, shutil, signal, json

SERVER, CLIENT = os.environ['FTX_SERVER'], os.environ['FTX_CLIENT']
TMP = os.environ.get('CASES_TMP', tempfile.gettempdir() + '/ftx-cases')
os.makedirs(TMP, exist_ok=True)
MAGIC = bytes.fromhex('894654580d0a1a0a')
BLOCK = 1 << 20

# ---- BLAKE3 -------------------------------------------------------------------------------------
IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
PERM = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
def _compress(cv, block, counter, blen, flags):
    m = list(struct.unpack('<16I', block.ljust(64, b'\0')))
    s = cv + IV[:4] + [counter & 0xffffffff, counter >> 32, blen, flags]
    M = 0xffffffff
    def g(a, b, c, d, x, y):
        s[a] = (s[a] + s[b] + x) & M; t = s[d] ^ s[a]; s[d] = ((t >> 16) | (t << 16)) & M
        s[c] = (s[c] + s[d]) & M; t = s[b] ^ s[c]; s[b] = ((t >> 12) | (t << 20)) & M
        s[a] = (s[a] + s[b] + y) & M; t = s[d] ^ s[a]; s[d] = ((t >> 8) | (t << 24)) & M
        s[c] = (s[c] + s[d]) & M; t = s[b] ^ s[c]; s[b] = ((t >> 7) | (t << 25)) & M
    for r in range(7):
        g(0,4,8,12,m[0],m[1]); g(1,5,9,13,m[2],m[3]); g(2,6,10,14,m[4],m[5]); g(3,7,11,15,m[6],m[7])
        g(0,5,10,15,m[8],m[9]); g(1,6,11,12,m[10],m[11]); g(2,7,8,13,m[12],m[13]); g(3,4,9,14,m[14],m[15])
        m = [m[i] for i in PERM]
    return [s[i] ^ s[i + 8] for i in range(8)]
def _chunk(data, counter, root):
    cv = IV[:]; blocks = [data[i:i + 64] for i in range(0, len(data), 64)] or [b'']
    for i, b in enumerate(blocks):
        f = (1 if i == 0 else 0) | (2 if i == len(blocks) - 1 else 0) | (8 if root and i == len(blocks) - 1 else 0)
        cv = _compress(cv, b, counter, len(b), f)
    return cv
def _tree(data, counter, root):
    if len(data) <= 1024: return _chunk(data, counter, root)
    n = (len(data) - 1) // 1024; left = 1024 << (n.bit_length() - 1)
    l = _tree(data[:left], counter, False); r = _tree(data[left:], counter + left // 1024, False)
    return _compress(IV[:], struct.pack('<16I', *l, *r), 0, 64, 4 | (8 if root else 0))
def blake3(data): return struct.pack('<8I', *_tree(data, 0, True))
def block_cv(data, index, total):
    return struct.pack('<8I', *_tree(data, index * 1024, total <= BLOCK))

# ---- records ------------------------------------------------------------------------------------
u32 = lambda n: struct.pack('<I', n)
u64 = lambda n: struct.pack('<Q', n)
i32 = lambda n: struct.pack('<i', n)
def text(s):
    b = s if isinstance(s, bytes) else s.encode()
    return u64(len(b)) + b
opt = lambda v: b'\0' if v is None else b'\1' + v
META = b'\0\0'
def frame(kind, req, payload): return u32(len(payload)) + u32(req) + bytes([kind, 0, 0, 0]) + payload
def ctl(req, n, body=b''): return frame(1, req, u32(n) + body)
def hello(session=None, replaces=None):
    return MAGIC + u32(0) + ctl(0, 0, u64(1) + u32(1) + u64(0) + text('adv/0') + opt(session) + opt(None) + opt(replaces))
def offer(req, name, size, writer=b'w' * 16, meta=META, over=u32(0), source=None):
    """`writer` is the run, 16 bytes; `source` is 16 bytes, or None if the source is not a regular file."""
    return ctl(req, 1, text(name) + u64(size) + meta + over + writer + opt(source))
def commit(req, digest): return ctl(req, 2, digest)
def get(req, name, what=u32(0), version=None): return ctl(req, 4, text(name) + opt(version) + what)
def put(req, name, data, meta=META, over=u32(0), digest=None):
    head = u32(0) + text(name) + meta + over
    return frame(3, req, u32(len(head)) + head + data + (digest or blake3(data)))
def block(req, index, data, cv): return frame(2, req, u64(index) + data + cv)
# the messages of a server
def welcome(window=8 << 20, requests=1024, session=b's' * 16):
    return MAGIC + u32(1) + ctl(0, 0, u32(1) + u64(0) + text('adv/0') + session + u64(window) + u32(requests))
def entry(name, kind=0, size=0, meta=META): return text(name) + u32(kind) + u64(size) + meta
def untransferable(name, obstacle, size=0, meta=META):
    """`name` is escaped as in PROTOCOL.md 3.3; `obstacle` 0 link, 1 special, 2 not UTF-8, 3 refused, 4 too long."""
    return text(name) + u32(2) + u32(obstacle) + u64(size) + meta
def entries(req, es, more=False): return ctl(req, 9, u64(len(es)) + b''.join(es) + bytes([more]))
def got(req, data, meta=META, version=b'v' * 16):
    head = u32(1) + meta + version
    return frame(3, req, u32(len(head)) + head + data + blake3(data))

class Conn:
    def __init__(self, sock): self.s = sock; self.buf = b''
    def exact(self, n):
        while len(self.buf) < n:
            d = self.s.recv(1 << 16)
            if not d: raise EOFError
            self.buf += d
        r, self.buf = self.buf[:n], self.buf[n:]
        return r
    def frame(self):
        h = self.exact(12); n, req = struct.unpack('<II', h[:8])
        return h[8], req, self.exact(n)
    def send(self, b): self.s.sendall(b)

def connect(port, session=None, timeout=20, replaces=None):
    s = socket.create_connection(('127.0.0.1', port)); s.settimeout(timeout)
    c = Conn(s); c.send(hello(session, replaces)); c.exact(12)
    k, r, p = c.frame()
    c.welcome = p
    if struct.unpack('<I', p[:4])[0] == 0:
        off = 8; nf = struct.unpack('<Q', p[8:16])[0]; off = 16
        alen = struct.unpack('<Q', p[off:off + 8])[0]; off += 8 + alen
        c.session = p[off:off + 16]
    return c

def hostile_server(handler):
    """Answers the Hello, then calls handler(conn, kind, req, payload) for each frame. Returns the port."""
    l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind(('127.0.0.1', 0)); l.listen(50)
    def serve(s):
        c = Conn(s)
        try:
            c.exact(12); c.frame(); c.send(getattr(handler, 'welcome', None) or welcome())
            while True: handler(c, *c.frame())
        except (EOFError, OSError): pass
    def loop():
        while True:
            s, _ = l.accept(); threading.Thread(target=serve, args=(s,), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
    return l.getsockname()[1]

class Server:
    def __init__(self, root=None, args=(), prefix=(), env=None, log='info', preexec=None):
        self.tmp = None
        if root is None: root = self.tmp = tempfile.mkdtemp(prefix='adv-', dir=os.environ.get('ADV_TMP', TMP))
        self.root = root
        self.log = tempfile.NamedTemporaryFile(prefix='adv-log', dir=TMP, delete=False)
        self.p = subprocess.Popen([*prefix, SERVER, '--root', root, '--listen', '127.0.0.1:0', '--log', log, *args],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=env, preexec_fn=preexec)
        line = self.p.stdout.readline()
        self.port = int(line.rsplit(':', 1)[1]) if ':' in line else 0
    def logs(self): return open(self.log.name).read()
    def stop(self, sig=signal.SIGKILL):
        if self.p.poll() is None:
            self.p.send_signal(sig)
        self.p.wait(); os.unlink(self.log.name)
        if self.tmp: (lambda d, *a, **k: subprocess.run(['rm', '-rf', d]))(self.tmp, ignore_errors=True)
    def __enter__(self): return self
    def __exit__(self, *a): self.stop()

def client(*args, timeout=60, env=None, cwd=None, prefix=()):
    return subprocess.run([*prefix, CLIENT, *map(str, args)], capture_output=True, text=True, timeout=timeout, env=env, cwd=cwd)

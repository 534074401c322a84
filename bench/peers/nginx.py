"""nginx: PUT by its DAV module, GET; the clients are curl and aria2. Nothing is verified."""
import contextlib

from .process import first_version, listening, which

CONFIG = """
daemon off;
worker_processes auto;
pid {spare}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_max_body_size 0;
    # On the file system of the files, so that a PUT ends with a rename.
    client_body_temp_path {spare}/body;
    proxy_temp_path {spare}/proxy;
    fastcgi_temp_path {spare}/fastcgi;
    uwsgi_temp_path {spare}/uwsgi;
    scgi_temp_path {spare}/scgi;
    server {{
        listen {address};
        root {there};
        location / {{ dav_methods PUT; create_full_put_path on; }}
    }}
}}
"""


class Nginx:
    """nginx with curl."""

    name = "nginx+curl"
    needs = {"nginx": "nginx-light", "curl": "curl"}

    def version(self):
        curl = first_version("curl", "--version")
        return f"nginx {first_version(which('nginx'), '-v')}, curl {curl}"

    @contextlib.contextmanager
    def serve(self, places):
        config = places.spare / "nginx.conf"

        def argv(address):
            config.write_text(CONFIG.format(address=address, there=places.there, spare=places.spare))
            return [which("nginx"), "-e", "stderr", "-p", places.spare, "-c", config]

        with listening(argv, places.spare / "nginx.log", places) as server:
            yield server

    def upload(self, address, path):
        # Without this, curl would wait for "100 Continue" before it sends.
        return ["curl", "-fsS", "-H", "Expect:", "-T", path, f"http://{address}/{path.name}"]

    def download(self, address, name, here):
        return ["curl", "-fsS", "-o", here / name, f"http://{address}/{name}"]


class Aria(Nginx):
    """nginx with aria2, several connections for the file."""

    needs = {"nginx": "nginx-light", "aria2c": "aria2"}

    def __init__(self, connections=4):
        self._connections = connections
        self.name = f"nginx+aria2 -x{connections}"

    def version(self):
        return f"aria2 {first_version('aria2c', '--version')}"

    def download(self, address, name, here):
        return ["aria2c", "-q", "--no-conf", f"-x{self._connections}", f"-s{self._connections}", "--min-split-size=1M",
                "--file-allocation=none", "-d", here, f"http://{address}/{name}"]

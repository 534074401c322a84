"""vsftpd with curl, anonymous. Nothing is verified.

Started by root, it runs as root, which vsftpd requires, and its sessions run as ftp; otherwise it runs as
the caller. Its data connections have separate ports, so it does not go through a line.
"""
import contextlib
import os
import subprocess
import tempfile

from .process import listening, which

CONFIG = """
listen=YES
listen_address={address.host}
listen_port={address.port}
background=NO
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_umask=022
no_anon_password=YES
anon_root={root}
secure_chroot_dir={spare}
pasv_min_port=0
pasv_max_port=0
seccomp_sandbox=NO
xferlog_enable=NO
{who}
"""


class Vsftpd:
    name = "vsftpd+curl"
    needs = {"vsftpd": "vsftpd", "curl": "curl"}

    def version(self):
        # vsftpd writes its version to its standard input.
        with tempfile.TemporaryFile("w+") as said:
            subprocess.run([which("vsftpd"), "-v"], stdin=said)
            said.seek(0)
            return said.read().strip().replace(": version", "")

    @contextlib.contextmanager
    def serve(self, places):
        config = places.spare / "vsftpd.conf"
        root = os.geteuid() == 0
        # The user of its package: vsftpd enters the user's home first, and nobody has no home.
        who = "ftp_username=ftp\nnopriv_user=nobody" if root else "run_as_launching_user=YES"
        # vsftpd refuses a directory for its helpers that other users may write to.
        empty = places.spare / "empty"
        empty.mkdir(mode=0o555, exist_ok=True)

        def argv(address):
            # vsftpd also refuses a writable anonymous root, so the root is the directory above.
            config.write_text(CONFIG.format(address=address, root=places.there.parent,
                                            spare=empty, who=who))
            config.chmod(0o644)
            return [which("vsftpd"), config]

        keep = {"user": None, "group": None, "extra_groups": None} if root else {}
        with listening(argv, places.spare / "vsftpd.log", places, **keep) as server:
            yield server

    def upload(self, address, path):
        return ["curl", "-fsS", "-T", path, f"ftp://{address}/there/{path.name}"]

    def download(self, address, name, here):
        return ["curl", "-fsS", "-o", here / name, f"ftp://{address}/there/{name}"]

"""OpenSSH: rsync over it, and sftp. Both use the default cipher."""
import contextlib
import os
import subprocess

from .process import Failed, first_version, listening, which

CONFIG = """
HostKey {spare}/host-key
PidFile {spare}/sshd.pid
AuthorizedKeysFile {spare}/client-key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""


class Ssh:
    """Both sides as root: sshd starts the other side as the user who logs in."""

    needs = {"sshd": "openssh-server", "ssh": "openssh-client"}

    @contextlib.contextmanager
    def serve(self, places):
        if os.geteuid() != 0:
            raise Failed("sshd needs root")
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self._there = places.there
        self._key = places.spare / "client-key"
        for key in (self._key, places.spare / "host-key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
            key.chmod(0o600)
            # Clients run as the user of this key.
            if key == self._key:
                os.chown(key, 65534, 65534)
        config = places.spare / "sshd_config"
        config.write_text(CONFIG.format(spare=places.spare))
        with listening(lambda address: [which("sshd"), "-D", "-e", "-f", config,
                                     "-o", f"ListenAddress={address.host}", "-p", address.port],
                       places.spare / "sshd.log", places, user=0, group=0) as server:
            yield server

    def version(self):
        return f"OpenSSH {first_version('ssh', '-V')}"

    def _options(self):
        return ["-F", "none", "-i", str(self._key), "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "LogLevel=ERROR"]


class RsyncOverSsh(Ssh):
    name = "rsync over ssh"

    def upload(self, address, path):
        return [*self._rsync(address), path, f"root@{address.host}:{self._there}/"]

    def download(self, address, name, here):
        return [*self._rsync(address), f"root@{address.host}:{self._there}/{name}", f"{here}/"]

    upload_tree = upload
    download_tree = download

    def _rsync(self, address):
        return ["rsync", "-rt", "-e", " ".join(["ssh", "-p", str(address.port), *self._options()])]


class Sftp(Ssh):
    name = "sftp"

    def upload(self, address, path):
        return self._sftp(address, f"put -r {path} {self._there}/")

    def download(self, address, name, here):
        return self._sftp(address, f"get -r {self._there}/{name} {here}/")

    upload_tree = upload
    download_tree = download

    def _sftp(self, address, command):
        arguments = ["sftp", "-q", "-P", str(address.port), *self._options(), "-b", "-", f"root@{address.host}"]
        return ["sh", "-c", 'printf "%s\\n" "$1" | { shift; "$@"; }', "sh", command, *arguments]

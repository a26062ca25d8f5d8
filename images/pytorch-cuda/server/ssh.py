"""OpenSSH's server in a user's container, run by the user, without any privilege."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from pathlib import Path

PORT = 22
KEYS_VARIABLE = "SSH_PUBLIC_KEY"
HOST_KEY = Path("/workspace/.gpudock/ssh/host_ed25519")
"""It is in the workspace so that clients know the server after the container was replaced."""
_MAX_KEY_LINES = 1000
_NOT_PASSED_ON = {KEYS_VARIABLE, "HOME", "LOGNAME", "MAIL", "PWD", "OLDPWD", "SHELL", "SHLVL"}
_NOT_PASSED_ON |= {"TERM", "USER", "_"}
"""The keys, and variables of the environment that sshd or the shell sets itself."""

CONFIG = """\
Port {port}
HostKey {host_key}
AuthorizedKeysFile {keys} .ssh/authorized_keys
AllowUsers {user}
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
# There is one user. Files that are mounted from the host have owners of the host.
StrictModes no
UsePAM no
PidFile none
PrintMotd no
X11Forwarding no
AcceptEnv LANG LC_* COLORTERM
ClientAliveInterval 30
Subsystem sftp internal-sftp
{environment}
"""


class SSHError(Exception):
    """The server cannot be started; the message is for the owner of the container."""


def start() -> list[str]:
    """Start sshd if there is a public key; return sentences about lines that are no keys.

    Keys come from the variable ``SSH_PUBLIC_KEY`` (one in each line) and from
    ``~/.ssh/authorized_keys``, which may be mounted and is read at each login.

    Raises:
        SSHError: sshd cannot be started.
    """
    given = os.environ.get(KEYS_VARIABLE, "")
    mounted = Path.home() / ".ssh" / "authorized_keys"
    if not given.strip() and not mounted.exists():
        return []
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        message = (
            f"SSH does not run, because user {os.getuid()} of this container has no name. Run the "
            "container without --user to use SSH."
        )
        raise SSHError(message) from None
    keys, problems = valid_keys(given)
    if not keys and not mounted.exists():
        return problems
    folder = Path(tempfile.mkdtemp(prefix="gpudock-ssh-"))
    (folder / "keys").write_text("".join(f"{key}\n" for key in keys))
    config = folder / "sshd_config"
    config.touch(0o600)
    config.write_text(
        CONFIG.format(
            port=PORT,
            host_key=host_key(HOST_KEY, folder),
            keys=folder / "keys",
            user=user,
            environment=set_env(os.environ),
        )
    )
    # It goes into the background by itself once it listens, and writes to this process's log.
    done = subprocess.run(
        ["/usr/sbin/sshd", "-f", config, "-E", "/proc/1/fd/2"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SSHError(f"SSH does not run: {done.stderr.strip() or 'see the lines above'}.")
    return problems


def valid_keys(text: str) -> tuple[list[str], list[str]]:
    """Return the lines that are public keys, and a sentence about each of the others.

    Args:
        text: lines as in ``authorized_keys``; empty lines and comments are left out.
    """
    keys, problems = [], []
    for number, raw in enumerate(text.splitlines()[:_MAX_KEY_LINES], start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if is_key(line):
            keys.append(line)
        else:
            problems.append(
                f"Line {number} of {KEYS_VARIABLE} is no public key, so it opens nothing. Give the "
                'content of a file such as ~/.ssh/id_ed25519.pub, which begins with "ssh-ed25519".'
            )
    return keys, problems


def is_key(line: str) -> bool:
    """Return whether OpenSSH understands a line as a public key."""
    done = subprocess.run(
        ["/usr/bin/ssh-keygen", "-l", "-f", "/dev/stdin"],
        input=f"{line}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0


def host_key(file: Path, fallback: Path) -> Path:
    """Return the server's private key, made at the first start.

    Args:
        file: where it is kept.
        fallback: the folder for a key that lasts as long as the container, if the workspace cannot
            be written.
    """
    if file.exists() and os.access(file, os.R_OK):
        return file
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _make_key(file)
    except (OSError, subprocess.CalledProcessError):
        return _make_key(fallback / file.name)


def _make_key(file: Path) -> Path:
    subprocess.run(
        ["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "gpudock", "-f", file],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return file


def set_env(environment: os._Environ[str] | dict[str, str]) -> str:
    """Return the line of sshd's configuration that gives sessions the container's environment.

    Without it, sessions would have nothing but sshd's own few variables: another Python path, and
    no settings of CUDA and the GPU. A value of several lines cannot be in it.
    """
    pairs = [
        _quoted(f"{name}={value}")
        for name, value in environment.items()
        if name not in _NOT_PASSED_ON and name.isidentifier() and value.isprintable()
    ]
    return f"SetEnv {' '.join(pairs)}" if pairs else ""


def _quoted(text: str) -> str:
    """Quote for sshd_config(5): a backslash protects a quote or a backslash within quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

"""Runs a command in the image's tree as a container runtime would: read-only, not root, without rights, seeing nothing else."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import unavailable

ROOT = Path(__file__).parents[2]
USER = 65532
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
# What a runtime does before it starts a container: $1 is the tree; then pairs of a folder and where it is mounted, `--`, the command.
RUNTIME = """
set -eu
root=$1
shift
mount --bind "$root" "$root"
mount -o remount,bind,ro,nosuid,nodev "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null urandom; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done
shift
exec setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid --inh-caps=-all \\
  chroot --userspec=65532:65532 --groups= "$root" "$@"
"""


def built(place: Path) -> Path:
    """The tree, built in an empty folder by image/build.py."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv", "chroot", "mount", "ldd"))):
        unavailable("root with unshare, setpriv, chroot and mount", "run as root on Linux, as in a container of your own")
    probe = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        unavailable("the right to mount", f"run where `unshare --mount --pid` may: {probe.stderr.strip()}")
    for folder in (place, place.parent, place.parent.parent):
        folder.chmod(folder.stat().st_mode | 0o055)
    root = place / "root"
    command = [sys.executable, ROOT / "image" / "build.py", root]
    result = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stderr
    assert re.search(r"root: \d+ MB\n$", result.stdout)
    return root


def contained(tree: Path, mounts: Mapping[str, Path], *command: str) -> list[str]:
    """The command line that runs a command inside the tree, with these folders mounted."""
    pairs = [str(word) for target, source in mounts.items() for word in (source, target)]
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", RUNTIME, "sh", str(tree), *pairs, "--", *command]


def run(tree: Path, tmp: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """What came of a command inside the tree."""
    words = contained(tree, {"/tmp": tmp}, *command)
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT)


@contextmanager
def serving(tree: Path, mounts: Mapping[str, Path], *words: str, **environment: str) -> Iterator[tuple[int, dict[str, str]]]:
    """`authz serve` inside the tree: its process id, and where it listens. It is stopped as a kubelet stops it."""
    free = ("--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--ready-file=/tmp/ready.json")
    command = contained(tree, mounts, "/usr/bin/authz", *words, *free)
    with (
        (mounts["/tmp"] / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT | environment) as process,
    ):
        late = threading.Timer(60, process.kill)
        late.start()
        try:
            assert process.stderr is not None
            told = process.stderr.readline()
            assert told.startswith("checks on "), told + process.stderr.read() + (mounts["/tmp"] / "log").read_text()
            yield int(children(process.pid)[0]), json.loads((mounts["/tmp"] / "ready.json").read_text())
        finally:
            for child in children(process.pid):
                os.kill(int(child), signal.SIGTERM)
            process.wait(30)
            late.cancel()
    assert process.returncode == 0


def children(pid: int) -> list[str]:
    """The processes that a process has started."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

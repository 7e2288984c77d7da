"""Fills an empty directory with the root file system of the image: `python image/build.py DIRECTORY`.

In it are this interpreter with its standard library, the packages of requirements.lock, authz, the shared libraries that all of
these need, and CA certificates: no shell, no pip, no tests. The Dockerfile calls this; it runs as well without Docker.
"""

import compileall
import os
import py_compile
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).resolve().parent.parent
INTERPRETER: Final = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
USER: Final = 65532
# Of the standard library, and of lib-dynload: what a service never asks for.
NOT_NEEDED: Final = (
    "__pycache__", "config-*", "curses", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages",
    "sqlite3", "test", "tests", "tkinter", "turtle*", "venv",
    "_crypt.*", "_curses*", "_dbm.*", "_gdbm.*", "_sqlite3*", "_test*", "_tkinter*", "_xxtestfuzz*", "nis.*", "ossaudiodev.*", "readline.*",
    "spwd.*", "xxlimited*", "xxsubtype*",
)  # fmt: skip
# glibc opens these by name when they are first needed.
OPENED_LATER: Final = ("libgcc_s.so.1", "libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2")
FILES: Final = {
    "etc/passwd": f"authz:x:{USER}:{USER}:authz:/tmp:/sbin/nologin\n",
    "etc/group": f"authz:x:{USER}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
# What a container runtime mounts, or a pod.
MOUNTED: Final = ("dev", "proc", "sys", "tmp")


class BuildError(Exception):
    """The image cannot be built here; the message says what to do."""


def build(root: Path) -> None:
    """Fill `root`, which must be empty or absent. Raises BuildError."""
    if root.exists() and any(root.iterdir()):
        raise BuildError(f"{root} is not empty: name an empty directory")
    packages = _packages(root)
    _python(root)
    _dependencies(packages)
    _authz(root, packages)
    _libraries(root)
    _small_files(root, packages)
    _compiled(root)
    _settled(root)


def _python(root: Path) -> None:
    """Copy the interpreter and its standard library; an interpreter finds the library beside itself, wherever it came from."""
    (root / "usr/bin").mkdir(parents=True)
    shutil.copy(INTERPRETER, root / "usr/bin" / PYTHON)
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix})).resolve()
    shutil.copytree(library, root / "usr/lib" / PYTHON, ignore=shutil.ignore_patterns(*NOT_NEEDED), symlinks=False)


def _packages(root: Path) -> Path:
    """Return where the interpreter will look for packages: Debian's own has another folder for them than Python's makers."""
    asked = [INTERPRETER, "-I", "-c", "import site; print(site.getsitepackages(['/usr'])[-1])"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout  # noqa: S603 - every word is ours
    return root / told.strip().lstrip("/")


def _dependencies(packages: Path) -> None:
    """Install exactly what the lock names, by hash; nothing is built from source, so no build dependency comes in."""
    command = [
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--no-compile",
            "--root-user-action",
            "ignore",
        ),
        *("--require-hashes", "--only-binary", ":all:", "--target", str(packages), "--requirement", str(SOURCE / "requirements.lock")),
    ]
    if subprocess.run(command, check=False).returncode != 0:  # noqa: S603 - every word is ours
        raise BuildError("pip cannot install requirements.lock; its message is above")
    for scripts in ("bin", "share"):
        shutil.rmtree(packages / scripts, ignore_errors=True)
    for tests in sorted(packages.glob("**/tests")) + sorted(packages.glob("**/test")):
        shutil.rmtree(tests)


def _authz(root: Path, packages: Path) -> None:
    """Copy our package, with the metadata that says its version, and the command."""
    shutil.copytree(SOURCE / "authz", packages / "authz", ignore=shutil.ignore_patterns("__pycache__", "demo"))
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = packages / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\nLicense: {project['license']}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    shutil.copy(SOURCE / "LICENSE", info / "LICENSE")
    command = root / "usr/bin/authz"
    # Isolated: neither PYTHON… variables nor the current directory choose what is imported.
    command.write_text(f"#!/usr/bin/{PYTHON} -I\nfrom authz.cli import main\n\nmain()\n", encoding="utf-8")
    command.chmod(0o755)


def _libraries(root: Path) -> None:
    """Copy the shared libraries that anything in `root` needs to where the loader looks without being told."""
    found: dict[str, Path] = {}
    for binary in _binaries(root):
        for name, library in _needed(binary):
            if not library.is_relative_to(root):
                found.setdefault(name, library)
    if "libc.so.6" not in found:
        raise BuildError("this Python is not linked with glibc; build from a glibc image, as python:3.13-slim is")
    system = found["libc.so.6"].parent
    found.update({name: system / name for name in OPENED_LATER if (system / name).exists()})
    for name, library in found.items():
        # The loader's own path is written into each program; everything else goes beside libc.
        place = root / str(library).lstrip("/") if name.startswith("ld-") else root / str(system).lstrip("/") / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, place)


def _binaries(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def _needed(binary: Path) -> Iterator[tuple[str, Path]]:
    """Return name and place of what a program or library needs. Raises BuildError where something is missing."""
    # The copy has lost what its own place told the loader ($ORIGIN/../lib); the original still knows.
    asked = INTERPRETER if binary.name == PYTHON else binary
    environment = _environment(INTERPRETER)
    listing = subprocess.run(["ldd", asked], capture_output=True, text=True, check=False, env=environment).stdout  # noqa: S603, S607 - ours
    for line in listing.splitlines():
        if "not found" in line:
            raise BuildError(f"{binary} needs {line.split()[0]}, which is not here: install it in the build image")
        if match := re.match(r"\s*(?:(\S+) => )?(/\S+) \(0x", line):
            place = Path(match[2])
            yield match[1] or place.name, place


def _environment(interpreter: Path) -> dict[str, str]:
    """Return an environment in which extension modules find the libpython of `interpreter`, where it has one."""
    return {**os.environ, "LD_LIBRARY_PATH": str(interpreter.parent.parent / "lib"), "LC_ALL": "C"}


def _small_files(root: Path, packages: Path) -> None:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    # Mozilla's CAs as the lock pins them, where OpenSSL looks when nobody says where.
    authorities = root / "etc/ssl/certs/ca-certificates.crt"
    authorities.parent.mkdir(parents=True)
    shutil.copy(packages / "certifi/cacert.pem", authorities)
    looked_at = root / ssl.get_default_verify_paths().openssl_cafile.lstrip("/")
    if looked_at != authorities:
        looked_at.parent.mkdir(parents=True, exist_ok=True)
        looked_at.symlink_to(f"/{authorities.relative_to(root)}")
    for mounted in MOUNTED:
        (root / mounted).mkdir()


def _compiled(root: Path) -> None:
    """Compile everything now: the running tree is read-only, so nothing could be kept later."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(
        root / "usr/lib" / PYTHON, quiet=1, stripdir=str(root), prependdir="/", invalidation_mode=mode, workers=0
    ):
        raise BuildError("not everything compiles; the messages are above")


def _settled(root: Path) -> None:
    """Give everything one time and plain permissions, so that equal inputs make an equal tree."""
    moment = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    for path in _all(root):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (moment, moment), follow_symlinks=False)
    (root / "tmp").chmod(0o1777)


def _all(root: Path) -> Iterable[Path]:
    """Return `root` and everything below, what is inside a directory before the directory."""
    return [*sorted(root.rglob("*"), reverse=True), root]


def main() -> None:
    """Run the command."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.executable} {sys.argv[0]} DIRECTORY, an empty directory that gets the root file system")
    root = Path(sys.argv[1]).resolve()
    try:
        build(root)
    except BuildError as fault:
        sys.exit(f"{sys.argv[0]}: {fault}")
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    sys.stdout.write(f"{root}: {size / 1e6:.0f} MB\n")


if __name__ == "__main__":
    main()

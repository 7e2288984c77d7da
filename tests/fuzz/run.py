"""Fuzz one target, guided by coverage: python -m tests.fuzz.run TARGET FOLDER [SECONDS]. Needs atheris (`make nightly`).

FOLDER gets the inputs that reach something new (`corpus`) and those that broke something (`found`).
"""

import sys
from pathlib import Path

from tests.fuzz.mutations import WORDS
from tests.fuzz.outside import outside
from tests.fuzz.target import TARGETS, target

# One input that takes longer than this hangs; one that takes more memory is a bomb.
TIMEOUT_SECONDS = 10
MEMORY_MB = 2048


def main(name: str, folder: Path, seconds: int = 60) -> None:
    """Fuzz. Ends the process: with 0, or as libFuzzer does when something broke."""
    import atheris

    if name not in TARGETS:
        sys.exit(f"{name} is none of {', '.join(TARGETS)}")
    # The code that tells of coverage is written into modules as they are imported.
    with atheris.instrument_imports(include=["authz"], exclude=["authz.envoy.pb"]):
        chosen = target(name)
    corpus, found = folder / "corpus", folder / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    for at, seed in enumerate((*chosen.seeds(), *chosen.FOUND.values(), *outside(name))):
        (corpus / f"seed-{at}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(map(_quoted, filter(None, WORDS))), encoding="ascii")
    flags = [f"-max_total_time={seconds}", f"-timeout={TIMEOUT_SECONDS}", f"-rss_limit_mb={MEMORY_MB}", "-max_len=4096"]
    flags += ["-print_final_stats=1", f"-dict={words}", f"-artifact_prefix={found}/"]
    atheris.Setup([name, *flags, str(corpus)], chosen.fuzz)
    atheris.Fuzz()


def _quoted(word: bytes) -> str:
    """A line of libFuzzer's dictionary."""
    return '"' + "".join(f"\\x{octet:02x}" for octet in word) + '"\n'


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))

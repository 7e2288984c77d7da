"""Inputs a little off the seeds: the same ones each time, made without a fuzzer."""

from collections.abc import Iterator, Sequence
from random import Random

# What parsers take for something special. A fuzzer gets them as its dictionary.
WORDS = (
    b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\n", b"\t", b" ", b"%", b"%2e", b"%2F", b"%25", b"..", b"//", b";", b"\\",
    b",", b":", b"::", b"=", b"-1", b"0", b"9" * 25, b"1e999", b"null", b"true", b"{}", b"[]", b'"', b"'", b"{", b"[", b"]", b"}", b"&a ",
    b"*a", b"!!x ", b"---\n", b"\\ud800", b"\xc2\xb2", b"\xd9\xa3", b"*", b"@", b"#", b"<<", b"\x80\x80\x80\x80\x10",
)  # fmt: skip


def mutations(name: str, seeds: Sequence[bytes], count: int) -> Iterator[bytes]:
    """Yield `count` inputs, each made of one of the seeds by a few changes."""
    chance = Random(name)
    for _ in range(count):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            _change(data, chance, seeds)
        yield bytes(data)


def _change(data: bytearray, chance: Random, seeds: Sequence[bytes]) -> None:
    begin = chance.randint(0, len(data))
    end = min(len(data), begin + chance.choice((0, 1, 1, 2, 4, 16, 256)))
    match chance.randrange(6):
        case 0:
            data[begin:end] = chance.choice(WORDS)
        case 1:
            data[begin:end] = bytes(chance.randrange(256) for _ in range(begin, end))
        case 2:
            data[begin:end] = data[begin:end] * chance.choice((2, 2, 3, 50))
        case 3:
            del data[begin:end]
        case 4:
            other = chance.choice(seeds)
            at = chance.randint(0, len(other))
            data[begin:end] = other[at : at + chance.choice((1, 4, 16, 64))]
        case 5 if begin < len(data):
            data[begin] ^= 1 << chance.randrange(8)

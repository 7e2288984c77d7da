"""RSA moduli of the ROCA kind (CVE-2017-15361): made by a library whose primes are all powers of 65537 modulo small primes."""

from typing import Final

_PRIMES: Final = (
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137,
    139, 149, 151, 157, 163, 167,
)  # fmt: skip


def _powers(prime: int) -> frozenset[int]:
    return frozenset(pow(65537, exponent, prime) for exponent in range(prime))


_FINGERPRINT: Final = tuple((prime, _powers(prime)) for prime in _PRIMES)


def is_suspect(modulus: int) -> bool:
    """Return whether an RSA modulus has the fingerprint; by chance about one in 2^27 of the others has it, too."""
    return all(modulus % prime in powers for prime, powers in _FINGERPRINT)

"""RSA moduli of the ROCA kind."""

from math import prod

import pytest

from authz.authn import roca
from tests.builders import rsa_key

PRIMES = [number for number in range(3, 168) if all(number % other for other in range(2, number))]


def _modulus(exponent):
    """A number that is a power of 65537 modulo every small prime, as the faulty library's moduli are."""
    product = prod(PRIMES)
    return pow(65537, exponent, product) + product * (1 << 1900)


@pytest.mark.parametrize("exponent", [0, 1, 424242, 2**200 + 1])
def test_a_modulus_with_the_fingerprint_is_suspect(exponent):
    assert roca.is_suspect(_modulus(exponent))


def test_one_prime_that_does_not_fit_clears_a_modulus():
    # Modulo 11 the powers of 65537 are 1 and 10.
    modulus = _modulus(424242)
    others = prod(PRIMES) // 11
    assert not any(roca.is_suspect(modulus + others * times) for times in range(1, 11) if (modulus + others * times) % 11 not in (1, 10))


@pytest.mark.parametrize("name", ["one", "two", "stranger"])
def test_a_key_of_a_sound_library_is_not_suspect(name):
    assert not roca.is_suspect(rsa_key(name).public_key().public_numbers().n)

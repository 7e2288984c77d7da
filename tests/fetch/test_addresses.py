"""Names, and which addresses are public."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from authz.fetch.addresses import SystemNames, is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("2002:808:808::1", True),
        ("64:ff9b::808:808", True),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("2001::1", False),
        ("2001:db8::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:a00:1::1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::7f00:1", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("address", ["::10.0.0.1", "::127.0.0.1", "64:ff9b:1::a00:1", "fec0::1"])
def test_older_and_local_forms_of_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_addresses_are_given_once_each() -> None:
    found = asyncio.run(SystemNames().addresses("localhost", 443))
    assert "127.0.0.1" in found
    assert len(found) == len(set(found))


@pytest.mark.parametrize("name", ["", "a" * 64 + ".example.com", "a..b", "\x00"])
def test_a_name_that_is_none_is_a_fault_of_the_system_or_of_the_name(name: str) -> None:
    # The client makes one kind of error of both.
    with suppress(OSError, ValueError):
        assert not any(is_public(each) for each in asyncio.run(SystemNames().addresses(name, 443)))


def test_look_ups_and_the_threads_of_everybody_do_not_hold_each_other_up() -> None:
    async def story() -> None:
        loop, gate = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(1))
        held = loop.run_in_executor(None, gate.wait, 10)
        try:
            assert await asyncio.wait_for(SystemNames().addresses("127.0.0.1", 443), 5) == ["127.0.0.1"]
            assert not held.done()
        finally:
            gate.set()
            await held

    asyncio.run(story())


def test_a_name_that_hangs_takes_one_thread_and_holds_up_no_other() -> None:
    async def story() -> None:
        gate, asked = threading.Event(), list[str]()

        def look_up(host: str, port: int) -> list[str]:
            asked.append(host)
            if host.startswith("hangs"):
                gate.wait(10)
            return ["203.0.113.7"]

        names = SystemNames(look_up)
        hanging = [asyncio.ensure_future(names.addresses(f"hangs{number % 30}.example.com", 443)) for number in range(300)]
        try:
            assert await asyncio.wait_for(names.addresses("good.example.com", 443), 5) == ["203.0.113.7"]
            for each in hanging[:299]:
                each.cancel()
        finally:
            gate.set()
        assert await hanging[299] == ["203.0.113.7"]
        assert sorted(asked) == sorted([f"hangs{number}.example.com" for number in range(30)] + ["good.example.com"])
        assert await names.addresses("good.example.com", 443) == ["203.0.113.7"]
        assert asked.count("good.example.com") == 2, "an answer is not kept"

    asyncio.run(story())

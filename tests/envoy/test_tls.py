"""TLS of the gRPC port, with certificates that change while it runs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from authz.envoy.server import CheckServer, ServerLimits
from authz.envoy.tls import TlsError, TlsFiles, _Follower, credentials
from tests.certificates import Authority, an_authority
from tests.envoy.test_server import ALLOWED, CHECK


@dataclass
class Scene:
    """A server with TLS whose files can be replaced, and its clients."""

    folder: Path
    authority: Authority
    files: TlsFiles
    port: int = 0

    async def ask(self, trusted: Authority | None = None, client: str = "", of: Authority | None = None, name: str = "localhost") -> bytes:
        """One check on a connection of its own."""
        key = chain = None
        if client:
            issued = (of or self.authority).issue(self.folder, client)
            key, chain = issued.key.read_bytes(), issued.certificate.read_bytes()
        said = grpc.ssl_channel_credentials((trusted or self.authority).file.read_bytes(), key, chain)
        options = [("grpc.ssl_target_name_override", name), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(f"127.0.0.1:{self.port}", said, options=options) as channel:
            answer: bytes = await channel.unary_unary(CHECK)(b"", timeout=2)
            return answer

    async def refuses(self, trusted: Authority | None = None, client: str = "", of: Authority | None = None) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as fault:
            await self.ask(trusted, client, of)
        assert fault.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

    def replace(self, authority: Authority) -> None:
        """Put a pair of this authority in the place of the server's."""
        fresh = authority.issue(self.folder, "fresh")
        fresh.key.replace(self.files.key)
        fresh.certificate.replace(self.files.certificate)


def served(folder: Path, story: Callable[[Scene], Awaitable[None]], *, mutual: bool = False) -> None:
    async def run() -> None:
        authority = an_authority(folder)
        pair = authority.issue(folder, "server")
        client_ca = an_authority(folder, "client-ca").file if mutual else None
        if client_ca is not None:
            client_ca.write_bytes(authority.file.read_bytes())
        scene = Scene(folder, authority, TlsFiles(pair.certificate, pair.key, client_ca))
        server = CheckServer(lambda data, deadline: ALLOWED, ServerLimits(), scene.files)
        scene.port = await server.start("127.0.0.1:0")
        try:
            await story(scene)
        finally:
            await server.stop(0)

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_client_that_trusts_the_authority_is_answered(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        assert await scene.ask() == ALLOWED
        await scene.refuses(an_authority(tmp_path, "stranger"))

    served(tmp_path, story)


def test_plain_text_is_not_answered(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{scene.port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary(CHECK)(b"", timeout=2)

    served(tmp_path, story)


def test_with_a_client_authority_only_its_clients_are_answered(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        assert await scene.ask(client="envoy") == ALLOWED
        await scene.refuses()
        await scene.refuses(client="mallory", of=an_authority(tmp_path, "stranger"))

    served(tmp_path, story, mutual=True)


def test_a_pair_that_is_replaced_counts_for_new_connections(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        assert await scene.ask() == ALLOWED
        fresh = an_authority(tmp_path, "fresh-ca")
        scene.replace(fresh)
        assert await scene.ask(trusted=fresh) == ALLOWED
        await scene.refuses(trusted=scene.authority)

    served(tmp_path, story)


def test_a_client_authority_that_is_replaced_counts_for_new_connections(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        fresh = an_authority(tmp_path, "fresh-ca")
        assert scene.files.client_ca is not None
        await scene.refuses(client="envoy", of=fresh)
        scene.files.client_ca.write_bytes(fresh.file.read_bytes())
        assert await scene.ask(client="envoy", of=fresh) == ALLOWED
        await scene.refuses(client="envoy", of=scene.authority)

    served(tmp_path, story, mutual=True)


# What may stand in the files while they are being written: (files, new key, new certificate).
halves: dict[str, Callable[[TlsFiles, bytes, bytes], object]] = {
    "key only": lambda files, key, certificate: files.key.write_bytes(key),
    "certificate only": lambda files, key, certificate: files.certificate.write_bytes(certificate),
    "empty key": lambda files, key, certificate: files.key.write_bytes(b""),
    "empty certificate": lambda files, key, certificate: files.certificate.write_bytes(b""),
    "garbage": lambda files, key, certificate: (files.key.write_bytes(b"garbage"), files.certificate.write_bytes(b"garbage")),
    "cut": lambda files, key, certificate: (files.key.write_bytes(key), files.certificate.write_bytes(certificate[:300])),
    "gone": lambda files, key, certificate: files.key.unlink(),
}


@pytest.mark.parametrize("half", halves)
def test_a_half_written_pair_keeps_the_old_one_until_it_is_whole(tmp_path: Path, half: str) -> None:
    async def story(scene: Scene) -> None:
        assert await scene.ask() == ALLOWED
        fresh = an_authority(tmp_path, "fresh-ca")
        pair = fresh.issue(tmp_path, "fresh")
        key, certificate = pair.key.read_bytes(), pair.certificate.read_bytes()
        halves[half](scene.files, key, certificate)
        assert await scene.ask() == ALLOWED
        assert await scene.ask() == ALLOWED
        scene.files.key.write_bytes(key)
        scene.files.certificate.write_bytes(certificate)
        assert await scene.ask(trusted=fresh) == ALLOWED

    served(tmp_path, story)


@pytest.mark.parametrize(
    "half",
    [
        pytest.param(
            b"",
        ),
        b"garbage",
        b"-----BEGIN CERTIFICATE-----\nMIIB",
    ],
)
def test_a_half_written_client_authority_lets_nobody_new_in(tmp_path: Path, half: bytes) -> None:
    async def story(scene: Scene) -> None:
        assert scene.files.client_ca is not None
        scene.files.client_ca.write_bytes(half)
        await scene.refuses()
        await scene.refuses(client="mallory", of=an_authority(tmp_path, "stranger"))
        assert await scene.ask(client="envoy") == ALLOWED, "and whoever was trusted goes on"

    served(tmp_path, story, mutual=True)


def test_files_are_read_again_only_where_they_changed(tmp_path: Path) -> None:
    pair = an_authority(tmp_path).issue(tmp_path, "server")
    follower = _Follower(TlsFiles(pair.certificate, pair.key))
    assert follower.changed() is None
    an_authority(tmp_path, "fresh-ca").issue(tmp_path, "server")
    assert follower.changed() is not None
    assert follower.changed() is None
    pair.key.unlink()
    assert follower.changed() is None


@pytest.mark.parametrize("missing", ["certificate", "key", "client_ca"])
def test_files_that_cannot_be_read_at_the_start_are_told(tmp_path: Path, missing: str) -> None:
    authority = an_authority(tmp_path)
    pair = authority.issue(tmp_path, "server")
    paths = {"certificate": pair.certificate, "key": pair.key, "client_ca": authority.file}
    paths[missing].unlink()
    with pytest.raises(TlsError, match="the TLS files cannot be used"):
        credentials(TlsFiles(**paths))


@pytest.mark.parametrize("half", ["certificate", "key"])
def test_files_that_are_no_pem_at_the_start_are_told(tmp_path: Path, half: str) -> None:
    async def run() -> None:
        pair = an_authority(tmp_path).issue(tmp_path, "server")
        getattr(pair, half).write_text("garbage")
        server = CheckServer(lambda data, deadline: ALLOWED, ServerLimits(), TlsFiles(pair.certificate, pair.key))
        try:
            with pytest.raises(TlsError):
                await server.start("127.0.0.1:0")
        finally:
            await server.stop(0)

    asyncio.run(run())

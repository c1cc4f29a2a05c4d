"""Streams: against a server on loopback that sends back what it gets, while it gets it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from conftest import tls_service

from vaultspan import Access, AsyncVaultspan, Vaultspan, VaultspanError

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
REFUSAL = (
    b'{"type":"urn:x","title":"x","status":403,"code":"access-revoked","detail":"Because.","requestId":"r-1",'
    b'"reason":"role-missing"}'
)


@dataclass
class EchoServer:
    """Answers the head once it has the request's, then each chunk as it comes."""

    url: str = ""
    heads: list[str] = field(default_factory=list)
    breaks_after: int | None = None
    """Breaks the connection after so many bytes."""
    answers_early = False
    is_refused = False
    ends: list[str] = field(default_factory=list)
    """How each request ended: `whole` or `broken`."""

    def serve(self, connection: socket.socket) -> None:
        end = "broken"
        with suppress(OSError), connection, connection.makefile("rb") as file:
            self.heads.append(b"".join(iter(file.readline, b"\r\n")).decode())
            if self.is_refused:
                self._refuse(connection, file)
            else:
                connection.sendall(HEAD)
                if self._echo(connection, file):
                    end = "whole"
        self.ends.append(end)

    def _refuse(self, connection: socket.socket, file: BinaryIO) -> None:
        length = str(len(REFUSAL)).encode()
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: " + length + b"\r\n\r\n" + REFUSAL)
        connection.shutdown(socket.SHUT_WR)
        while file.read(65536):
            pass

    def _echo(self, connection: socket.socket, file: BinaryIO) -> bool:
        """Returns whether the request had its end."""
        count = 0
        while not self.answers_early and (line := file.readline()):
            chunk = file.read(int(line, 16) + 2)
            count += len(chunk) - 2
            connection.sendall(line + chunk)
            if line == b"0\r\n":
                return True
            if self.breaks_after is not None and count >= self.breaks_after:
                return False
        if self.answers_early:
            connection.sendall(b"0\r\n\r\n")
        return False


@pytest.fixture
def server() -> Iterator[EchoServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    echo = EchoServer(url=f"http://127.0.0.1:{listener.getsockname()[1]}")

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=echo.serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield echo
    listener.close()


Through = Callable[..., Iterator[bytes]]


@pytest.fixture(params=["blocking", "asyncio", "asyncio with an asynchronous source"])
def through(request: pytest.FixtureRequest, server: EchoServer) -> Through:
    """Encrypts chunks with a new client of either kind."""

    def blocking(chunks: Iterable[Any], **options: Any) -> Iterator[bytes]:
        with Vaultspan(server.url, token="t", timeout=60) as client:
            yield from client.tenant("contoso", access=Access(subject="ann")).encrypt_stream(chunks, **options)

    def in_asyncio(chunks: Iterable[Any], **options: Any) -> Iterator[bytes]:
        async def source() -> AsyncIterator[Any]:
            for chunk in chunks:
                yield chunk

        async def run() -> list[bytes]:
            async with AsyncVaultspan(server.url, token="t", timeout=60) as client:
                given = source() if "source" in request.param else chunks
                contoso = client.tenant("contoso", access=Access(subject="ann"))
                return [data async for data in contoso.encrypt_stream(given, **options)]

        yield from asyncio.run(run())

    return blocking if request.param == "blocking" else in_asyncio


def ends_of(server: EchoServer) -> list[str]:
    """Returns how streams ended. The server notes it after its answer, so that a client may know earlier."""
    until = time.monotonic() + 60
    while not server.ends and time.monotonic() < until:
        time.sleep(0.01)
    return server.ends


def test_what_is_sent_comes_back(through: Through, server: EchoServer) -> None:
    chunks = [b"a" * 100_000, b"", "Grüße", bytearray(b"b"), memoryview(b"c")]
    received = b"".join(through(chunks, context={"id": "ü"}, key="data"))
    assert received == b"a" * 100_000 + "Grüße".encode() + b"bc"
    [head] = server.heads
    assert head.startswith("POST /tenants/contoso/streams/encrypt?key=data HTTP/1.1\r\n")
    assert "authorization: bearer t\r\n" in head.lower()
    assert "encryption-context: eyjpzci6icldvcj9\r\n" in head.lower()
    assert "access-subject: ann\r\n" in head.lower()
    assert ends_of(server) == ["whole"]


def test_an_empty_stream_is_a_stream(through: Through, server: EchoServer) -> None:
    assert list(through([])) == []
    assert ends_of(server) == ["whole"]


def test_a_stream_that_is_cut_fails(through: Through, server: EchoServer) -> None:
    server.breaks_after = 300_000
    with pytest.raises(VaultspanError) as raised:
        list(through([b"a" * 100_000] * 10))
    assert raised.value.code == "unreachable"


def test_an_answer_that_ends_before_all_was_sent_fails(through: Through, server: EchoServer) -> None:
    server.answers_early = True
    with pytest.raises(VaultspanError) as raised:
        list(through([b"a" * 100_000] * 100))
    assert raised.value.code in ("unexpected-answer", "unreachable")


def test_a_refusal_has_what_the_problem_has(through: Through, server: EchoServer) -> None:
    server.is_refused = True
    with pytest.raises(VaultspanError) as raised:
        list(through([b"a" * 100_000] * 10))
    error = raised.value
    assert (error.code, error.status, error.reason, error.request_id) == ("access-revoked", 403, "role-missing", "r-1")


def test_a_source_that_fails_ends_the_stream_with_its_error(through: Through, server: EchoServer) -> None:
    def source() -> Iterator[bytes]:
        yield b"a" * 100_000
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(through(source()))
    assert ends_of(server) == ["broken"]


def test_chunks_that_are_neither_text_nor_bytes_are_named(through: Through) -> None:
    with pytest.raises(TypeError, match="chunk is a int"):
        list(through([7]))
    with pytest.raises(TypeError, match="context"):
        list(through([], context={"id": 7}))


def test_nobody_listening_is_unreachable() -> None:
    with Vaultspan("http://127.0.0.1:1", token="t") as client, pytest.raises(VaultspanError) as raised:
        list(client.tenant("contoso").encrypt_stream([b"a"]))
    assert raised.value.code == "unreachable"


def test_a_closed_client_streams_no_more(server: EchoServer) -> None:
    client = Vaultspan(server.url, token="t")
    client.close()
    with pytest.raises(VaultspanError, match="closed"):
        next(iter(client.tenant("contoso").encrypt_stream([b"a"])))


def test_who_stops_reading_ends_the_stream(server: EchoServer) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"a" * 10_000

    with Vaultspan(server.url, token="t") as client:
        stream = client.tenant("contoso").encrypt_stream(endless())
        assert next(stream)
        stream.close()  # type: ignore[attr-defined]
    until = time.monotonic() + 60
    while (left := _stream_threads()) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == []


def _stream_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("vaultspan-stream")]


def test_memory_is_constant_and_the_source_waits_for_the_reader(server: EchoServer) -> None:
    drawn = 0

    def source() -> Iterator[bytes]:
        nonlocal drawn
        for _ in range(2_000):
            drawn += 1
            yield bytes(50_000)

    with Vaultspan(server.url, token="t") as client:
        stream = client.tenant("contoso").encrypt_stream(source())
        count = len(next(stream))
        time.sleep(0.5)
        assert drawn < 1_000
        tracemalloc.start()
        count += sum(map(len, stream))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 100_000_000
    assert peak < 5_000_000


def test_a_private_certificate_is_refused_unless_it_is_trusted(tmp_path: Path) -> None:
    with tls_service(tmp_path) as (url, ca):
        with Vaultspan(url, token="t") as client, pytest.raises(VaultspanError) as raised:
            list(client.tenant("contoso").encrypt_stream([b"a"]))
        assert raised.value.code == "unreachable"
        assert "CERTIFICATE_VERIFY_FAILED" in str(raised.value)
        with Vaultspan(url, token="t", tls=ssl.create_default_context(cafile=ca)) as client:
            assert client.tenant("contoso").encrypt("a") == "c"

"""Streams through the service: what is read is sent while the answer is read, in constant memory.

httpx, requests and http.client send the whole body before they read. This is one connection for each stream, by h11,
which httpx brings. There is no way through a proxy.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from urllib.parse import quote, urlsplit

import h11

from . import _protocol as protocol
from ._errors import VaultspanError
from ._values import Access, Context, Data, bytes_of

Chunks: TypeAlias = "Iterable[Data]"
AsyncChunks: TypeAlias = "AsyncIterable[Data] | Iterable[Data]"

READ_BYTES = 65_536
MAX_PROBLEM_BYTES = 65_536
END = object()


@dataclass(frozen=True)
class Stream:
    """One stream of a tenant's operation: ``encrypt`` or ``decrypt``."""

    base_url: str
    tenant_id: str
    operation: str
    context: Context | None
    key: str | None
    access: Access | None
    tls: ssl.SSLContext | None
    connect_timeout: float

    def request(self, token: str) -> h11.Request:
        parts = urlsplit(self.base_url)
        target = f"{parts.path}tenants/{self.tenant_id}/streams/{self.operation}"
        if self.key is not None:
            target += f"?key={quote(self.key, safe='')}"
        headers = {
            "Host": parts.netloc,
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/octet-stream",
            "Transfer-Encoding": "chunked",
            "Connection": "close",
            **(self.access.headers() if self.access is not None else {}),
        }
        if self.context is not None:
            text = json.dumps(dict(self.context), ensure_ascii=False).encode()
            headers["Encryption-Context"] = urlsafe_b64encode(text).rstrip(b"=").decode("ascii")
        return h11.Request(method="POST", target=target, headers=list(headers.items()))


async def carry(stream: Stream, token: str, chunks: AsyncChunks) -> AsyncGenerator[bytes, None]:
    """Yields the answer of a stream. It is whole only when this ends without an error."""
    reader, writer = await _connect(stream)
    connection = h11.Connection(h11.CLIENT)
    answer = _Answer(stream, reader, connection)
    sender = _Sender(writer, chunks)
    try:
        writer.write(connection.send(stream.request(token)))
        sending = asyncio.ensure_future(sender.run())
        try:
            async for data in answer.data():
                yield data
            # An answer that ends before the request did is not the answer to all of it.
            await asyncio.wait({sending}, timeout=stream.connect_timeout)
            if not sending.done() or not sender.is_whole:
                raise protocol.unexpected(200, "it ended before all was sent")
        except (VaultspanError, asyncio.IncompleteReadError):
            if sender.failure is not None:
                raise sender.failure from None
            raise
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await sending
    finally:
        writer.transport.abort()


async def _connect(stream: Stream) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(stream.base_url)
    is_tls = parts.scheme == "https"
    context = (stream.tls or ssl.create_default_context()) if is_tls else None
    connecting = asyncio.open_connection(parts.hostname, parts.port or (443 if is_tls else 80), ssl=context)
    try:
        return await asyncio.wait_for(connecting, stream.connect_timeout)
    except (TimeoutError, asyncio.TimeoutError) as error:
        raise protocol.timed_out(stream.connect_timeout) from error
    except OSError as error:  # a certificate's fault among them
        raise protocol.unreachable(error, stream.base_url) from error


class _Sender:
    """Sends the chunks. A source that fails breaks the connection off, so that the service sees no end."""

    def __init__(self, writer: asyncio.StreamWriter, chunks: AsyncChunks) -> None:
        self._writer = writer
        self._chunks = chunks
        self.failure: Exception | None = None
        self.is_whole = False

    async def run(self) -> None:
        try:
            async for chunk in _each(self._chunks):
                data = bytes_of(chunk, "chunk")
                if data:  # an empty one would be the end (RFC 9112 §7.1)
                    self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
                    await self._write()
            self._writer.write(b"0\r\n\r\n")
            await self._write()
            self.is_whole = True
        except _Broken:
            return  # the answer says why
        except Exception as error:
            self.failure = error
            self._writer.transport.abort()

    async def _write(self) -> None:
        try:
            await self._writer.drain()
        except OSError as error:
            raise _Broken from error


class _Broken(Exception):
    """The connection took no more."""


class _Answer:
    def __init__(self, stream: Stream, reader: asyncio.StreamReader, connection: h11.Connection) -> None:
        self._stream = stream
        self._reader = reader
        self._connection = connection

    async def data(self) -> AsyncIterator[bytes]:
        """Yields the body of a success; raises the problem of a refusal."""
        head = await self._next()
        while isinstance(head, h11.InformationalResponse):
            head = await self._next()
        if not isinstance(head, h11.Response):
            raise protocol.unexpected(0, "it is no answer of HTTP")
        if head.status_code != 200:
            await self._refuse(head)
        while not isinstance(event := await self._next(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    async def _refuse(self, head: h11.Response) -> None:
        content = b""
        with suppress(VaultspanError):
            while isinstance(event := await self._next(), h11.Data) and len(content) <= MAX_PROBLEM_BYTES:
                content += bytes(event.data)
        after = next((value.decode("ascii") for name, value in head.headers if name == b"retry-after"), None)
        protocol.read_answer(head.status_code, content, after)
        raise protocol.unexpected(head.status_code, "it is none of a stream")

    async def _next(self) -> object:
        try:
            while (event := self._connection.next_event()) is h11.NEED_DATA:
                self._connection.receive_data(await self._reader.read(READ_BYTES))
        except (h11.RemoteProtocolError, OSError) as error:
            raise protocol.unreachable(error, self._stream.base_url) from error
        if isinstance(event, h11.ConnectionClosed):
            raise protocol.unreachable(ConnectionError(), self._stream.base_url)
        return event


async def _each(chunks: AsyncChunks) -> AsyncIterator[Data]:
    """Yields chunks; those of a blocking source are read in a thread."""
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
        return
    source = iter(chunks)
    executor = ThreadPoolExecutor(1, thread_name_prefix="vaultspan-stream")
    try:
        loop = asyncio.get_running_loop()
        while (chunk := await loop.run_in_executor(executor, next, source, END)) is not END:
            yield cast(Data, chunk)
    finally:
        executor.shutdown(wait=False)


def blocking(answer: AsyncGenerator[bytes, None]) -> Generator[bytes, None, None]:
    """Yields what an answer of asyncio does; its event loop runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="vaultspan-stream", daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, bytes | None]) -> bytes | None:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    async def pull() -> bytes | None:
        return await anext(answer, None)

    async def end() -> None:
        await answer.aclose()

    try:
        while (data := run(pull())) is not None:
            yield data
    finally:
        run(end())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

"""The service over asyncio: requests, tries again, batches that gather, and the upkeep of leased keys."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import aclosing, contextmanager
from typing import Literal, cast

import httpx

from . import _protocol as protocol
from ._errors import VaultspanError
from ._fork import drop_after_fork
from ._leases import TOO_MANY, Clock, LeasedKeys
from ._protocol import Deadline, Item, Json, Request
from ._streams import AsyncChunks, Stream, carry
from ._token import AccessToken, AsyncTokenSource, KeptToken, in_header
from ._values import Access, Context, check_context

MAX_OPEN = 16
MAX_TENANTS = 1_000
UPKEEP_SECONDS = 1.0


class AsyncService:
    """One service, and the keys that it leased to this process."""

    def __init__(
        self,
        url: str,
        token: AsyncTokenSource,
        timeout: float,
        local: bool | Literal["required"],
        http: httpx.AsyncClient | Callable[[], httpx.AsyncClient] | None,
        tls: ssl.SSLContext | None,
        clock: Clock,
    ) -> None:
        self.url = protocol.base_url(url)
        protocol.check_token(token)
        protocol.check_local(local)
        self.clock = clock
        self.is_local_required = local == "required"
        self._is_local = local is not False
        self._token = token
        self._timeout = timeout
        self._given = http
        self._limit = protocol.BatchLimit()
        self._tls = tls
        self._is_closing = self._is_closed = False
        self._closing: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http = None if callable(http) else http
        self._start_afresh()
        drop_after_fork(self)

    def _start_afresh(self) -> None:
        self._kept = KeptToken()
        self._keys: dict[tuple[str, Access | None], LeasedKeys] = {}
        self._start_loop()

    def _start_loop(self) -> None:
        """Forgets what belongs to one event loop."""
        for keys in self._keys.values():
            keys.forget_locks()
        self._lanes: dict[tuple[str, str, Access | None], list[Item]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._upkeep: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(MAX_OPEN)
        self._calls = 0
        self._last_call: asyncio.Future[None] | None = None

    def after_fork(self) -> None:
        """A child has neither its parent's keys, whose use would be counted twice, nor its connections."""
        self._loop = self._http = None
        self._start_afresh()

    def _enter(self) -> None:
        """Raises `closed`. Connections, tasks and locks belong to one event loop: a later one has its own."""
        if self._is_closed:
            raise protocol.closed()
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._loop is not None:
            if not self._loop.is_closed():
                raise RuntimeError("The client is in use in another event loop: make one for each")
            self._http = None
            self._start_loop()
        self._loop = loop
        if self._http is None:
            self._http = self._new_http()

    def _new_http(self) -> httpx.AsyncClient:
        if self._given is None:
            return httpx.AsyncClient(verify=True if self._tls is None else self._tls)
        if callable(self._given):
            return self._given()
        raise RuntimeError(protocol.GIVEN_HTTP)

    @contextmanager
    def open_call(self) -> Generator[None]:
        """Has `close` wait for what is done inside; raises `closed`."""
        if self._is_closing:
            raise protocol.closed()
        self._enter()
        loop = self._loop
        self._calls += 1
        try:
            yield
        finally:
            if self._loop is loop:  # a later loop has calls of its own
                self._calls -= 1
            if self._calls == 0 and self._last_call is not None and not self._last_call.done():
                self._last_call.set_result(None)

    new_lock = staticmethod(asyncio.Lock)

    def leased_keys(self, tenant_id: str, access: Access | None) -> LeasedKeys | None:
        """Returns the leased keys of a tenant, or None where the service does all."""
        if not self._is_local:
            return None
        if self._is_closing:
            raise protocol.closed()
        self._enter()
        keys = self._keys.get((tenant_id, access))
        if keys is None and len(self._keys) < MAX_TENANTS:
            keys = self._keys[tenant_id, access] = LeasedKeys(self.clock)
        if keys is not None:
            keys.touch()
        elif self.is_local_required:
            raise VaultspanError("local-refused", TOO_MANY)
        if self._upkeep is None or self._upkeep.done():
            self._upkeep = asyncio.get_running_loop().create_task(self._keep_up())
        return keys

    def spawn(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Starts work that nobody waits for."""
        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def call(self, request: Request, timeout: float | None = None) -> Json:
        """Returns the answer of a request, which is tried again where that is safe and told so."""
        with self.open_call():
            return await self._call(request, timeout, max_tries=protocol.MAX_TRIES)

    async def call_for_leases(self, request: Request, timeout: float | None) -> Json:
        """Returns the answer of a request that is tried once only where the service can encrypt instead.

        The caller has an `open_call`, until it has handed over what was leased.
        """
        return await self._call(request, timeout, max_tries=protocol.MAX_TRIES if self.is_local_required else 1)

    async def _call(self, request: Request, timeout: float | None, *, max_tries: int) -> Json:
        self._enter()
        deadline = Deadline.after(self._timeout if timeout is None else timeout)
        try:
            return await asyncio.wait_for(self._retrying(request, deadline, max_tries), deadline.seconds)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise deadline.error() from error

    async def batch(
        self, tenant: str, operation: str, items: Sequence[Item], access: Access | None, timeout: float | None
    ) -> None:
        """Gives each item its result or its error. What is asked for at the same time travels together."""
        with self.open_call():
            await self._batch(tenant, operation, items, access, timeout)

    async def _batch(
        self, tenant: str, operation: str, items: Sequence[Item], access: Access | None, timeout: float | None
    ) -> None:
        deadline = Deadline.after(self._timeout if timeout is None else timeout)
        for item in items:
            item.deadline = deadline
        open_items: Sequence[Item] = items
        tries = 0
        while open_items:
            tries += 1
            try:
                await asyncio.wait_for(self._gather(tenant, operation, open_items, access), deadline.left)
            except (TimeoutError, asyncio.TimeoutError):
                protocol.settle_each(open_items, deadline.error())
                return
            open_items, wait = protocol.to_try_again(open_items, tries, deadline.left)
            if open_items:
                await asyncio.sleep(wait)

    async def stream(
        self,
        tenant: str,
        operation: str,
        chunks: AsyncChunks,
        context: Context | None,
        key: str | None,
        access: Access | None,
    ) -> AsyncIterator[bytes]:
        """Yields what the service answers to chunks, while it takes them."""
        with self.open_call():  # a stream that nobody reads to its end does not keep the client open
            stream, token = self._stream(tenant, operation, context, key, access), await self._get_token()
        async with aclosing(carry(stream, token, chunks)) as answer:
            async for data in answer:
                yield data

    async def close(self) -> None:
        """Waits for the calls of other tasks. Closing twice, or in two tasks, is the same as once."""
        if self._closing is None:
            self._is_closing = True
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            self._enter()
        except RuntimeError:  # what is left belongs to a loop that is closed
            self._is_closed = True
            return
        if self._calls > 0:
            self._last_call = asyncio.get_running_loop().create_future()
            await self._last_call
        if self._upkeep is not None:
            self._upkeep.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for (tenant_id, access), keys in list(self._keys.items()):
            keys.drop()
            await self._report(tenant_id, access, keys, at_end=True)
        self._is_closed = True
        if self._http is not None and self._http is not self._given:
            await self._http.aclose()

    async def _gather(self, tenant: str, operation: str, items: Sequence[Item], access: Access | None) -> None:
        """Joins items with those that others ask for before the loop turns; the first one sends them all."""
        self._enter()
        lane = (tenant, operation, access)
        waiting = self._lanes.get(lane)
        if waiting is None:
            waiting = self._lanes[lane] = []
            self.spawn(lambda: self._flush(lane))
        loop = asyncio.get_running_loop()
        for item in items:
            item.error = item.result = None
            item.done = loop.create_future()
            waiting.append(item)
        await asyncio.gather(*(cast("asyncio.Future[None]", item.done) for item in items))

    async def _flush(self, lane: tuple[str, str, Access | None]) -> None:
        await asyncio.sleep(0)
        waiting = self._lanes.pop(lane)
        # Those that were cancelled or timed out meanwhile have a future that is done.
        items = [item for item in waiting if not cast("asyncio.Future[None]", item.done).done()]
        await asyncio.gather(*(self._send(lane, group) for group in self._limit.batches(items)))

    async def _send(self, lane: tuple[str, str, Access | None], group: Sequence[Item]) -> None:
        tenant, operation, access = lane
        # Until the last of them gives up: a server that never answers must not keep a slot.
        deadline = max((cast(Deadline, item.deadline) for item in group), key=lambda one: one.ends)
        try:
            asking = self._ask(protocol.batch_request(tenant, operation, group, access))
            answer = await asyncio.wait_for(asking, deadline.left)
        except VaultspanError as error:
            answer = error
        except (TimeoutError, asyncio.TimeoutError):
            answer = deadline.error()
        except Exception as error:  # a token function's own
            for item in group:
                _finish(item, error)
            return
        protocol.settle(group, answer)
        parts = self._limit.halves(group)
        if parts:
            await asyncio.gather(*(self._send(lane, part) for part in parts))
            return
        for item in group:
            _finish(item, None)

    async def _retrying(self, request: Request, deadline: Deadline, max_tries: int) -> Json:
        tries = 0
        while True:
            tries += 1
            try:
                return await self._ask(request)
            except VaultspanError as error:
                wait = protocol.wait_before(error, tries)
                if wait is None or tries >= max_tries or wait >= deadline.left:
                    raise
                await asyncio.sleep(wait)

    async def _ask(self, request: Request) -> Json:
        async with self._slots:
            answer = await self._post(request, await self._get_token())
            if answer.status_code == 401 and not isinstance(self._token, str):
                self._kept.drop()
                answer = await self._post(request, await self._get_token())
            return protocol.read_answer(answer.status_code, answer.content, answer.headers.get("Retry-After"))

    async def _post(self, request: Request, token: str) -> httpx.Response:
        assert self._http is not None
        try:
            return await self._http.post(
                self.url + request.url,
                content=request.content(),
                headers=request.headers(token),
                timeout=None,
                follow_redirects=False,
            )
        except httpx.RequestError as error:
            raise protocol.unreachable(error, self.url) from error

    def _stream(
        self, tenant: str, operation: str, context: Context | None, key: str | None, access: Access | None
    ) -> Stream:
        return Stream(self.url, tenant, operation, check_context(context), key, access, self._tls, self._timeout)

    async def _get_token(self) -> str:
        if isinstance(self._token, str):
            return in_header(self._token)
        if callable(self._token):
            token = self._token()
            return in_header(await token if inspect.isawaitable(token) else token)
        kept = self._kept.get()
        if kept is not None:
            return in_header(kept)
        credential, scope = self._token
        answer = credential.get_token(scope)
        token = await cast("Awaitable[AccessToken]", answer) if inspect.isawaitable(answer) else answer
        return in_header(self._kept.put(token))

    async def _keep_up(self) -> None:
        """Drops keys at their ends, and reports what they were used for."""
        while not self._is_closed:
            await asyncio.sleep(UPKEEP_SECONDS)
            for (tenant_id, access), keys in list(self._keys.items()):
                keys.sweep()
                await self._report(tenant_id, access, keys, at_end=False)
                if keys.is_idle:
                    self._keys.pop((tenant_id, access), None)

    async def _report(self, tenant_id: str, access: Access | None, keys: LeasedKeys, *, at_end: bool) -> None:
        async def ask(request: Request) -> Json:
            return await self._call(request, None, max_tries=protocol.MAX_TRIES)

        try:
            if keys.needs_lease_for_report(at_end=at_end):
                lease = await ask(Request(tenant_id, "leases", {}, access))
                keys.finish_with(protocol.text_member(lease, "leaseId"))
            for use in keys.to_report(at_end=at_end):
                try:
                    for body in use.reports():
                        await ask(Request(tenant_id, f"leases/{use.lease_id}/usage", body, access))
                except VaultspanError as error:
                    if error.is_retryable:
                        raise
                # The service counts a lease whose report it refuses as unreported.
                keys.reported(use)
        except Exception:  # a token function's own, too
            keys.report_failed()


def _finish(item: Item, error: Exception | None) -> None:
    done = cast("asyncio.Future[None]", item.done)
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)

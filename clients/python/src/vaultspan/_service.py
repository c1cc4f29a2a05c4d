"""The service over blocking I/O: requests, tries again, batches, and the upkeep of leased keys."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Literal, NamedTuple

import httpx

from . import _protocol as protocol
from ._errors import VaultspanError
from ._fork import drop_after_fork
from ._leases import TOO_MANY, Clock, LeasedKeys
from ._protocol import Deadline, Item, Json, Request
from ._streams import Chunks, Stream, blocking, carry
from ._token import KeptToken, TokenSource, in_header
from ._values import Access, Context, check_context

PARALLEL = 4
MAX_TENANTS = 1_000
UPKEEP_SECONDS = 1.0


class Answer(NamedTuple):
    status: int
    content: bytes
    retry_after: str | None


class Service:
    """One service, and the keys that it leased to this process."""

    def __init__(
        self,
        url: str,
        token: TokenSource,
        timeout: float,
        local: bool | Literal["required"],
        http: httpx.Client | Callable[[], httpx.Client] | None,
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
        self._is_closed = False
        self._http = http if isinstance(http, httpx.Client) else self._new_http()
        self._start_afresh()
        drop_after_fork(self)

    def _start_afresh(self) -> None:
        self._kept = KeptToken()
        self._keys: dict[tuple[str, Access | None], LeasedKeys] = {}
        self._lock = threading.Condition()
        self._calls = 0
        self._is_closing = False
        self._upkeep: threading.Thread | None = None
        self._stop = threading.Event()
        self._spawned: list[threading.Thread] = []

    def after_fork(self) -> None:
        """A child has neither its parent's keys, whose use would be counted twice, nor its connections."""
        self._http = None if isinstance(self._given, httpx.Client) else self._new_http()
        self._start_afresh()

    def _new_http(self) -> httpx.Client:
        return self._given() if callable(self._given) else httpx.Client(verify=True if self._tls is None else self._tls)

    new_lock = staticmethod(threading.Lock)

    def leased_keys(self, tenant_id: str, access: Access | None) -> LeasedKeys | None:
        """Returns the leased keys of a tenant, or None where the service does all."""
        if not self._is_local:
            return None
        with self._lock:
            if self._is_closed or self._is_closing:
                raise protocol.closed()
            keys = self._keys.get((tenant_id, access))
            if keys is None and len(self._keys) < MAX_TENANTS:
                keys = self._keys[tenant_id, access] = LeasedKeys(self.clock)
            if keys is not None:
                keys.touch()
            elif self.is_local_required:
                raise VaultspanError("local-refused", TOO_MANY)
            if self._upkeep is None:
                self._upkeep = threading.Thread(target=self._keep_up, name="vaultspan-leases", daemon=True)
                self._upkeep.start()
            return keys

    def spawn(self, work: Callable[[], None]) -> None:
        """Starts work that nobody waits for."""
        thread = threading.Thread(target=work, name="vaultspan-lease", daemon=True)
        self._spawned = [one for one in self._spawned if one.is_alive()] + [thread]
        thread.start()

    def call(self, request: Request, timeout: float | None = None) -> Json:
        """Returns the answer of a request, which is tried again where that is safe and told so."""
        with self.open_call():
            return self._retrying(request, timeout, protocol.MAX_TRIES)

    def call_for_leases(self, request: Request, timeout: float | None) -> Json:
        """Returns the answer of a request that is tried once only where the service can encrypt instead.

        The caller has an `open_call`, until it has handed over what was leased.
        """
        return self._retrying(request, timeout, protocol.MAX_TRIES if self.is_local_required else 1)

    def _retrying(self, request: Request, timeout: float | None, max_tries: int) -> Json:
        deadline = Deadline.after(self._timeout if timeout is None else timeout)
        tries = 0
        while True:
            tries += 1
            try:
                return self._ask(request, deadline)
            except VaultspanError as error:
                wait = protocol.wait_before(error, tries)
                if wait is None or tries >= max_tries or wait >= deadline.left:
                    raise
                time.sleep(wait)

    def batch(
        self, tenant: str, operation: str, items: Sequence[Item], access: Access | None, timeout: float | None
    ) -> None:
        """Gives each item its result or its error."""
        with self.open_call():
            deadline = Deadline.after(self._timeout if timeout is None else timeout)
            open_items: Sequence[Item] = items
            tries = 0
            while open_items:
                tries += 1
                self._send_all(tenant, operation, open_items, access, deadline)
                open_items, wait = protocol.to_try_again(open_items, tries, deadline.left)
                time.sleep(wait)

    def stream(
        self,
        tenant: str,
        operation: str,
        chunks: Chunks,
        context: Context | None,
        key: str | None,
        access: Access | None,
    ) -> Iterator[bytes]:
        """Yields what the service answers to chunks, while it takes them."""
        with self.open_call():  # a stream that nobody reads to its end does not keep the client open
            stream, token = self._stream(tenant, operation, context, key, access), self._get_token()
        yield from blocking(carry(stream, token, chunks))

    def close(self) -> None:
        """Waits for the calls of other threads. Closing twice, or in two threads, is the same as once."""
        with self._lock:
            if self._is_closing:
                self._lock.wait_for(lambda: self._is_closed)
                return
            self._is_closing = True
            self._lock.wait_for(lambda: self._calls == 0)
        try:
            self._stop.set()
            for thread in (self._upkeep, *self._spawned):
                if thread is not None:
                    thread.join()  # each of its requests has a deadline
            for (tenant_id, access), keys in list(self._keys.items()):
                keys.drop()
                self._report(tenant_id, access, keys, at_end=True)
        finally:
            with self._lock:
                self._is_closed = True
                self._lock.notify_all()
            if self._http is not None and self._http is not self._given:
                self._http.close()

    @contextmanager
    def open_call(self) -> Generator[None]:
        """Has `close` wait for what is done inside; raises `closed`."""
        with self._lock:
            if self._is_closed or self._is_closing:
                raise protocol.closed()
            self._calls += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1
                self._lock.notify_all()

    def _send_all(
        self, tenant: str, operation: str, items: Sequence[Item], access: Access | None, deadline: Deadline
    ) -> None:
        groups = self._limit.batches(items)

        def send(group: Sequence[Item]) -> None:
            for item in group:
                item.error = item.result = None
            try:
                protocol.settle(group, self._ask(protocol.batch_request(tenant, operation, group, access), deadline))
            except VaultspanError as error:
                protocol.settle(group, error)
            for part in self._limit.halves(group):
                send(part)

        if len(groups) == 1:
            send(groups[0])
            return
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(send, groups))

    def _ask(self, request: Request, deadline: Deadline) -> Json:
        answer = self._post(request, self._get_token(), deadline)
        if answer.status == 401 and not isinstance(self._token, str):
            self._kept.drop()
            answer = self._post(request, self._get_token(), deadline)
        return protocol.read_answer(*answer)

    def _post(self, request: Request, token: str, deadline: Deadline) -> Answer:
        if self._http is None:
            raise RuntimeError(protocol.GIVEN_HTTP)
        asked = self._http.build_request(
            "POST",
            self.url + request.url,
            content=request.content(),
            headers=request.headers(token),
            # Of each step, connect, write and read: httpx has no deadline of the whole.
            timeout=deadline.left,
        )
        try:
            answer = self._http.send(asked, stream=True, follow_redirects=False)
            with closing(answer):
                content = bytearray()
                for chunk in answer.iter_bytes():
                    content += chunk
                    if deadline.has_come:
                        raise deadline.error()
            return Answer(answer.status_code, bytes(content), answer.headers.get("Retry-After"))
        except httpx.TimeoutException as error:
            raise deadline.error() from error
        except httpx.RequestError as error:
            raise protocol.unreachable(error, self.url) from error

    def _stream(
        self, tenant: str, operation: str, context: Context | None, key: str | None, access: Access | None
    ) -> Stream:
        return Stream(self.url, tenant, operation, check_context(context), key, access, self._tls, self._timeout)

    def _get_token(self) -> str:
        if isinstance(self._token, str):
            return in_header(self._token)
        if callable(self._token):
            return in_header(self._token())
        credential, scope = self._token
        return in_header(self._kept.get() or self._kept.put(credential.get_token(scope)))

    def _keep_up(self) -> None:
        """Drops keys at their ends, and reports what they were used for."""
        stop = self._stop
        while not stop.wait(UPKEEP_SECONDS):
            for (tenant_id, access), keys in list(self._keys.items()):
                keys.sweep()
                self._report(tenant_id, access, keys, at_end=False)
                with self._lock:
                    if keys.is_idle:
                        del self._keys[tenant_id, access]

    def _report(self, tenant_id: str, access: Access | None, keys: LeasedKeys, *, at_end: bool) -> None:
        def ask(path: str, body: Json) -> Json:
            return self._retrying(Request(tenant_id, path, body, access), None, protocol.MAX_TRIES)

        try:
            if keys.needs_lease_for_report(at_end=at_end):
                keys.finish_with(protocol.text_member(ask("leases", {}), "leaseId"))
            for use in keys.to_report(at_end=at_end):
                try:
                    for body in use.reports():
                        ask(f"leases/{use.lease_id}/usage", body)
                except VaultspanError as error:
                    if error.is_retryable:
                        raise
                # The service counts a lease whose report it refuses as unreported.
                keys.reported(use)
        except Exception:  # a token function's own, too
            keys.report_failed()

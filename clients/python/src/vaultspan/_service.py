"""The service over blocking I/O: requests, tries again, batches, and the upkeep of leased keys."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Literal, cast

import httpx

from . import _protocol as protocol
from ._errors import VaultspanError
from ._fork import drop_after_fork
from ._leases import Clock, LeasedKeys
from ._protocol import Deadline, Item, Json, Request
from ._token import KeptToken, TokenSource
from ._values import Access

PARALLEL = 4
MAX_TENANTS = 1_000
UPKEEP_SECONDS = 1.0


class Service:
    """One service, and the keys that it leased to this process."""

    def __init__(
        self,
        url: str,
        token: TokenSource,
        timeout: float,
        local: bool | Literal["required"],
        http: httpx.Client | None,
        clock: Clock,
    ) -> None:
        self.url = protocol.base_url(url)
        self.clock = clock
        self.is_local_required = local == "required"
        self._is_local = local is not False
        self._token = token
        self._timeout = timeout
        self._given = http
        self._is_closed = False
        self._start_afresh()
        drop_after_fork(self)

    def _start_afresh(self) -> None:
        self._kept = KeptToken()
        self._http = self._given or httpx.Client()
        self._keys: dict[tuple[str, Access | None], LeasedKeys] = {}
        self._lock = threading.Lock()
        self._upkeep: threading.Thread | None = None
        self._stop = threading.Event()
        self._spawned: list[threading.Thread] = []

    def after_fork(self) -> None:
        """A child has neither its parent's keys, whose use would be counted twice, nor its connections."""
        self._start_afresh()

    new_lock = staticmethod(threading.Lock)

    def leased_keys(self, tenant_id: str, access: Access | None) -> LeasedKeys | None:
        """Returns the leased keys of a tenant, or None where the service does all."""
        if not self._is_local:
            return None
        self._assert_open()
        with self._lock:
            keys = self._keys.get((tenant_id, access))
            if keys is None and len(self._keys) < MAX_TENANTS:
                keys = self._keys[tenant_id, access] = LeasedKeys(self.clock)
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
        self._assert_open()
        deadline = Deadline.after(self._timeout if timeout is None else timeout)
        tries = 0
        while True:
            tries += 1
            try:
                return self._ask(request, deadline)
            except VaultspanError as error:
                wait = protocol.wait_before(error, tries)
                if wait is None or wait >= deadline.left:
                    raise
                time.sleep(wait)

    def batch(
        self, tenant: str, operation: str, items: Sequence[Item], access: Access | None, timeout: float | None
    ) -> None:
        """Gives each item its result or its error."""
        self._assert_open()
        deadline = Deadline.after(self._timeout if timeout is None else timeout)
        open_items: Sequence[Item] = items
        tries = 0
        while open_items:
            tries += 1
            self._send_all(tenant, operation, open_items, access, deadline)
            open_items, wait = protocol.to_try_again(open_items, tries, deadline.left)
            time.sleep(wait)

    def close(self) -> None:
        if self._is_closed:
            return
        self._stop.set()
        for thread in (self._upkeep, *self._spawned):
            if thread is not None:
                thread.join()  # each of its requests has a deadline
        for (tenant_id, access), keys in list(self._keys.items()):
            keys.drop()
            self._report(tenant_id, access, keys, with_unassigned=True)
        self._is_closed = True
        if self._given is None:
            self._http.close()

    def _send_all(
        self, tenant: str, operation: str, items: Sequence[Item], access: Access | None, deadline: Deadline
    ) -> None:
        groups = protocol.batches(items)

        def send(group: Sequence[Item]) -> None:
            for item in group:
                item.error = item.result = None
            try:
                protocol.settle(group, self._ask(protocol.batch_request(tenant, operation, group, access), deadline))
            except VaultspanError as error:
                protocol.settle(group, error)

        if len(groups) == 1:
            send(groups[0])
            return
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(send, groups))

    def _ask(self, request: Request, deadline: Deadline) -> Json:
        answer = self._post(request, self._get_token(), deadline)
        if answer.status_code == 401 and not isinstance(self._token, str):
            self._kept.drop()
            answer = self._post(request, self._get_token(), deadline)
        return protocol.read_answer(answer.status_code, answer.content, answer.headers.get("Retry-After"))

    def _post(self, request: Request, token: str, deadline: Deadline) -> httpx.Response:
        try:
            return self._http.post(
                self.url + request.url,
                content=request.content(),
                headers=request.headers(token),
                # Of each step, connect, write and read: httpx has no deadline of the whole.
                timeout=deadline.left,
                follow_redirects=False,
            )
        except httpx.TimeoutException as error:
            raise deadline.error() from error
        except httpx.TransportError as error:
            raise protocol.unreachable(error, self.url) from error

    def _get_token(self) -> str:
        if isinstance(self._token, str):
            return self._token
        if callable(self._token):
            return self._token()
        credential, scope = self._token
        return self._kept.get() or self._kept.put(credential.get_token(scope))

    def _keep_up(self) -> None:
        """Drops keys at their ends, and reports what they were used for."""
        stop = self._stop
        while not stop.wait(UPKEEP_SECONDS):
            for (tenant_id, access), keys in list(self._keys.items()):
                keys.sweep()
                self._report(tenant_id, access, keys, with_unassigned=False)

    def _report(self, tenant_id: str, access: Access | None, keys: LeasedKeys, *, with_unassigned: bool) -> None:
        with suppress(VaultspanError):  # the service counts the lease as unreported
            if with_unassigned and keys.needs_lease_for_report:
                lease = self.call(Request(tenant_id, "leases", {}, access))
                keys.finish_with(cast(str, lease["leaseId"]))
            for use in keys.take_finished():
                for body in use.reports():
                    self.call(Request(tenant_id, f"leases/{use.lease_id}/usage", body, access))

    def _assert_open(self) -> None:
        if self._is_closed:
            raise protocol.closed()

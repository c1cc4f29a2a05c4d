"""The client of asyncio. The blocking one is made of this file: `python scripts/unasync.py`."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Literal, cast

import httpx

from . import _protocol as protocol
from ._async_service import AsyncService
from ._errors import VaultspanError
from ._leases import (
    INSTEAD,
    MESSAGES_PER_CALL,
    OPENING,
    Clock,
    Lease,
    LeasedKeys,
    Part,
    open_parts,
    proofs_of,
    seal_all,
    seal_records,
)
from ._protocol import Item, Json, Request
from ._streams import AsyncChunks
from ._token import AsyncTokenSource
from ._values import (
    Access,
    Context,
    Data,
    Lookup,
    Plaintext,
    bytes_of,
    check_ciphertext,
    check_context,
    from_base64,
    names_of,
    opened_record,
    plain_fields,
    sealed_fields,
)


class AsyncVaultspan:
    """A client of the service. One per process is enough; threads may share the blocking one.

    ``token`` is a fixed token, a function that returns the current one, or ``(credential, scope)`` with a credential
    of azure-identity. ``timeout`` is in seconds, tries again included. ``local`` seals and opens in this process with
    keys that are leased for minutes; ``"required"`` fails where the service would have to. ``http`` is an
    httpx.AsyncClient with a proxy or a private CA, which the caller closes, or a function that returns one: that serves
    forked children and later event loops too. ``tls`` is a context with a private CA.
    """

    def __init__(
        self,
        url: str,
        *,
        token: AsyncTokenSource,
        timeout: float = 10.0,
        local: bool | Literal["required"] = False,
        http: httpx.AsyncClient | Callable[[], httpx.AsyncClient] | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._service = AsyncService(url, token, timeout, local, http, tls, clock or Clock())

    def tenant(self, tenant_id: str, *, access: Access | None = None) -> AsyncTenant:
        """Returns the calls on one tenant's data. It asks nothing of the service."""
        return AsyncTenant(self._service, protocol.tenant_id(tenant_id), access)

    async def close(self) -> None:
        """Reports what leased keys were used for; further calls fail with ``closed``. Twice is the same as once."""
        await self._service.close()

    async def __aenter__(self) -> AsyncVaultspan:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncVaultspan({self._service.url!r}, token=[redacted])"


class AsyncTenant:
    """One tenant's data. Calls at the same time travel to the service in batches, as those with ``_many`` do."""

    def __init__(self, service: AsyncService, tenant_id: str, access: Access | None) -> None:
        self._service = service
        self._access = access
        self.id = tenant_id

    async def encrypt(
        self,
        data: Data,
        *,
        context: Context | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> str:
        """Returns the ciphertext of text (as UTF-8) or bytes: store it unchanged."""
        [sealed] = await self.encrypt_many([(data, context)], key=key, timeout=timeout)
        return sealed

    async def encrypt_many(
        self,
        items: Iterable[tuple[Data, Context | None]],
        *,
        key: str | None = None,
        timeout: float | None = None,
    ) -> list[str]:
        """Returns the ciphertexts of pairs of data and context; raises the first error."""
        plain = [(bytes_of(data, "data"), check_context(context)) for data, context in items]
        keys = self._keys()
        if keys is not None:
            sizes = [len(data) for data, _ in plain]
            lease = await self._lease(keys, key, len(plain), sizes, timeout)
            if lease is not None:
                return seal_all(keys, lease, plain)
        asked = [protocol.encrypt_item(data, context, key) for data, context in plain]
        return [item.text("ciphertext") for item in await self._batch("encrypt", asked, timeout)]

    async def decrypt(
        self, ciphertext: str, *, context: Context | None = None, timeout: float | None = None
    ) -> Plaintext:
        """Returns what a ciphertext holds."""
        [plaintext] = await self.decrypt_many([(ciphertext, context)], timeout=timeout)
        return plaintext

    async def decrypt_many(
        self, items: Iterable[tuple[str, Context | None]], *, timeout: float | None = None
    ) -> list[Plaintext]:
        """Returns what pairs of ciphertext and context hold; raises the first error."""
        pairs = [(check_ciphertext(ciphertext), check_context(context)) for ciphertext, context in items]
        keys = self._keys()
        if keys is not None:
            parts: list[Part] = [({None: ciphertext}, context) for ciphertext, context in pairs]
            opened = await self._open(keys, parts, timeout)
            if opened is not None:
                return [Plaintext(one[None]) for one in opened]
        asked = [protocol.decrypt_item(ciphertext, context) for ciphertext, context in pairs]
        answered = await self._batch("decrypt", asked, timeout)
        return [Plaintext(from_base64(item.text("plaintext"))) for item in answered]

    async def rewrap(
        self,
        ciphertext: str,
        *,
        context: Context | None = None,
        to: Json | None = None,
        timeout: float | None = None,
    ) -> str:
        """Returns the ciphertext sealed anew: under the newest key version, or ``to`` another key or tenant."""
        [item] = await self._batch("rewrap", [protocol.rewrap_item(ciphertext, context, to)], timeout)
        return item.text("ciphertext")

    async def encrypt_fields(
        self,
        record: Mapping[str, object],
        *,
        context: Context | None = None,
        only: Iterable[str] | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, object]:
        """Returns the record with ciphertexts in place of its fields, each bound to its name and to the context.

        Fields can't be swapped. None stays None. All or nothing.
        """
        [row] = await self.encrypt_fields_many([(record, context)], only=only, key=key, timeout=timeout)
        return row

    async def encrypt_fields_many(
        self,
        records: Iterable[tuple[Mapping[str, object], Context | None]],
        *,
        only: Iterable[str] | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> list[dict[str, object]]:
        """Returns records as `encrypt_fields` does; raises the first error."""
        names = None if only is None else names_of(only, "only")
        rows = [(record, plain_fields(record, names), check_context(context)) for record, context in records]
        full = [(fields, context) for _, fields, context in rows if fields]
        results = iter(await self._seal_fields(full, key, timeout))
        return [{**record, **(next(results) if fields else {})} for record, fields, _ in rows]

    async def decrypt_fields(
        self,
        record: Mapping[str, object],
        *,
        context: Context | None = None,
        only: Iterable[str] | None = None,
        binary: Iterable[str] = (),
        timeout: float | None = None,
    ) -> dict[str, object]:
        """Returns the record with text in place of its ciphertexts, bytes for the fields that ``binary`` names."""
        [row] = await self.decrypt_fields_many([(record, context)], only=only, binary=binary, timeout=timeout)
        return row

    async def decrypt_fields_many(
        self,
        records: Iterable[tuple[Mapping[str, object], Context | None]],
        *,
        only: Iterable[str] | None = None,
        binary: Iterable[str] = (),
        timeout: float | None = None,
    ) -> list[dict[str, object]]:
        """Returns records as `decrypt_fields` does; raises the first error."""
        names, as_bytes = None if only is None else names_of(only, "only"), names_of(binary, "binary")
        rows = [(record, sealed_fields(record, names), check_context(context)) for record, context in records]
        full = [(fields, context) for _, fields, context in rows if fields]
        results = iter(await self._open_fields(full, timeout))
        return [opened_record(record, next(results) if fields else {}, as_bytes) for record, fields, _ in rows]

    async def rewrap_fields(
        self,
        record: Mapping[str, object],
        *,
        context: Context | None = None,
        to: Json | None = None,
        only: Iterable[str] | None = None,
        timeout: float | None = None,
    ) -> dict[str, object]:
        """Returns the record with its ciphertexts sealed anew, as `rewrap` does."""
        fields = sealed_fields(record, only)
        if not fields:
            return dict(record)
        [item] = await self._batch("documents/rewrap", [protocol.sealed_fields_item(fields, context, to)], timeout)
        return {**record, **item.fields()}

    def encrypt_stream(
        self, chunks: AsyncChunks, *, context: Context | None = None, key: str | None = None
    ) -> AsyncIterator[bytes]:
        """Yields the encrypted stream of chunks, any size, in constant memory.

        There is no timeout but of connecting, and no way through a proxy. A blocking source is read in a thread.
        """
        return self._service.stream(self.id, "encrypt", chunks, context, key, self._access)

    def decrypt_stream(self, chunks: AsyncChunks, *, context: Context | None = None) -> AsyncIterator[bytes]:
        """Yields what an encrypted stream holds. What it gave counts only when it has ended without an error."""
        return self._service.stream(self.id, "decrypt", chunks, context, None, self._access)

    def index(self, name: str) -> AsyncIndex:
        """Returns the look-ups of one of the tenant's indexes."""
        return AsyncIndex(self._service, self.id, name, self._access)

    async def _seal_fields(
        self,
        records: Sequence[tuple[dict[str, bytes], Context | None]],
        key: str | None,
        timeout: float | None,
    ) -> list[dict[str, str]]:
        keys = self._keys()
        if keys is not None:
            sizes = [sum(map(len, fields.values())) for fields, _ in records]
            lease = await self._lease(keys, key, sum(len(fields) for fields, _ in records), sizes, timeout)
            if lease is not None:
                return seal_records(keys, lease, records)
        asked = [protocol.encrypt_fields_item(fields, context, key) for fields, context in records]
        answered = await self._batch("documents/encrypt", asked, timeout)
        return [item.fields() for item in answered]

    async def _open_fields(
        self, records: Sequence[tuple[dict[str, str], Context | None]], timeout: float | None
    ) -> list[dict[str, bytes]]:
        keys = self._keys()
        if keys is not None:
            opened = await self._open(keys, cast("Sequence[Part]", records), timeout)
            if opened is not None:
                return cast("list[dict[str, bytes]]", opened)
        asked = [protocol.sealed_fields_item(fields, context) for fields, context in records]
        answered = await self._batch("documents/decrypt", asked, timeout)
        return [{name: from_base64(value) for name, value in item.fields().items()} for item in answered]

    async def _batch(self, operation: str, items: Sequence[Item], timeout: float | None) -> Sequence[Item]:
        if items:
            await self._service.batch(self.id, operation, items, self._access, timeout)
        return items

    def _keys(self) -> LeasedKeys | None:
        """Returns the leased keys of this tenant, or None where the service does all."""
        return self._service.leased_keys(self.id, self._access)

    async def _lease(
        self, keys: LeasedKeys, alias: str | None, messages: int, sizes: Sequence[int], timeout: float | None
    ) -> Lease | None:
        """Returns a lease, or None where the service must encrypt. Each size is of what is decrypted by one request."""
        try:
            lease = keys.lease(alias, messages, sizes)
            if lease is None:
                return await self._take_lease(keys, alias, messages, sizes, timeout)
            if keys.begin_renewal(alias):
                self._service.spawn(lambda: self._renew(keys, alias))
            return lease
        except VaultspanError:
            if self._service.is_local_required:
                raise
            return None

    async def _take_lease(
        self, keys: LeasedKeys, alias: str | None, messages: int, sizes: Sequence[int], timeout: float | None
    ) -> Lease:
        with self._service.open_call():
            async with keys.lock(alias, self._service.new_lock):
                lease = keys.lease(alias, messages, sizes)
                if lease is None:
                    await self._ask_lease(keys, alias, timeout)
                    lease = keys.lease(alias, messages, sizes)
                if lease is None:
                    raise VaultspanError("local-refused", f"a lease allows no more, or ended at once. {INSTEAD}")
                return lease

    async def _renew(self, keys: LeasedKeys, alias: str | None) -> None:
        """A failed renewal is asked for again later; until its end the lease serves."""
        with suppress(Exception), self._service.open_call():  # a token function's own, too
            await self._ask_lease(keys, alias, None)

    async def _ask_lease(self, keys: LeasedKeys, alias: str | None, timeout: float | None) -> None:
        started = self._service.clock.monotonic()
        try:
            request = Request(self.id, "leases", protocol.key_member(alias), self._access)
            keys.leased(alias, started, await self._service.call_for_leases(request, timeout))
        except BaseException as error:  # cancelled, too
            keys.refused(alias, error)
            raise

    async def _open(
        self, keys: LeasedKeys, parts: Sequence[Part], timeout: float | None
    ) -> list[dict[str | None, bytes]] | None:
        """Returns what messages hold, or None where the service must decrypt."""
        try:
            if proofs_of(keys, parts):
                with self._service.open_call():
                    async with keys.lock(OPENING, self._service.new_lock):
                        await self._open_leaves(keys, proofs_of(keys, parts), timeout)
        except VaultspanError:
            if self._service.is_local_required:
                raise
            return None
        return open_parts(keys, parts)

    async def _open_leaves(self, keys: LeasedKeys, proofs: Sequence[dict[str, object]], timeout: float | None) -> None:
        """Asks for the leaves of messages. Raises the first error."""
        if not proofs:
            return
        keys.check_opening()
        try:
            for at in range(0, len(proofs), MESSAGES_PER_CALL):
                started = self._service.clock.monotonic()
                body = {"messages": proofs[at : at + MESSAGES_PER_CALL]}
                request = Request(self.id, "leases/open", body, self._access)
                keys.opened_all(started, await self._service.call_for_leases(request, timeout))
        except VaultspanError as error:
            keys.not_opened(error)
            raise


class AsyncIndex:
    """One index of a tenant: finds rows by a value that is stored encrypted."""

    def __init__(self, service: AsyncService, tenant_id: str, name: str, access: Access | None) -> None:
        self._service = service
        self._tenant_id = tenant_id
        self._name = name
        self._access = access

    async def tokens(self, values: Iterable[Data], *, timeout: float | None = None) -> Lookup:
        """Returns the tokens of 1 to 1,000 values. Equal values have equal tokens, which is what they leak."""
        asked = protocol.base64_values(values)
        return protocol.lookup(await self._call("tokens", {"values": asked}, timeout), "tokens", len(asked))

    async def encrypt_deterministic(
        self, values: Iterable[Data], *, context: Context | None = None, timeout: float | None = None
    ) -> Lookup:
        """Returns deterministic ciphertexts of 1 to 1,000 values: equal values under one context have equal ones."""
        asked = protocol.base64_values(values)
        body = {"values": asked, **protocol.context_member(context)}
        return protocol.lookup(await self._call("deterministic/encrypt", body, timeout), "values", len(asked))

    async def decrypt_deterministic(
        self, values: Iterable[str], *, context: Context | None = None, timeout: float | None = None
    ) -> list[Plaintext]:
        """Returns what deterministic ciphertexts hold."""
        asked = list(values)
        answer = await self._call(
            "deterministic/decrypt", {"values": asked, **protocol.context_member(context)}, timeout
        )
        return [Plaintext(from_base64(value)) for value in protocol.texts_member(answer, "values", len(asked))]

    async def _call(self, call: str, body: Json, timeout: float | None) -> Json:
        request = Request(self._tenant_id, protocol.index_path(self._name, call), body, self._access)
        return await self._service.call(request, timeout)

"""Against a running service on the emulated Azure: VAULTSPAN_URL, and a caller's token in VAULTSPAN_TOKEN."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest

from vaultspan import AsyncVaultspan, Tenant, Vaultspan, VaultspanError

URL, TOKEN = os.environ.get("VAULTSPAN_URL", ""), os.environ.get("VAULTSPAN_TOKEN", "")
pytestmark = pytest.mark.skipif(URL == "", reason="needs a service: VAULTSPAN_URL and VAULTSPAN_TOKEN")
CONTEXT = {"table": "users", "id": "17"}


@pytest.fixture
def client() -> Iterator[Vaultspan]:
    with Vaultspan(URL, token=TOKEN) as client:
        yield client


@pytest.fixture
def contoso(client: Vaultspan) -> Tenant:
    return client.tenant("contoso")


def code(work: Callable[[], object]) -> str:
    with pytest.raises(VaultspanError) as raised:
        work()
    return raised.value.code


def test_values_are_decrypted_as_they_were_encrypted(contoso: Tenant) -> None:
    data = os.urandom(1000)
    sealed = contoso.encrypt_many([("Grüße", CONTEXT), (data, None), ("", None)])
    opened = contoso.decrypt_many(list(zip(sealed, [CONTEXT, None, None], strict=True)))
    assert [one.bytes for one in opened] == ["Grüße".encode(), data, b""]


def test_values_are_refused_elsewhere(client: Vaultspan, contoso: Tenant) -> None:
    sealed = contoso.encrypt("a", context=CONTEXT)
    assert code(lambda: contoso.decrypt(sealed)) == "context-mismatch"
    assert code(lambda: client.tenant("fabrikam").decrypt(sealed, context=CONTEXT)) == "wrong-tenant"
    moved = contoso.rewrap(sealed, context=CONTEXT, to={"tenantId": "fabrikam"})
    assert client.tenant("fabrikam").decrypt(moved, context=CONTEXT).text == "a"


def test_a_customer_that_granted_nothing_is_refused_with_the_fix(client: Vaultspan) -> None:
    with pytest.raises(VaultspanError) as raised:
        client.tenant("northwind").encrypt("a")
    assert (raised.value.code, raised.value.reason) == ("access-revoked", "role-missing")
    assert raised.value.fix is not None


def test_records_keep_other_fields_and_refuse_swapped_ones(contoso: Tenant) -> None:
    user = {"id": 17, "email": "ann@example.org", "photo": os.urandom(300), "nick": None}
    only = ["email", "photo", "nick"]
    row = contoso.encrypt_fields(user, only=only, context=CONTEXT)
    assert row["id"] == 17
    assert contoso.decrypt_fields(row, only=only, binary=["photo"], context=CONTEXT) == user
    swapped = {**row, "email": row["photo"]}
    assert code(lambda: contoso.decrypt_fields(swapped, only=["email"], context=CONTEXT)) == "context-mismatch"
    again = contoso.rewrap_fields(row, only=["email"], context=CONTEXT)
    assert contoso.decrypt_fields(again, only=["email"], context=CONTEXT)["email"] == "ann@example.org"


def test_many_calls_at_once_in_asyncio() -> None:
    async def run() -> list[str]:
        async with AsyncVaultspan(URL, token=TOKEN) as client:
            contoso = client.tenant("contoso")
            sealed = await asyncio.gather(*(contoso.encrypt(str(number)) for number in range(200)))
            return [one.text for one in await asyncio.gather(*(contoso.decrypt(one) for one in sealed))]

    assert asyncio.run(run()) == [str(number) for number in range(200)]


def test_streams_are_decrypted_as_they_were_encrypted(contoso: Tenant) -> None:
    data = [os.urandom(70_000) for _ in range(50)]
    opened = contoso.decrypt_stream(contoso.encrypt_stream(data, context=CONTEXT), context=CONTEXT)
    assert b"".join(opened) == b"".join(data)


def test_streams_that_are_cut_or_refused_fail(client: Vaultspan, contoso: Tenant) -> None:
    sealed = b"".join(contoso.encrypt_stream([os.urandom(1_000_000)], context=CONTEXT))
    assert code(lambda: list(contoso.decrypt_stream([sealed[:500_000]], context=CONTEXT))) in (
        "unreachable",
        "undecryptable",
    )
    assert code(lambda: list(contoso.decrypt_stream([sealed]))) == "context-mismatch"
    assert code(lambda: list(client.tenant("northwind").encrypt_stream([bytes(1000)] * 1000))) == "access-revoked"


def test_streams_in_asyncio() -> None:
    async def run() -> bytes:
        async with AsyncVaultspan(URL, token=TOKEN) as client:
            contoso = client.tenant("contoso")
            opened = contoso.decrypt_stream(contoso.encrypt_stream([b"a" * 300_000]))
            return b"".join([data async for data in opened])

    assert asyncio.run(run()) == b"a" * 300_000

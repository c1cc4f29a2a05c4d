"""Proxies: of the environment, and of a client that was given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from conftest import FakeService

from vaultspan import AsyncVaultspan, Vaultspan, VaultspanError
from vaultspan import _protocol as protocol

NOBODY = "http://127.0.0.1:9"
"""Nobody listens here: only a proxy answers for it."""


def blocking(proxy: str | None) -> str:
    http = (lambda: httpx.Client(proxy=proxy)) if proxy else None
    with Vaultspan(NOBODY, token="t", http=http) as client:
        return client.tenant("contoso").encrypt("a")


def in_asyncio(proxy: str | None) -> str:
    async def run() -> str:
        http = (lambda: httpx.AsyncClient(proxy=proxy)) if proxy else None
        async with AsyncVaultspan(NOBODY, token="t", http=http) as client:
            return await client.tenant("contoso").encrypt("a")

    return asyncio.run(run())


@pytest.fixture(params=[blocking, in_asyncio])
def encrypt(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], str]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(protocol, "FIRST_SECONDS", 0.0)
    return request.param


def test_the_service_is_called_through_the_proxy_of_the_environment(
    fake: FakeService, encrypt: Callable[[str | None], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", fake.url)
    assert encrypt(None).startswith("sealed:")
    assert [seen.path for seen in fake.seen] == [f"{NOBODY}/tenants/contoso/encrypt"]


def test_the_service_is_called_through_a_proxy_that_is_given(
    fake: FakeService, encrypt: Callable[[str | None], str]
) -> None:
    assert encrypt(fake.url).startswith("sealed:")
    assert [seen.path for seen in fake.seen] == [f"{NOBODY}/tenants/contoso/encrypt"]


def test_a_host_of_no_proxy_is_called_directly(
    fake: FakeService, encrypt: Callable[[str | None], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", fake.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(VaultspanError) as raised:
        encrypt(None)
    assert (raised.value.code, fake.seen) == ("unreachable", [])

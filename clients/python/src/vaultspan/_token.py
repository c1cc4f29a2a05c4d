"""The caller's token."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias


class AccessToken(Protocol):
    """A token with its end in seconds since 1970, as azure-identity returns it."""

    @property
    def token(self) -> str: ...
    @property
    def expires_on(self) -> int: ...


class Credential(Protocol):
    """A credential of azure-identity."""

    def get_token(self, *scopes: str) -> AccessToken: ...


class AsyncCredential(Protocol):
    """A credential of azure.identity.aio."""

    async def get_token(self, *scopes: str) -> AccessToken: ...


TokenSource: TypeAlias = "str | Callable[[], str] | tuple[Credential, str]"
"""A fixed token, a function that returns the current one, or a credential with the scope of the service."""

AsyncTokenSource: TypeAlias = "str | Callable[[], str | Awaitable[str]] | tuple[Credential | AsyncCredential, str]"

AHEAD_SECONDS = 120


def in_header(token: object) -> str:
    """Returns a token without the line's end that files have; ValueError for one that no header can hold.

    httpx would refuse it too, with the token in its message.
    """
    if not isinstance(token, str):
        raise TypeError(f"The token function gave a {type(token).__name__}: give a str")
    trimmed = token.strip()
    if re.fullmatch(r"[\x21-\x7e]+", trimmed) is None:
        raise ValueError("The token is empty or has characters that no token has")
    return trimmed


class KeptToken:
    """A credential's token, kept until two minutes before its end."""

    def __init__(self) -> None:
        self._token: AccessToken | None = None

    def get(self) -> str | None:
        kept = self._token
        return kept.token if kept is not None and kept.expires_on - time.time() > AHEAD_SECONDS else None

    def put(self, token: AccessToken) -> str:
        self._token = token
        return token.token

    def drop(self) -> None:
        self._token = None

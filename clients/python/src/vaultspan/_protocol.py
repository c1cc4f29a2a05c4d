"""Requests and answers without I/O: what both clients, blocking and async, send and make of what comes back."""

from __future__ import annotations

import json
import random
import re
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote, urlsplit

import httpx

from ._errors import VaultspanError, problem_error
from ._values import Access, Context, Lookup, Versioned, bytes_of, check_ciphertext, check_context, to_base64

MAX_TRIES = 6
FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0
LONGEST_TIMEOUT = 86_400
MAX_ITEMS = 1_000
MAX_PLAINTEXT_BYTES = 1_048_576
"""The service's default for `http.maxPlaintextBytes`."""
LEAST_BATCH_BYTES = 16_384
"""Batches are not made smaller for good: below, long contexts count more than values."""
FIELD_BYTES = 64

MEMBERS = ("ciphertext", "plaintext", "kid", "key", "leaseId")
"""Members of answers; the others have names of callers' fields."""

CHECK = "Is the service running, and the url right?"
GIVEN_HTTP = "http is a client of another process or event loop: give a function that returns one"

Json = Mapping[str, object]


@dataclass(frozen=True)
class Request:
    """One request of a tenant's operation."""

    tenant_id: str
    path: str
    body: Json | None = None
    access: Access | None = None

    @property
    def url(self) -> str:
        return f"tenants/{self.tenant_id}/{self.path}"

    def content(self) -> bytes:
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()

    def headers(self, token: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            **(self.access.headers() if self.access is not None else {}),
        }


@dataclass
class Item:
    """One item of a call: a request of its own, or a part of a batch."""

    body: Json
    size: int
    """Bytes that it adds to a request."""
    result: Json | None = field(default=None, repr=False)
    error: VaultspanError | None = field(default=None, repr=False)
    deadline: Deadline | None = field(default=None, repr=False)
    done: object = field(default=None, repr=False)
    """The future of whoever waits for it, in the client of asyncio."""

    def value(self) -> Json:
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result

    def text(self, name: str) -> str:
        """Returns a text of the result: a caller would store another value as a ciphertext."""
        return text_member(self.value(), name)

    def fields(self) -> dict[str, str]:
        """Returns the texts of exactly the fields that were sent: one less would stay in the record, in plaintext."""
        fields = self.value().get("fields")
        if not isinstance(fields, dict):
            raise unexpected(200, "it has no fields")
        answered = cast("dict[str, object]", fields)
        return {name: text_member(answered, name) for name in cast(Mapping[str, object], self.body["fields"])}


def base_url(url: object) -> str:
    """Returns the address with a slash at its end; ValueError for plain HTTP to another machine."""
    if not isinstance(url, str) or "://" not in url:  # it is not shown: it may have a password
        wrong = "no address" if isinstance(url, str) else f"a {type(url).__name__}"
        raise TypeError(f"url is {wrong}: give the service's, such as https://vaultspan.example.com")
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_loopback = host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback):
        raise ValueError(f"{parts.scheme}://{host} would show the token and the data on the network: use https")
    if parts.username or parts.password:
        raise ValueError("The url has a user or a password: use token")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/"


def check_local(local: object) -> None:
    """Raises TypeError for another value: a misspelt `required` would send data to the service."""
    if not isinstance(local, bool) and local != "required":
        raise TypeError('local must be True, False or "required"')


def check_token(source: object) -> None:
    """Raises TypeError for what gives no token, such as a variable of the environment that is not set."""
    if isinstance(source, str) or callable(source):
        return
    if not isinstance(source, tuple) or len(cast("tuple[object, ...]", source)) != 2:
        wrong = type(cast(object, source)).__name__
        raise TypeError(f"token is a {wrong}: give a str, a function, or (credential, scope)")


def tenant_id(text: object) -> str:
    if not isinstance(text, str) or re.fullmatch(r"[a-z0-9-]{1,64}", text) is None:
        raise ValueError("A tenant id has 1 to 64 characters of a-z, 0-9 and -")
    return text


def encrypt_item(data: bytes, context: Context | None, key: str | None) -> Item:
    return Item({"plaintext": to_base64(data), **context_member(context), **key_member(key)}, len(data))


def decrypt_item(ciphertext: str, context: Context | None) -> Item:
    return Item({"ciphertext": check_ciphertext(ciphertext), **context_member(context)}, len(ciphertext))


def rewrap_item(ciphertext: str, context: Context | None, to: Json | None) -> Item:
    body = {"ciphertext": check_ciphertext(ciphertext), **context_member(context), **to_member(to)}
    return Item(body, len(ciphertext))


def encrypt_fields_item(fields: Mapping[str, bytes], context: Context | None, key: str | None) -> Item:
    body = {name: to_base64(data) for name, data in fields.items()}
    return Item({"fields": body, **context_member(context), **key_member(key)}, _size(fields))


def sealed_fields_item(fields: Mapping[str, str], context: Context | None, to: Json | None = None) -> Item:
    body = {"fields": dict(fields), **context_member(context), **to_member(to)}
    return Item(body, _size(fields))


def _size(fields: Mapping[str, bytes] | Mapping[str, str]) -> int:
    """Counts names, and the JSON of each field: the service bounds the values and the bytes of a body too."""
    return sum(len(value) + len(name) + FIELD_BYTES for name, value in fields.items())


def context_member(context: Context | None) -> dict[str, object]:
    check_context(context)
    return {} if context is None else {"encryptionContext": dict(context)}


def key_member(key: str | None) -> dict[str, object]:
    return {} if key is None else {"key": key}


def to_member(to: Json | None) -> dict[str, object]:
    return {} if to is None else {"to": to}


def lookup(answer: Json, member: str, sent: int) -> Lookup:
    def versioned(one: Json) -> Versioned:
        return Versioned(cast(int, one["version"]), texts_member(one, member, sent))

    try:
        search = cast("Sequence[Json]", answer["search"])
        return Lookup(versioned(cast(Json, answer["write"])), tuple(versioned(one) for one in search))
    except (KeyError, TypeError, AttributeError):
        raise unexpected(200, "it is no look-up") from None


def texts_member(answer: Json, name: str, sent: int) -> tuple[str, ...]:
    """Returns as many texts as values were sent."""
    texts = answer.get(name)
    if not isinstance(texts, list) or len(cast("list[object]", texts)) != sent:
        raise unexpected(200, "it has another number of values")
    return tuple(map(str, cast("list[object]", texts)))


def text_member(answer: Json, name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str):
        raise unexpected(200, f"it has no {name if name in MEMBERS else 'value for a field'}")
    return value


def base64_values(values: Iterable[object]) -> list[str]:
    return [to_base64(bytes_of(value, f"values[{at}]")) for at, value in enumerate(values)]


def index_path(name: str, call: str) -> str:
    return f"indexes/{quote(name, safe='')}/{call}"


@dataclass
class BatchLimit:
    """How much travels together. It falls when the service, or a proxy in front of it, refuses a batch as too large."""

    max_bytes: int = MAX_PLAINTEXT_BYTES

    def batches(self, items: Sequence[Item]) -> list[list[Item]]:
        """Returns the items in groups that fit into one request."""
        groups: list[list[Item]] = []
        size = 0
        for item in items:
            if not groups or len(groups[-1]) == MAX_ITEMS or size + item.size > self.max_bytes:
                groups.append([])
                size = 0
            groups[-1].append(item)
            size += item.size
        return groups

    def halves(self, items: Sequence[Item]) -> list[Sequence[Item]]:
        """Returns the items in two parts where together they were too large, else none. Later batches are smaller."""
        if len(items) == 1 or not all(item.error is not None and item.error.status == 413 for item in items):
            return []
        size = sum(item.size for item in items)
        self.max_bytes = min(self.max_bytes, max(LEAST_BATCH_BYTES, size // 2))
        return [items[: len(items) // 2], items[len(items) // 2 :]]


def batch_request(tenant: str, operation: str, items: Sequence[Item], access: Access | None) -> Request:
    """Returns the request of items: the single call for one, the batch for several."""
    if len(items) == 1:
        return Request(tenant, operation, items[0].body, access)
    return Request(tenant, f"batch/{operation}", {"items": [item.body for item in items]}, access)


def settle(items: Sequence[Item], answer: Json | VaultspanError) -> None:
    """Gives each item its result or its error."""
    if isinstance(answer, VaultspanError):
        for item in items:
            item.error = answer
        return
    results = [answer] if len(items) == 1 else answer.get("items")
    if not isinstance(results, list) or len(cast("list[object]", results)) != len(items):
        settle(items, unexpected(200, "it has another number of items"))
        return
    for item, result in zip(items, cast("list[object]", results), strict=True):
        item.result = cast(Json, result) if isinstance(result, dict) else {}
        error = item.result.get("error")
        item.error = None if error is None else problem_error(error) or unexpected(200, "an item has no problem")


def settle_each(items: Sequence[Item], error: VaultspanError) -> None:
    """Gives the error to the items that have no result."""
    for item in items:
        if item.result is None and item.error is None:
            item.error = error


def to_try_again(items: Sequence[Item], tries: int, left: float) -> tuple[list[Item], float]:
    """Returns the items that may be tried again within the time that is left, and the seconds to wait before."""
    again: list[Item] = []
    longest = 0.0
    for item in items:
        wait = None if item.error is None else wait_before(item.error, tries)
        if wait is not None and wait < left:
            again.append(item)
            longest = max(longest, wait)
    return again, longest


def read_answer(status: int, content: bytes, retry_after: str | None) -> Json:
    """Returns the JSON of an answer, or raises its problem."""
    if status == 204:
        return {}
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):  # no JSON, or too deep for any answer of the service
        value = None
    after = float(retry_after) if retry_after is not None and re.fullmatch(r"\d{1,6}", retry_after) else None
    if 200 <= status < 300 and isinstance(value, dict):
        return cast(Json, value)
    raise problem_error(value, after) or unexpected(status, "it is none of the service's", after)


def unexpected(status: int, why: str, retry_after: float | None = None) -> VaultspanError:
    return VaultspanError(
        "unexpected-answer",
        f"HTTP {status}, and {why}: is the url right, or a proxy in between?",
        status=status,
        is_retryable=status in (429, 503),
        retry_after=retry_after,
    )


def unreachable(error: Exception, origin: str) -> VaultspanError:
    """An operation on data changes nothing that is stored, so it is safe to send again."""
    # Such as a certificate's fault. The texts of other errors may hold what was sent.
    more = f" ({error})" if isinstance(error, (httpx.ConnectError, httpx.ProxyError, ssl.SSLError)) else ""
    name = type(error).__name__
    return VaultspanError("unreachable", f"{origin} gave no whole answer: {name}{more}. {CHECK}", is_retryable=True)


@dataclass(frozen=True)
class Deadline:
    """The end of a call, by the monotonic clock."""

    seconds: float
    ends: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        if not 0 < seconds <= LONGEST_TIMEOUT:
            raise ValueError(f"timeout must be above 0 and at most {LONGEST_TIMEOUT} s")
        return cls(seconds, time.monotonic() + seconds)

    @property
    def has_come(self) -> bool:
        return time.monotonic() >= self.ends

    @property
    def left(self) -> float:
        return max(self.ends - time.monotonic(), 0.001)

    def error(self) -> VaultspanError:
        return timed_out(self.seconds)


def timed_out(seconds: float) -> VaultspanError:
    return VaultspanError(
        "timed-out",
        f"no result within {seconds:g} s. Raise timeout, or find in the service's log what took so long.",
        is_retryable=True,
    )


def closed() -> VaultspanError:
    return VaultspanError("closed", "the client was closed. Close it when the process ends, and not after each call.")


def wait_before(error: VaultspanError, tries: int) -> float | None:
    """Returns the seconds to wait before the next try, or None where there must be none.

    A try again is only made where it is safe and told so: 429, 503, a connection that gave no answer.
    ``Retry-After`` is honoured, with up to a quarter more, so that callers spread.
    """
    if not error.is_retryable or tries >= MAX_TRIES:
        return None
    if error.retry_after is not None:
        return error.retry_after * (1 + random.random() / 4)
    return min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** (tries - 1)) * (0.5 + random.random() / 2)

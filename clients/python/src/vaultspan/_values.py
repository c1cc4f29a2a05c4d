"""What goes in and comes out: data, contexts, accesses, plaintexts."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

Data: TypeAlias = "bytes | bytearray | memoryview[int] | str"
"""What can be encrypted: bytes as they are, or text as UTF-8."""

Context: TypeAlias = Mapping[str, str]
"""Pairs that a ciphertext is bound to, such as table and row. Not secret, not stored: give the same to decrypt."""


@dataclass(frozen=True)
class Access:
    """On whose behalf and why a call is made, for the customer's audit records.

    They are the caller's claims: the service records them beside the caller that it authenticated. Each has at
    most 256 characters once percent-encoded.
    """

    subject: str | None = None
    reason: str | None = None
    label: str | None = None

    def headers(self) -> dict[str, str]:
        """Returns the headers: visible ASCII, the rest percent-encoded as UTF-8."""
        named = (
            ("Access-Subject", self.subject),
            ("Access-Reason", self.reason),
            ("Access-Label", self.label),
        )
        return {name: quote(value, safe="!'()*-._~") for name, value in named if value is not None}


class Plaintext:
    """What a ciphertext held. It prints as ``[redacted]``, so that no log has it by accident."""

    __slots__ = ("_bytes",)

    def __init__(self, data: bytes) -> None:
        self._bytes = data

    @property
    def bytes(self) -> bytes:
        return self._bytes

    @property
    def text(self) -> str:
        """The text that was encrypted; UnicodeDecodeError where the bytes are not UTF-8."""
        return self._bytes.decode()

    def __repr__(self) -> str:
        return "Plaintext([redacted])"

    def __str__(self) -> str:
        return "[redacted]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plaintext) and self._bytes == other._bytes

    def __hash__(self) -> int:
        return hash(self._bytes)


@dataclass(frozen=True)
class Versioned:
    """What one version of an index makes of values, in their order: tokens, or deterministic ciphertexts."""

    version: int
    values: tuple[str, ...]


@dataclass(frozen=True)
class Lookup:
    """``write`` is stored beside new rows, and a row may have any of ``search``."""

    write: Versioned
    search: tuple[Versioned, ...]


def bytes_of(data: object, name: str) -> bytes:
    """Returns the bytes of data; TypeError where it is neither text nor bytes."""
    if isinstance(data, str):
        try:
            return data.encode()
        except UnicodeEncodeError:  # which would hold the text
            raise TypeError(f"{name} has a lone surrogate, which UTF-8 can't encode") from None
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    if isinstance(data, memoryview):
        return data.tobytes()
    raise TypeError(f"{name} is a {type(data).__name__}: give a str or bytes")


def to_base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    return b64decode(text, validate=True)


def check_ciphertext(value: object) -> str:
    """Returns the ciphertext; TypeError for what is no text, such as a column's NULL."""
    if not isinstance(value, str):
        raise TypeError(f"ciphertext is a {type(value).__name__}: give a str")
    return value


def check_context(context: Context | None) -> Context | None:
    """Returns the context; TypeError for what is no mapping, or where a name or a value is no text."""
    if context is not None and not isinstance(context, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"context is a {type(context).__name__}: give a dict of strings")
    for name, value in (context or {}).items():
        if not isinstance(name, str) or not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"context[{name!r}] is a {type(value).__name__}: names and values are strings")
    return context


def plain_fields(record: Mapping[str, object], only: Iterable[str] | None) -> dict[str, bytes]:
    """Returns the bytes of the chosen fields, without those that are None."""
    return {name: bytes_of(value, name) for name, value in _chosen(record, only)}


def sealed_fields(record: Mapping[str, object], only: Iterable[str] | None) -> dict[str, str]:
    """Returns the ciphertexts of the chosen fields, without those that are None; TypeError for what is no text."""
    fields: dict[str, str] = {}
    for name, value in _chosen(record, only):
        if not isinstance(value, str):
            raise TypeError(f"{name} is a {type(value).__name__}: a ciphertext is a str")
        fields[name] = value
    return fields


def opened_record(
    record: Mapping[str, object], opened: Mapping[str, bytes], binary: Iterable[str]
) -> dict[str, object]:
    """Returns the record with text in place of its ciphertexts, bytes for the fields that ``binary`` names."""
    as_bytes = frozenset(binary)
    result = dict(record)
    for name, value in opened.items():
        try:
            result[name] = value if name in as_bytes else value.decode()
        except UnicodeDecodeError:
            raise TypeError(f"{name} is no UTF-8 text: name it in binary=[{name!r}]") from None
    return result


def names_of(names: Iterable[str], option: str) -> list[str]:
    """Returns the names; TypeError for a text, whose letters would be the names."""
    if isinstance(names, str):
        raise TypeError(f"{option} is a str: give a list of names")
    return list(names)


def _chosen(record: Mapping[str, object], only: Iterable[str] | None) -> list[tuple[str, object]]:
    if not isinstance(record, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"record is a {type(record).__name__}: give a dict")
    names = list(record) if only is None else names_of(only, "only")
    for name in names:
        if name not in record:
            raise TypeError(f"only names {name}, which the record has not")
    return [(name, record[name]) for name in names if record[name] is not None]

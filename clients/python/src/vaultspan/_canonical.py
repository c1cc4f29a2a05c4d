"""The canonical form of encryption contexts (RFC 8785), with the service's rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from ._errors import FieldFault, VaultspanError
from ._values import Context

MAX_MEMBERS = 64
MAX_NAME = 128  # UTF-16 code units, as all lengths here
MAX_VALUE = 1_024
MAX_BYTES = 4_096
MAX_FIELDS = 256
FIELD = "vaultspan:field"
ENCODE = json.JSONEncoder(ensure_ascii=False).encode


def canonical_context(context: Context | None, required: Sequence[str] = ()) -> bytes:
    """Returns the canonical form, empty for none; VaultspanError `malformed-request` as the service."""
    members = _members(context, required)
    return _bounded(_joined(members)) if members else b""


def field_contexts(context: Context | None, required: Sequence[str], fields: int) -> Callable[[str], bytes]:
    """Returns a function that returns the canonical context of a record's field, bound to its name."""
    if fields > MAX_FIELDS:
        raise malformed("/fields", f"must have at most {MAX_FIELDS} fields, got {fields}")
    members = _members(context, required)
    _bounded(_joined(members))
    own = _order(FIELD)
    start = "{" + "".join(f"{text}," for order, text in members if order < own) + f'"{FIELD}":'
    end = "".join(f",{text}" for order, text in members if order > own) + "}"

    def of(name: str) -> bytes:
        if name == "__proto__" or not 1 <= _units(name, "/fields") <= MAX_NAME:
            raise malformed("/fields", f"a field's name must have 1 to {MAX_NAME} characters")
        return f"{start}{_text(name)}{end}".encode()

    return of


def malformed(pointer: str, detail: str) -> VaultspanError:
    """The refusal that the service would give; it names no member's value."""
    return VaultspanError("malformed-request", f"{pointer[1:]} {detail}", errors=(FieldFault(pointer, detail),))


def _members(context: Context | None, required: Sequence[str]) -> list[tuple[bytes, str]]:
    members = context or {}
    for name in required:
        if name not in members:
            raise malformed("/encryptionContext", f"must have the member {name}")
    if len(members) > MAX_MEMBERS:
        raise malformed("/encryptionContext", f"at most {MAX_MEMBERS} members")
    return sorted((_order(name), _member(name, value)) for name, value in members.items())


def _member(name: str, value: object) -> str:
    if not 1 <= _units(name) <= MAX_NAME:
        raise malformed("/encryptionContext", f"a name must have 1 to {MAX_NAME} characters")
    if name == "__proto__" or name.startswith("vaultspan"):
        raise malformed("/encryptionContext", "a name is reserved")
    if not isinstance(value, str) or _units(value) > MAX_VALUE:
        raise malformed("/encryptionContext", f"a value must be a string of at most {MAX_VALUE} characters")
    return f"{_text(name)}:{_text(value)}"


def _text(value: str) -> str:
    """Writes a string as RFC 8785 §3.2.2.2 does; Python's JSON escapes the same characters."""
    return ENCODE(value)


def _order(name: str) -> bytes:
    """Returns what RFC 8785 §3.2.3 sorts by: UTF-16 code units."""
    return name.encode("utf-16-be", "surrogatepass")


def _units(text: str, pointer: str = "/encryptionContext") -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode("utf-16-be")) // 2
    except UnicodeEncodeError:
        raise malformed(pointer, "must be well-formed Unicode") from None


def _joined(members: Sequence[tuple[bytes, str]]) -> str:
    return "{" + ",".join(text for _, text in members) + "}"


def _bounded(canonical: str) -> bytes:
    data = canonical.encode()
    if len(data) > MAX_BYTES:
        raise malformed("/encryptionContext", f"must have at most {MAX_BYTES} bytes in canonical form (RFC 8785)")
    return data

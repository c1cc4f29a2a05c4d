"""The vectors that clients in every language are held to: clients/conformance."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from vaultspan import VaultspanError
from vaultspan._canonical import canonical_context, field_contexts
from vaultspan._compact import Leaf, leased_header

FOLDER = Path(__file__).parents[2] / "conformance"
CONTEXTS = json.loads((FOLDER / "contexts.json").read_text())
MESSAGES = json.loads((FOLDER / "messages.json").read_text())
LEASES = json.loads((FOLDER / "leases.json").read_text())


def named(cases: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in cases])


def leaf() -> Leaf:
    return Leaf(MESSAGES["kid"], bytes.fromhex(MESSAGES["leafKey"]))


def canonical(case: dict[str, Any]) -> bytes:
    field = case.get("field")
    return canonical_context(case["context"]) if field is None else field_contexts(case["context"], (), 1)(field)


@named(CONTEXTS["accepted"])
def test_contexts_have_the_canonical_form(case: dict[str, Any]) -> None:
    assert canonical_context(case["context"]).decode() == case["canonical"]


@named(CONTEXTS["refused"])
def test_contexts_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(VaultspanError) as raised:
        canonical_context(case["context"])
    assert raised.value.code == case["code"]


@named(MESSAGES["opened"])
def test_messages_open_and_are_sealed_to_the_same_text(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    plaintext = b64decode(case["plaintext"])
    assert leased_header(case["message"]) == leaf().header
    assert leaf().open(case["message"], canonical(case)) == plaintext
    monkeypatch.setattr(os, "urandom", lambda _: bytes.fromhex(MESSAGES["iv"]))
    assert leaf().seal(plaintext, canonical(case)) == case["message"]


@named(MESSAGES["refused"])
def test_messages_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(VaultspanError) as raised:
        leaf().open(case["message"], b"")
    assert raised.value.code == case["code"]


def test_another_context_is_refused() -> None:
    case = MESSAGES["anotherContext"]
    with pytest.raises(VaultspanError) as raised:
        leaf().open(case["message"], canonical(case))
    assert raised.value.code == case["code"]


@named(LEASES["leaves"])
def test_leaves_are_a_leases_or_not(case: dict[str, Any]) -> None:
    assert leased_header(case["message"]) == (case["message"][:80] if case["isLeased"] else None)

"""CPU of the Python client, against data keys by hand and Tink: python bench.py. Prints JSON lines as node.mjs does."""

from __future__ import annotations

import hmac
import json
import os
import statistics
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable

import httpx
import tink
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tink import aead

from vaultspan import Vaultspan

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
FIELDS = int(os.environ.get("BENCH_FIELDS", "50000"))
FIELD = "x" * 64
RECURRING = {"table": "users", "column": "email"}


def context_of(kind: str, number: int) -> dict[str, str]:
    return RECURRING if kind == "recurring" else {"table": "users", "id": str(number)}


def measure(row: str, work: Callable[[int], object]) -> None:
    """Prints CPU per field: the median of runs after one that warms."""
    figures: list[float] = []
    for run in range(RUNS + 1):
        before = time.process_time()
        for number in range(FIELDS):
            work(number)
        if run > 0:
            figures.append(round((time.process_time() - before) / FIELDS * 1e6, 1))
    print(json.dumps({"row": row, "microseconds": statistics.median(figures), "figures": figures}), flush=True)


def lease(request: httpx.Request) -> httpx.Response:
    """A lease without a service: what is measured is what the client does for each field, accounting included."""
    if request.url.path.endswith("/usage"):
        return httpx.Response(204)
    kid = urlsafe_b64encode(bytes([1] * 8) + b"\x80" + os.urandom(7)).rstrip(b"=").decode()
    terms = {"expiresInSeconds": 3600, "maxMessages": 2**24, "maxBytes": 2**36}
    return httpx.Response(200, json={"leaseId": "l", "kid": kid, "key": b64encode(os.urandom(32)).decode(), **terms})


def local() -> None:
    http = httpx.Client(transport=httpx.MockTransport(lease))
    with Vaultspan("https://service.example", token="t", local="required", http=http) as client:
        contoso = client.tenant("contoso")
        sealed = [""] * FIELDS

        def encrypt(kind: str, number: int) -> None:
            sealed[number] = contoso.encrypt(FIELD, context=context_of(kind, number))

        for kind in ("recurring", "new"):
            measure(f"local encrypt, {kind} context", lambda number, kind=kind: encrypt(kind, number))
            measure(
                f"local decrypt, {kind} context",
                lambda number, kind=kind: contoso.decrypt(sealed[number], context=context_of(kind, number)).text,
            )


def floor() -> None:
    """What no client can leave out in Python: one AES-256-GCM and base64; for a new context, one HMAC and a cipher."""
    key, associated = os.urandom(32), b"e" * 80
    cipher = AESGCM(key)

    def seal(cipher: AESGCM) -> str:
        iv = os.urandom(12)
        return urlsafe_b64encode(iv + cipher.encrypt(iv, FIELD.encode(), associated)).decode()

    measure("floor: one cipher, base64", lambda _: seal(cipher))
    measure(
        "floor: one HMAC, one cipher, base64",
        lambda number: seal(AESGCM(hmac.digest(key, json.dumps(context_of("new", number)).encode(), "sha256"))),
    )


def by_hand() -> None:
    cipher = AESGCM(os.urandom(32))

    def encrypt(number: int) -> bytes:
        iv = os.urandom(12)
        aad = json.dumps(context_of("new", number)).encode()
        return urlsafe_b64encode(iv + cipher.encrypt(iv, FIELD.encode(), aad))

    measure("data key by hand, encrypt, new context", encrypt)


def with_tink() -> None:
    aead.register()
    primitive = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM).primitive(aead.Aead)
    sealed = primitive.encrypt(FIELD.encode(), b"users")
    measure(
        "Tink AES256_GCM, encrypt, new context",
        lambda number: urlsafe_b64encode(
            primitive.encrypt(FIELD.encode(), json.dumps(context_of("new", number)).encode())
        ),
    )
    measure("Tink AES256_GCM, decrypt", lambda _: primitive.decrypt(sealed, b"users"))


local()
floor()
by_hand()
with_tink()

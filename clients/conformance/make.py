"""Writes the vectors beside it, with Python's own HMAC and JSON and the AES-GCM of `cryptography`: python make.py.

It shares no code with the service or a client, so that none of them is compared with itself.
"""

import base64
import hashlib
import hmac
import json
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = Path(__file__).parent


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def expand(key: bytes, info: bytes) -> bytes:
    """HKDF-Expand-SHA256 of one block (RFC 5869 §2.3)."""
    return hmac.new(key, info + b"\x01", hashlib.sha256).digest()


def canonical(context: dict[str, str]) -> str:
    names = sorted(context, key=lambda name: name.encode("utf-16-be"))
    return (
        json.dumps({name: context[name] for name in names}, ensure_ascii=False, separators=(",", ":")) if names else ""
    )


def seal(leaf_key: bytes, kid: str, context: str, iv: bytes, plaintext: bytes) -> str:
    header = b64url(f'{{"alg":"dir","enc":"A256GCM","kid":"{kid}"}}'.encode())
    content_key = expand(leaf_key, b"vaultspan 2 context\n" + context.encode())
    sealed = AESGCM(content_key).encrypt(iv, plaintext, header.encode())
    return f"{header}..{b64url(iv)}.{b64url(sealed[:-16])}.{b64url(sealed[-16:])}"


def contexts() -> dict[str, object]:
    good = {
        "none": {},
        "sorted by name": {"table": "users", "column": "ssn"},
        "sorted by UTF-16 code units, not by code points": {"\ufb33": "1", "\U0001f600": "2", "\u20ac": "3", "a": "4"},
        "escapes": {"text": '\u0000\b\t\n\f\r\u001f"\\/\u007f\u2028é'},
        "names that are numbers": {"10": "a", "9": "b"},
        "an empty value": {"a": ""},
        "the longest name": {"n" * 128: "v"},
        "the longest value": {"n": "v" * 1024},
        "64 members": {f"n{number}": "v" for number in range(64)},
        "4,096 bytes": {"a": "x" * 1024, "b": "x" * 1024, "c": "x" * 1024, "d": "x" * (4096 - 3 * 1024 - 29)},
    }
    bad: dict[str, object] = {
        "a reserved name": {"vaultspan:field": "x"},
        "a name that begins as reserved ones": {"vaultspanner": "x"},
        "__proto__": {"__proto__": "x"},
        "an empty name": {"": "x"},
        "a name of 129": {"n" * 129: "x"},
        "a value of 1,025": {"n": "v" * 1025},
        "65 members": {f"n{number}": "v" for number in range(65)},
        "4,097 bytes": {"a": "x" * 1024, "b": "x" * 1024, "c": "x" * 1024, "d": "x" * (4097 - 3 * 1024 - 29)},
        "a lone surrogate": {"n": "\ud800"},
    }
    assert len(canonical(good["4,096 bytes"])) == 4096
    return {
        "accepted": [
            {"name": name, "context": context, "canonical": canonical(context)} for name, context in good.items()
        ],
        "refused": [{"name": name, "context": context, "code": "malformed-request"} for name, context in bad.items()],
    }


def messages() -> dict[str, object]:
    kid = b64url(bytes(range(0x20, 0x28)) + bytes([0x81, *range(1, 8)]))  # the first bit of the salt: a lease's
    branch_key = bytes(range(32))
    leaf_key = expand(branch_key, f"vaultspan 2 leaf\nmessage\nacme\n{kid}".encode())
    iv = bytes(range(0x40, 0x4C))
    cases = [
        ("text without a context", {}, None, b"0123456789abcdef"),
        ("text with a context", {"table": "users", "id": "17"}, None, "Grüße".encode()),
        ("nothing", {"table": "users"}, None, b""),
        ("every byte", {}, None, bytes(range(256))),
        ("a field", {"table": "users", "id": "17"}, "email", b"ann@example.org"),
        ("a field without a context", {}, "email", b"ann@example.org"),
        ("a field whose context sorts around the reserved member", {"a": "1", "z": "2", "wb": "3"}, "ß", b"x"),
    ]
    opened = []
    for name, context, field, plaintext in cases:
        full = canonical(context if field is None else {**context, "vaultspan:field": field})
        case = {"name": name, "context": context, "plaintext": base64.b64encode(plaintext).decode()}
        opened.append(
            {**case, **({} if field is None else {"field": field}), "message": seal(leaf_key, kid, full, iv, plaintext)}
        )
    good = opened[0]["message"]
    header, _, iv_text, sealed, tag = good.split(".")
    flipped = ("B" if tag[0] == "A" else "A") + tag[1:]
    spare = {"A": "B", "Q": "R", "g": "h", "w": "x"}[tag[-1]]
    refused = [
        ("an altered tag", f"{header}..{iv_text}.{sealed}.{flipped}", "undecryptable"),
        ("an altered IV", f"{header}..{'B' + iv_text[1:]}.{sealed}.{tag}", "undecryptable"),
        ("a tag with spare bits set", f"{header}..{iv_text}.{sealed}.{tag[:-1]}{spare}", "malformed-ciphertext"),
        ("padding", f"{good}==", "malformed-ciphertext"),
        ("an encrypted key", f"{header}.AA.{iv_text}.{sealed}.{tag}", "malformed-ciphertext"),
        ("a short tag", f"{header}..{iv_text}.{sealed}.{tag[:-2]}", "malformed-ciphertext"),
        ("a sixth segment", f"{good}.", "malformed-ciphertext"),
        ("whitespace", f"{good}\n", "malformed-ciphertext"),
    ]
    return {
        "tenantId": "acme",
        "branchKey": branch_key.hex(),
        "kid": kid,
        "leafKey": leaf_key.hex(),
        "iv": iv.hex(),
        "opened": opened,
        "refused": [{"name": name, "message": message, "code": code} for name, message, code in refused],
        "anotherContext": {
            "message": opened[1]["message"],
            "context": {"table": "users", "id": "18"},
            "code": "undecryptable",
        },
    }


def leases() -> dict[str, object]:
    branch, iv = bytes(range(0x20, 0x28)), bytes(12)

    def message(first_of_salt: int) -> str:
        kid = b64url(branch + bytes([first_of_salt, *range(1, 8)]))
        return seal(bytes(32), kid, "", iv, b"x")

    self_contained = b64url(b'{"alg":"RSA-OAEP-256","enc":"A256GCM"}')
    texts = [
        ("a leaf of a lease", message(0x80), True),
        ("a leaf of a lease with all bits set", message(0xFF), True),
        ("a leaf of the service", message(0x00), False),
        ("a leaf of the service with all other bits set", message(0x7F), False),
        ("a self-contained message", f"{self_contained}.AA.AA.AA.AA", False),
        ("no message", "text", False),
        ("nothing", "", False),
    ]
    accepted = {"status": 204}

    def report(sealed: int, opened: dict[str, int], size: int, is_final: bool) -> dict[str, object]:
        return {"sealed": sealed, "opened": opened, "bytes": size, "isFinal": is_final}

    def refused(reason: str | None = None) -> dict[str, object]:
        return {"status": 400, "code": "malformed-request", **({} if reason is None else {"reason": reason})}

    reports = {
        "totals that grow": [
            (report(1, {}, 5, False), accepted),
            (report(3, {"OWN": 2, "OPENED": 1}, 30, False), accepted),
            (report(3, {"OWN": 2, "OPENED": 4}, 60, True), accepted),
        ],
        "the same again, and an older one late": [
            (report(3, {"OPENED": 1}, 9, True), accepted),
            (report(3, {"OPENED": 1}, 9, True), accepted),
            (report(1, {}, 5, False), accepted),
        ],
        "leaves in several reports, the last of them final": [
            (report(2, {"OWN": 1}, 9, False), accepted),
            (report(2, {"OPENED": 1}, 9, True), accepted),
        ],
        "more after the final one": [
            (report(1, {}, 5, True), accepted),
            (report(2, {}, 5, False), refused("lease-finished")),
            (report(1, {"OWN": 1}, 5, True), refused("lease-finished")),
        ],
        "a leaf that the caller never received": [(report(0, {"UNKNOWN": 1}, 1, False), refused())],
        "more messages than the lease allows": [(report(2**24 + 1, {}, 1, False), refused())],
        "a negative number": [(report(-1, {}, 1, False), refused())],
        "what is no kid": [(report(0, {"x": 1}, 1, False), refused())],
    }
    return {
        "leaves": [{"name": name, "message": text, "isLeased": is_leased} for name, text, is_leased in texts],
        "reports": [
            {"name": name, "steps": [{"report": body, **answer} for body, answer in steps]}
            for name, steps in reports.items()
        ],
    }


for name, make in (("contexts", contexts), ("messages", messages), ("leases", leases)):
    (HERE / f"{name}.json").write_text(json.dumps(make(), indent=1) + "\n")

"""Compact messages (the service's docs/formats.md), sealed and opened with a leaf's key.

JWE Compact Serialization with ``alg: dir`` (RFC 7518 §4.5) and exactly the header
``{"alg":"dir","enc":"A256GCM","kid":"K"}``. K is base64url of a branch id (8 bytes) and a leaf salt (8 bytes), whose
first bit says that the leaf is a lease's.
"""

from __future__ import annotations

import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ._errors import VaultspanError

HEADER_CHARACTERS = 80
HEADER_START = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoi"
SALT_AT = 8
LEASE_BIT = 0x80
IV_BYTES = 12
TAG_BYTES = 16
KEPT_CONTEXTS = 256
SEGMENTS = 5


def header_of(kid: str) -> str:
    """Returns the encoded header of a leaf, 80 characters."""
    return HEADER_START + _encode(f'{kid}"}}'.encode())


def leased_header(ciphertext: str) -> str | None:
    """Returns the header of a compact message whose leaf is a lease's, or None for any other text."""
    if not ciphertext.startswith(HEADER_START):
        return None
    try:
        kid = urlsafe_b64decode(ciphertext[len(HEADER_START) : HEADER_CHARACTERS])[:22]
        salt = urlsafe_b64decode(kid + b"==")[SALT_AT]
    except (ValueError, IndexError):
        return None
    return ciphertext[:HEADER_CHARACTERS] if salt & LEASE_BIT else None


class Leaf:
    """The key of one leaf: seals and opens messages, in one process.

    Python can't overwrite a key: it goes with the last reference to its leaf.
    """

    def __init__(self, kid: str, key: bytes) -> None:
        self.kid = kid
        self.header = header_of(kid)
        self._aad = self.header.encode("ascii")
        self._key = key
        self._ciphers: OrderedDict[bytes, AESGCM] = OrderedDict()

    def seal(self, plaintext: bytes, context: bytes) -> str:
        """Returns the message of bytes; ``context`` is canonical, empty for none."""
        iv = os.urandom(IV_BYTES)  # the kernel's generator: two processes after a fork never draw the same
        sealed = self._cipher(context).encrypt(iv, plaintext, self._aad)
        return f"{self.header}..{_encode(iv)}.{_encode(sealed[:-TAG_BYTES])}.{_encode(sealed[-TAG_BYTES:])}"

    def open(self, message: str, context: bytes) -> bytes:
        """Returns what a message holds; VaultspanError `malformed-ciphertext` or `undecryptable`."""
        segments = message.split(".")
        if len(segments) != SEGMENTS or segments[0] != self.header or segments[1] != "":
            raise _malformed()
        iv, sealed, tag = map(_decode, segments[2:])
        if len(iv) != IV_BYTES or len(tag) != TAG_BYTES:
            raise _malformed()
        try:
            return self._cipher(context).decrypt(iv, sealed + tag, self._aad)
        except InvalidTag:
            raise VaultspanError(
                "undecryptable",
                "the ciphertext was altered, or its encryption context is another one",
                status=422,
            ) from None

    def _cipher(self, context: bytes) -> AESGCM:
        """CEK = HKDF-Expand-SHA256(LK, "vaultspan 2 context" LF context, 32): one block is one HMAC."""
        kept = self._ciphers.get(context)
        if kept is not None:
            return kept
        cipher = AESGCM(hmac.digest(self._key, b"vaultspan 2 context\n" + context + b"\x01", "sha256"))
        if len(self._ciphers) >= KEPT_CONTEXTS:
            self._ciphers.popitem(last=False)
        self._ciphers[context] = cipher
        return cipher


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    """Returns the bytes of canonical base64url: another spelling of the same bytes would be another ciphertext."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise _malformed() from None
    if _encode(data) != text:
        raise _malformed()
    return data


def _malformed() -> VaultspanError:
    return VaultspanError(
        "malformed-ciphertext",
        "the text is no compact message: store and send it unchanged",
        status=400,
    )

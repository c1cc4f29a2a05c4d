"""What a service that leases keys answers, for one tenant and one key."""

from __future__ import annotations

import json
import os
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from conftest import Answer, Body, Seen, problem

from vaultspan import VaultspanError
from vaultspan._canonical import canonical_context, field_contexts
from vaultspan._compact import Leaf

REMOTE = b64encode(b"remote").decode()


@dataclass
class LeaseAnswers:
    """Everything but leases is "encrypted" remotely."""

    terms: Body = field(default_factory=lambda: {"expiresInSeconds": 300, "maxMessages": 1000, "maxBytes": 10**6})
    refusal: Body | None = None
    """Refuses leases with a problem while set."""
    reports: dict[str, list[Body]] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)

    def __call__(self, seen: Seen) -> Answer:
        call = seen.path.removeprefix("/tenants/contoso/")
        if call.endswith("/usage"):
            self.reports.setdefault(call.split("/")[1], []).append(seen.body)
            return 204, b"", {}
        if self.refusal is not None and call.startswith("leases"):
            return self.refusal["status"], self.refusal, {}
        if call == "leases":
            return 200, self._lease(), {}
        if call == "leases/open":
            return 200, {"items": [self._open(message) for message in seen.body["messages"]]}, {}
        if call == "encrypt":
            return 200, {"ciphertext": "remote", "keyId": "k"}, {}
        if call == "decrypt":
            return 200, {"plaintext": REMOTE, "keyId": "k"}, {}
        if call.startswith("documents/"):
            return 200, {"fields": dict.fromkeys(seen.body["fields"], REMOTE), "keyId": "k"}, {}
        return 404, problem(404, "route-not-found"), {}

    def _lease(self) -> Body:
        kid = urlsafe_b64encode(bytes([1] * 8) + b"\x80" + os.urandom(7)).rstrip(b"=").decode()
        self.keys[kid] = os.urandom(32)
        lease = f"lease-{len(self.keys)}"
        return {"leaseId": lease, "kid": kid, "key": b64encode(self.keys[kid]).decode(), "keyId": "k", **self.terms}

    def _open(self, message: dict[str, Any]) -> Body:
        header = message["ciphertext"].split(".")[0]
        kid = json.loads(urlsafe_b64decode(header))["kid"]
        if kid not in self.keys:
            return {"error": problem(422, "unknown-key", reason="not-leased")}
        context, name = message.get("encryptionContext"), message.get("field")
        try:
            canonical = canonical_context(context) if name is None else field_contexts(context, (), 1)(name)
            Leaf(kid, self.keys[kid]).open(message["ciphertext"], canonical)
        except VaultspanError:
            return {"error": problem(422, "undecryptable")}
        end = {"expiresInSeconds": self.terms["expiresInSeconds"]}
        return {"kid": kid, "key": b64encode(self.keys[kid]).decode(), "keyId": "k", **end}

"""A service on loopback that answers as each test says, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Body = dict[str, Any]
Answer = tuple[int, Any, dict[str, str]]


@dataclass
class Seen:
    path: str
    headers: dict[str, str]
    body: Body


def sealed(item: Body) -> Body:
    return {"ciphertext": f"sealed:{item['plaintext']}", "keyId": "k"}


def echo(seen: Seen) -> Answer:
    """ "Encrypts" by putting ``sealed:`` before the base64, singly and in batches."""
    items = seen.body.get("items")
    return 200, sealed(seen.body) if items is None else {"items": [sealed(item) for item in items]}, {}


def problem(status: int, code: str, **more: Any) -> Body:
    return {
        "type": f"urn:vaultspan:problem:{code}",
        "title": code,
        "status": status,
        "code": code,
        "detail": "Because.",
        "requestId": "r-1",
        **more,
    }


@dataclass
class FakeService:
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answer: Callable[[Seen], Answer | None] = echo
    """Returns what to answer; None closes the connection."""


@pytest.fixture
def fake() -> Iterator[FakeService]:
    service = FakeService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.path, headers, json.loads(content))
            service.seen.append(seen)
            answer = service.answer(seen)
            if answer is None:
                self.close_connection = True
                self.connection.close()
                return
            status, value, more = answer
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in {"Content-Length": str(len(data)), "Content-Type": "application/json", **more}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield service
    server.shutdown()
    server.server_close()

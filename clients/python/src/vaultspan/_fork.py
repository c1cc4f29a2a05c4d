"""A forked child shares no keys, tokens or connections with its parent (multiprocessing, gunicorn's preload)."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forgetful(Protocol):
    def after_fork(self) -> None: ...


_clients: WeakSet[Forgetful] = WeakSet()


def drop_after_fork(client: Forgetful) -> None:
    """Has a client forget what its parent process had, in every child that is forked from now on."""
    _clients.add(client)


def _after_fork_in_child() -> None:
    for client in list(_clients):
        client.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

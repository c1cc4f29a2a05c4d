"""The keys that one tenant's leases gave this process: in memory only, and until their ends. No I/O here."""

from __future__ import annotations

import random
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar, cast

from ._canonical import canonical_context, field_contexts
from ._compact import HEADER_CHARACTERS, Leaf, leased_header
from ._errors import VaultspanError, problem_error
from ._protocol import MAX_PLAINTEXT_BYTES, text_member, unexpected
from ._values import Context, from_base64

OPENED_LEAVES = 10_000
REFUSED_SECONDS = 60.0
TROUBLE_SECONDS = 5.0
MAX_JUMP_SECONDS = 5.0
LEAVES_PER_REPORT = 1_000
MESSAGES_PER_CALL = 100
KEY_BYTES = 32
INSTEAD = 'Use local=True, so that the service does it, rather than local="required".'
"""What to do about `local-refused`."""
TOO_MANY = f"as many tenants and accesses as may have keys in this process. {INSTEAD}"
UNASSIGNED_SECONDS = 300.0
"""What is opened without a lease is reported after so long, with a lease that is taken for it."""
MAX_WAITING = 1_000
IDLE_SECONDS = 60.0
RENEW_FROM, RENEW_TO = 0.6, 0.85
"""A lease is renewed at a random moment of its last part, so that many processes spread."""


OPENING = "\0opening"
"""The lock of those that ask for leaves; no key has this alias."""

LockT = TypeVar("LockT")


@dataclass(frozen=True)
class Clock:
    """Clocks in seconds: real ones, or a test's."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


@dataclass(frozen=True)
class End:
    """The end of something that may be used until a moment, whatever is done to the machine's clock."""

    clock: Clock
    at: float
    wall_ahead: float

    @classmethod
    def after(cls, clock: Clock, started: float, seconds: float) -> End:
        return cls(clock, started + seconds, clock.wall() - clock.monotonic())

    @property
    def has_come(self) -> bool:
        """A machine that slept, or was resumed from a snapshot, shows it by its wall clock only."""
        now = self.clock.monotonic()
        return now >= self.at or abs(self.clock.wall() - now - self.wall_ahead) > MAX_JUMP_SECONDS


@dataclass
class LeaseUse:
    """What was done under one lease: totals since it began."""

    lease_id: str
    sealed: int = 0
    bytes: int = 0
    opened: dict[str, int] = field(default_factory=dict[str, int])

    def reports(self) -> list[dict[str, object]]:
        """Returns the bodies that report it finally."""
        kids = list(self.opened.items())
        starts = range(0, max(len(kids), 1), LEAVES_PER_REPORT)
        return [
            {
                "sealed": self.sealed,
                "opened": dict(kids[at : at + LEAVES_PER_REPORT]),
                "bytes": self.bytes,
                "isFinal": at == starts[-1],
            }
            for at in starts
        ]


@dataclass(frozen=True)
class Lease:
    """A lease that seals."""

    leaf: Leaf
    end: End
    use: LeaseUse
    renew_at: float
    max_messages: int
    max_bytes: int
    max_plaintext_bytes: int
    """The service decrypts no larger plaintext, nor a record with more bytes: nobody could read it without its leaf."""
    required: tuple[str, ...]


@dataclass
class Slot:
    """A key's lease, and why there is none and until when the service is not asked again."""

    lease: Lease | None = None
    refusal: VaultspanError | None = None
    refused_until: float = 0.0
    is_asking: bool = False


class LeasedKeys:
    """Thread-safe. Its user makes the calls that it asks for: a lease, the opening of leaves, reports."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._slots: dict[str | None, Slot] = {}
        self._opened: OrderedDict[str, tuple[Leaf, End]] = OrderedDict()
        self._not_opened: tuple[VaultspanError, float] | None = None
        self._current: LeaseUse | None = None
        self._unassigned = LeaseUse("")
        self._unassigned_since: float | None = None
        self._finished: deque[LeaseUse] = deque(maxlen=MAX_WAITING)
        self._no_reports_until = 0.0
        self._touched = clock.monotonic()
        self._locks: dict[str | None, object] = {}

    def touch(self) -> None:
        """Says that a call uses it."""
        self._touched = self._clock.monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether it holds nothing, and no call has used it lately."""
        with self._lock:
            now = self._clock.monotonic()
            is_empty = not self._opened and not self._finished and not self._unassigned.opened
            slots = all(slot.lease is None and now >= slot.refused_until for slot in self._slots.values())
            return is_empty and slots and now - self._touched > IDLE_SECONDS

    def forget_locks(self) -> None:
        """Drops locks of asyncio, which belong to one event loop."""
        with self._lock:
            self._locks.clear()

    def lock(self, alias: str | None, new: Callable[[], LockT]) -> LockT:
        """Returns the lock of those that ask for a key's lease, so that one call serves them all."""
        with self._lock:
            return cast(LockT, self._locks.setdefault(alias, new()))

    def lease(self, alias: str | None, messages: int, sizes: Sequence[int]) -> Lease | None:
        """Returns a lease that may seal so much more, or None where one must be asked for; raises why there is none.

        Each size is of what is decrypted by one request.
        It is counted already, so that concurrent calls stay within its limits: who does not seal takes it back.
        """
        with self._lock:
            slot = self._slots.setdefault(alias, Slot())
            lease = slot.lease
            size = sum(sizes)
            if lease is not None and any(one > lease.max_plaintext_bytes for one in sizes):
                raise _unreadable(lease)
            if (
                lease is not None
                and lease.use.sealed + messages <= lease.max_messages
                and lease.use.bytes + size <= lease.max_bytes
                and not lease.end.has_come
            ):
                self.count_sealed(lease, messages, size)
                return lease
            if slot.refusal is not None and self._clock.monotonic() < slot.refused_until:
                raise slot.refusal
            return None

    def begin_renewal(self, alias: str | None) -> bool:
        """Returns whether the caller shall renew a lease ahead; then it calls `leased` or `refused`."""
        with self._lock:
            slot = self._slots.setdefault(alias, Slot())
            now = self._clock.monotonic()
            is_due = slot.lease is not None and now >= slot.lease.renew_at
            if not is_due or slot.is_asking or (slot.refusal is not None and now < slot.refused_until):
                return False
            slot.is_asking = True
            return True

    def leased(self, alias: str | None, started: float, answer: Mapping[str, object]) -> Lease:
        """Takes a lease that was answered; ``started`` is the monotonic time before the request."""
        leaf, seconds = _leaf_of(answer)
        max_messages, max_bytes = answer.get("maxMessages"), answer.get("maxBytes")
        most = answer.get("maxPlaintextBytes")
        if not isinstance(max_messages, int) or not isinstance(max_bytes, int):
            raise unexpected(200, "the lease has no limits")
        lease_id = text_member(answer, "leaseId")
        end = End.after(self._clock, started, seconds)
        with self._lock:
            slot = self._slots.setdefault(alias, Slot())
            self._retire(slot)
            slot.lease = Lease(
                leaf,
                end,
                self._begin(lease_id),
                started + seconds * random.uniform(RENEW_FROM, RENEW_TO),
                max_messages,
                max_bytes,
                most if isinstance(most, int) else MAX_PLAINTEXT_BYTES,  # a version of the service that does not tell
                tuple(cast(Sequence[str], answer.get("requiredContext", ()))),
            )
            slot.refusal = None
            slot.is_asking = False
            self._remember(leaf, end)
            return slot.lease

    def refused(self, alias: str | None, error: BaseException) -> None:
        with self._lock:
            slot = self._slots.setdefault(alias, Slot())
            slot.is_asking = False
            if isinstance(error, VaultspanError):
                slot.refusal, slot.refused_until = error, self._clock.monotonic() + _hold(error)

    def known(self, header: str) -> Leaf | None:
        """Returns the leaf of a header if this process has its key."""
        with self._lock:
            found = self._opened.get(header)
            if found is None:
                return None
            leaf, end = found
            if not end.has_come:
                return leaf
            self.sweep()  # a lease ends for sealing too, whatever the clock says next
            return None

    def check_opening(self) -> None:
        """Raises why the service opens no leaves at present."""
        with self._lock:
            if self._not_opened is not None and self._clock.monotonic() < self._not_opened[1]:
                raise self._not_opened[0]

    def opened_all(self, started: float, answer: Mapping[str, object]) -> None:
        """Takes the leaves that were answered; then raises the first error among them."""
        failed: VaultspanError | None = None
        items = answer.get("items")
        if not isinstance(items, list):
            raise unexpected(200, "it has no items")
        for one in cast("Sequence[Mapping[str, object]]", items):
            error = problem_error(one.get("error"))
            if error is None:
                self._opened_one(started, one)
            failed = failed or error
        if failed is not None:
            raise failed

    def _opened_one(self, started: float, answer: Mapping[str, object]) -> None:
        leaf, seconds = _leaf_of(answer)
        with self._lock:
            self._remember(leaf, End.after(self._clock, started, seconds))

    def not_opened(self, error: VaultspanError) -> None:
        """Takes a refusal of leases at large, not of one message: there is no sense in asking for each."""
        if error.code in ("key-use", "grant-missing") or error.is_retryable:
            with self._lock:
                self._not_opened = (error, self._clock.monotonic() + _hold(error))

    def count_sealed(self, lease: Lease, messages: int, size: int) -> None:
        with self._lock:
            lease.use.sealed += messages
            lease.use.bytes += size

    def count_opened(self, kid: str, size: int) -> None:
        """What was opened is reported with the lease at hand."""
        with self._lock:
            use = self._current or self._unassigned
            if self._current is None and self._unassigned_since is None:
                self._unassigned_since = self._clock.monotonic()
            use.opened[kid] = use.opened.get(kid, 0) + 1
            use.bytes += size

    def sweep(self) -> None:
        """Drops keys whose end has come."""
        with self._lock:
            for header in [header for header, (_, end) in self._opened.items() if end.has_come]:
                del self._opened[header]
            for slot in self._slots.values():
                if slot.lease is not None and slot.lease.end.has_come:
                    self._retire(slot)

    def drop(self) -> None:
        """Forgets all keys, and finishes all leases."""
        with self._lock:
            for slot in self._slots.values():
                self._retire(slot)
            self._opened.clear()

    def to_report(self, *, at_end: bool) -> list[LeaseUse]:
        """Returns the leases to report; call `reported` for each. None for a while after a report that failed."""
        with self._lock:
            is_held = not at_end and self._clock.monotonic() < self._no_reports_until
            return [] if is_held else list(self._finished)

    def reported(self, use: LeaseUse) -> None:
        with self._lock, suppress(ValueError):
            self._finished.remove(use)

    def report_failed(self) -> None:
        with self._lock:
            self._no_reports_until = self._clock.monotonic() + TROUBLE_SECONDS

    def needs_lease_for_report(self, *, at_end: bool) -> bool:
        """Returns whether what was opened without a lease is to be reported now."""
        with self._lock:
            now, opened = self._clock.monotonic(), self._unassigned.opened
            if at_end:
                return bool(opened)
            since = now if self._unassigned_since is None else self._unassigned_since
            is_due = now - since >= UNASSIGNED_SECONDS or len(opened) >= LEAVES_PER_REPORT
            return is_due and now >= self._no_reports_until

    def finish_with(self, lease_id: str) -> None:
        """Reports what was opened without a lease by one that was taken for it."""
        with self._lock:
            current = self._current
            self._finished.append(self._begin(lease_id))
            self._current = current

    def _begin(self, lease_id: str) -> LeaseUse:
        before, self._unassigned = self._unassigned, LeaseUse("")
        self._unassigned_since = None
        self._current = LeaseUse(lease_id, 0, before.bytes, before.opened)
        return self._current

    def _retire(self, slot: Slot) -> None:
        """Ends a lease's sealing. Its leaf stays among those that open, until its end."""
        if slot.lease is None:
            return
        if self._current is slot.lease.use:
            self._current = None
        self._finished.append(slot.lease.use)
        slot.lease = None

    def _remember(self, leaf: Leaf, end: End) -> None:
        if len(self._opened) >= OPENED_LEAVES:
            self._opened.popitem(last=False)
        self._opened[leaf.header] = (leaf, end)


def _leaf_of(answer: Mapping[str, object]) -> tuple[Leaf, float]:
    """Returns a leaf and its seconds: its key must be the 32 bytes of HMAC-SHA-256."""
    seconds = answer.get("expiresInSeconds")
    try:
        key = from_base64(text_member(answer, "key"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or not isinstance(seconds, (int, float)):
        raise unexpected(200, "it has no key with an end")
    return Leaf(text_member(answer, "kid"), key), seconds


def _unreadable(lease: Lease) -> VaultspanError:
    return VaultspanError(
        "local-refused",
        f"the service could not decrypt more than {lease.max_plaintext_bytes} bytes. Use encrypt_stream.",
    )


def seal_all(keys: LeasedKeys, lease: Lease, items: Sequence[tuple[bytes, Context | None]]) -> list[str]:
    with _counted(keys, lease, len(items), sum(len(data) for data, _ in items)):
        return [lease.leaf.seal(data, canonical_context(context, lease.required)) for data, context in items]


def seal_records(
    keys: LeasedKeys, lease: Lease, records: Sequence[tuple[Mapping[str, bytes], Context | None]]
) -> list[dict[str, str]]:
    size = sum(len(data) for fields, _ in records for data in fields.values())
    with _counted(keys, lease, sum(len(fields) for fields, _ in records), size):
        return [_seal_fields(lease, fields, context) for fields, context in records]


def _seal_fields(lease: Lease, fields: Mapping[str, bytes], context: Context | None) -> dict[str, str]:
    context_of = field_contexts(context, lease.required, len(fields))
    return {name: lease.leaf.seal(data, context_of(name)) for name, data in fields.items()}


@contextmanager
def _counted(keys: LeasedKeys, lease: Lease, messages: int, size: int) -> Generator[None]:
    """Takes back what was counted ahead, where it is not sealed."""
    try:
        yield
    except BaseException:
        keys.count_sealed(lease, -messages, -size)
        raise


Part: TypeAlias = "tuple[Mapping[str | None, str], Context | None]"
"""Ciphertexts under one context: a record's by field, or a single one under None."""


def proofs_of(keys: LeasedKeys, parts: Sequence[Part]) -> list[dict[str, object]]:
    """Returns a message of each leaf that must be asked for; raises `local-refused` where the service sealed one of
    them itself, so that only the service opens it."""
    proofs: dict[str, dict[str, object]] = {}
    for ciphertexts, context in parts:
        for name, ciphertext in ciphertexts.items():
            header = ciphertext[:HEADER_CHARACTERS]
            if header in proofs or keys.known(header) is not None:
                continue
            if leased_header(ciphertext) is None:
                raise local_refused()
            proofs[header] = _proof(ciphertext, context, name)
    return list(proofs.values())


def _proof(ciphertext: str, context: Context | None, name: str | None) -> dict[str, object]:
    return {
        "ciphertext": ciphertext,
        **({} if context is None else {"encryptionContext": dict(context)}),
        **({} if name is None else {"field": name}),
    }


def open_parts(keys: LeasedKeys, parts: Sequence[Part]) -> list[dict[str | None, bytes]] | None:
    """Returns what the messages hold, or None where a leaf ended meanwhile."""
    opened: list[dict[str | None, bytes]] = []
    for ciphertexts, context in parts:
        one = _open_part(keys, ciphertexts, context)
        if one is None:
            return None
        opened.append(one)
    return opened


def _open_part(
    keys: LeasedKeys, ciphertexts: Mapping[str | None, str], context: Context | None
) -> dict[str | None, bytes] | None:
    context_of = None if None in ciphertexts else field_contexts(context, (), len(ciphertexts))
    opened: dict[str | None, bytes] = {}
    for name, ciphertext in ciphertexts.items():
        leaf = keys.known(ciphertext[:HEADER_CHARACTERS])
        if leaf is None:
            return None
        canonical = canonical_context(context) if name is None or context_of is None else context_of(name)
        plaintext = leaf.open(ciphertext, canonical)
        keys.count_opened(leaf.kid, len(plaintext))
        opened[name] = plaintext
    return opened


def local_refused() -> VaultspanError:
    return VaultspanError(
        "local-refused", f"the service sealed this value itself, so only the service opens it. {INSTEAD}"
    )


def _hold(error: VaultspanError) -> float:
    if error.is_retryable:
        return error.retry_after if error.retry_after is not None else TROUBLE_SECONDS
    return REFUSED_SECONDS

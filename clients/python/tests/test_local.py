"""Local mode: what the clients seal and open in their own process, under leases of a service on loopback."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Literal

import pytest
from conftest import Answer, FakeService, Seen, problem
from lease_service import LeaseAnswers

from vaultspan import Access, AsyncVaultspan, Tenant, Vaultspan, VaultspanError
from vaultspan._leases import Clock

CONTEXT = {"table": "users", "id": "17"}
NOT_LEASED = "eyJhbGciOiJSU0EtT0FFUC0yNTYifQ.a.b.c.d"


class Moved:
    """A clock that only tests move: both sides for time that passes, one for a machine that slept or was set."""

    def __init__(self) -> None:
        self.monotonic = 1_000.0
        self.wall = 1_700_000_000.0

    def go(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.monotonic, lambda: self.wall)


@pytest.fixture
def answers(fake: FakeService) -> LeaseAnswers:
    fake.answer = answers = LeaseAnswers()
    return answers


@pytest.fixture
def moved() -> Moved:
    return Moved()


@pytest.fixture
def open_client(fake: FakeService, answers: LeaseAnswers, moved: Moved) -> Iterator[Callable[..., Vaultspan]]:
    clients: list[Vaultspan] = []

    def make(local: bool | Literal["required"] = "required") -> Vaultspan:
        clients.append(Vaultspan(fake.url, token="t", local=local, timeout=60, clock=moved.clock()))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def contoso(open_client: Callable[..., Vaultspan]) -> Tenant:
    return open_client().tenant("contoso")


def code(work: Callable[[], object]) -> str:
    with pytest.raises(VaultspanError) as raised:
        work()
    return raised.value.code


def count(fake: FakeService, call: str) -> int:
    return sum(seen.path == f"/tenants/contoso/{call}" for seen in fake.seen)


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def hold_leases(fake: FakeService, answers: LeaseAnswers) -> threading.Event:
    """Holds the answers to requests for leases back until the event that it returns is set."""
    release = threading.Event()

    def answer(seen: Seen) -> Answer:
        if seen.path.endswith(("/leases", "/open")):
            release.wait(60)
        return answers(seen)

    fake.answer = answer
    return release


def test_a_lease_seals_and_opens_without_further_calls(fake: FakeService, contoso: Tenant) -> None:
    sealed = [contoso.encrypt(str(number), context=CONTEXT) for number in range(100)]
    assert [contoso.decrypt(one, context=CONTEXT).text for one in sealed] == [str(number) for number in range(100)]
    assert len(set(sealed)) == 100
    assert [seen.path for seen in fake.seen] == ["/tenants/contoso/leases"]


def test_many_at_once_in_asyncio_take_one_lease(fake: FakeService, answers: LeaseAnswers) -> None:
    async def run() -> list[str]:
        async with AsyncVaultspan(fake.url, token="t", local="required", timeout=60) as client:
            contoso = client.tenant("contoso")
            sealed = await asyncio.gather(*(contoso.encrypt(str(number)) for number in range(500)))
            opened = await asyncio.gather(*(contoso.decrypt(one) for one in sealed))
            row = await contoso.encrypt_fields({"a": "1"}, context=CONTEXT)
            assert await contoso.decrypt_fields(row, context=CONTEXT) == {"a": "1"}
            return [one.text for one in opened]

    assert asyncio.run(run()) == [str(number) for number in range(500)]
    assert count(fake, "leases") == 1
    assert [report["sealed"] for report in answers.reports["lease-1"]] == [501]


def test_altered_messages_other_contexts_and_swapped_fields_are_refused(contoso: Tenant) -> None:
    sealed = contoso.encrypt("a", context=CONTEXT)
    row = contoso.encrypt_fields({"a": "1", "b": "2"}, context=CONTEXT)
    assert code(lambda: contoso.decrypt(sealed)) == "undecryptable"
    assert code(lambda: contoso.decrypt(sealed[:-2] + ("AA" if sealed[-2:] != "AA" else "QA"), context=CONTEXT)) in (
        "undecryptable",
        "malformed-ciphertext",
    )
    assert code(lambda: contoso.decrypt_fields({"a": row["b"], "b": row["a"]}, context=CONTEXT)) == "undecryptable"
    assert contoso.decrypt_fields(row, context=CONTEXT) == {"a": "1", "b": "2"}


def test_another_process_opens_once_per_leaf(fake: FakeService, open_client: Callable[..., Vaultspan]) -> None:
    writer, reader = open_client().tenant("contoso"), open_client().tenant("contoso")
    value = writer.encrypt("a", context=CONTEXT)
    rows = [writer.encrypt_fields({"email": "ann"}, context=CONTEXT) for _ in range(20)]
    assert reader.decrypt_fields_many([(row, CONTEXT) for row in rows]) == [{"email": "ann"}] * 20
    assert reader.decrypt(value, context=CONTEXT).text == "a"
    assert count(fake, "leases/open") == 1


def test_a_lease_ends_whatever_the_wall_clock_says(answers: LeaseAnswers, moved: Moved, contoso: Tenant) -> None:
    sealed = contoso.encrypt("a")
    answers.refusal = problem(403, "access-revoked")
    assert contoso.decrypt(sealed).text == "a"
    moved.monotonic += 300
    assert code(lambda: contoso.encrypt("a")) == "access-revoked"
    assert code(lambda: contoso.decrypt(sealed)) == "access-revoked"


def test_a_lease_does_not_outlive_a_machine_that_slept(answers: LeaseAnswers, moved: Moved, contoso: Tenant) -> None:
    sealed = contoso.encrypt("a")
    answers.refusal = problem(403, "access-revoked")
    moved.wall += 60
    assert code(lambda: contoso.decrypt(sealed)) == "access-revoked"
    moved.wall -= 60
    assert code(lambda: contoso.encrypt("a")) == "access-revoked"


def test_a_lease_is_renewed_ahead(fake: FakeService, moved: Moved, contoso: Tenant) -> None:
    first = contoso.encrypt("a")[:80]
    moved.go(270)
    assert contoso.encrypt("b")[:80] == first
    until(lambda: contoso.encrypt("c")[:80] != first)
    assert count(fake, "leases") == 2


def test_a_lease_serves_until_its_end_while_the_service_is_down(
    answers: LeaseAnswers, moved: Moved, contoso: Tenant
) -> None:
    contoso.encrypt("a")
    answers.refusal = problem(503, "draining", retryAfter=0)
    moved.go(290)
    assert contoso.encrypt("b").startswith("eyJ")
    moved.go(20)
    assert code(lambda: contoso.encrypt("c")) == "draining"


def test_a_lease_that_is_used_up_is_followed_by_another(
    fake: FakeService, answers: LeaseAnswers, contoso: Tenant
) -> None:
    answers.terms.update(maxMessages=2, maxBytes=100)
    for text in ("a", "b", "c", "x" * 99, "y"):
        contoso.encrypt(text)
    assert count(fake, "leases") == 3


def test_a_required_context_is_asked_for(answers: LeaseAnswers, contoso: Tenant) -> None:
    answers.terms["requiredContext"] = ["table"]
    assert code(lambda: contoso.encrypt("a")) == "malformed-request"
    assert contoso.encrypt("a", context=CONTEXT).startswith("eyJ")


def test_the_limits_of_a_lease_hold_for_threads_that_share_it(
    answers: LeaseAnswers, open_client: Callable[..., Vaultspan]
) -> None:
    answers.terms["maxMessages"] = 2
    client = open_client()
    contoso = client.tenant("contoso")
    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(contoso.encrypt, map(str, range(40))))
    client.close()
    assert len(set(sealed)) == 40
    counts = [report["sealed"] for reports in answers.reports.values() for report in reports]
    assert sum(counts) == 40
    assert max(counts) <= 2


def test_a_value_that_is_larger_than_a_lease_allows_is_encrypted_by_the_service(
    answers: LeaseAnswers, open_client: Callable[..., Vaultspan]
) -> None:
    answers.terms["maxBytes"] = 100
    assert open_client(local=True).tenant("contoso").encrypt("x" * 101) == "remote"
    assert code(lambda: open_client().tenant("contoso").encrypt("x" * 101)) == "local-refused"


def test_what_the_service_could_not_decrypt_is_left_to_the_service(
    answers: LeaseAnswers, open_client: Callable[..., Vaultspan]
) -> None:
    answers.terms["maxBytes"] = 10**7
    largest = b"x" * 1_048_576
    contoso = open_client().tenant("contoso")
    assert all(one.startswith("eyJ") for one in contoso.encrypt_many([(largest, None), (largest, None)]))
    for work in (
        lambda: contoso.encrypt(largest + b"x"),
        lambda: contoso.encrypt_fields({"a": largest, "b": "x"}),
    ):
        assert code(work) == "local-refused"
    assert open_client(True).tenant("contoso").encrypt(largest + b"x") == "remote"


def test_a_lease_tells_how_much_the_service_decrypts(
    answers: LeaseAnswers, open_client: Callable[..., Vaultspan]
) -> None:
    answers.terms["maxPlaintextBytes"] = 10
    client = open_client()
    contoso = client.tenant("contoso")
    assert contoso.encrypt("x" * 10).startswith("eyJ")
    assert code(lambda: contoso.encrypt("x" * 11)) == "local-refused"
    assert code(lambda: contoso.encrypt_fields({"a": "12345", "b": "123456"})) == "local-refused"
    client.close()
    assert [(report["sealed"], report["bytes"]) for report in answers.reports["lease-1"]] == [(1, 10)]
    answers.terms.update(maxPlaintextBytes=3_000_000, maxBytes=10_000_000)
    assert open_client().tenant("contoso").encrypt("x" * 2_000_000).startswith("eyJ")


def test_what_was_refused_is_not_counted(answers: LeaseAnswers, open_client: Callable[..., Vaultspan]) -> None:
    answers.terms["requiredContext"] = ["table"]
    client = open_client()
    contoso = client.tenant("contoso")
    assert code(lambda: contoso.encrypt("a")) == "malformed-request"
    assert code(lambda: contoso.encrypt_fields({"a": "1"})) == "malformed-request"
    contoso.encrypt("abc", context=CONTEXT)
    client.close()
    assert [(report["sealed"], report["bytes"]) for report in answers.reports["lease-1"]] == [(1, 3)]


@pytest.mark.parametrize(("status", "name"), [(503, "registry-unavailable"), (429, "caller-throttled")])
def test_trouble_with_leases_has_the_service_encrypt_and_decrypt_at_once(
    fake: FakeService, answers: LeaseAnswers, open_client: Callable[..., Vaultspan], status: int, name: str
) -> None:
    sealed = open_client().tenant("contoso").encrypt("a")
    answers.refusal = problem(status, name, retryAfter=0)
    contoso = open_client(local=True).tenant("contoso")
    before = count(fake, "leases")
    assert contoso.encrypt("a") == "remote"
    assert contoso.decrypt(sealed).text == "remote"
    assert (count(fake, "leases") - before, count(fake, "leases/open")) == (1, 1)
    assert code(lambda: open_client().tenant("contoso").encrypt("a")) == name


def test_an_answer_without_a_key_is_no_lease(
    fake: FakeService, answers: LeaseAnswers, open_client: Callable[..., Vaultspan]
) -> None:
    def answer(seen: Seen) -> Any:
        if seen.path.endswith("/leases"):
            terms = {"leaseId": "l", "kid": "k", "key": "", "expiresInSeconds": 300, "maxMessages": 9, "maxBytes": 9}
            return 200, terms, {}
        return answers(seen)

    fake.answer = answer
    assert code(lambda: open_client().tenant("contoso").encrypt("a")) == "unexpected-answer"
    assert open_client(local=True).tenant("contoso").encrypt("a") == "remote"


def test_contexts_are_refused_as_without_leases(contoso: Tenant) -> None:
    for context in ({"id": 7}, {7: "a"}):
        with pytest.raises(TypeError, match="names and values are strings"):
            contoso.encrypt("a", context=context)  # type: ignore[arg-type]


def test_usage_of_a_reader_is_reported_in_good_time(
    answers: LeaseAnswers, moved: Moved, open_client: Callable[..., Vaultspan]
) -> None:
    sealed = open_client().tenant("contoso").encrypt("abc")
    reader = open_client().tenant("contoso")
    assert reader.decrypt(sealed).text == "abc"
    moved.go(301)
    until(lambda: "lease-2" in answers.reports)
    assert [(list(one["opened"].values()), one["isFinal"]) for one in answers.reports["lease-2"]] == [([1], True)]


def test_reports_that_failed_are_sent_later_and_the_upkeep_survives_a_token_that_fails(
    fake: FakeService, answers: LeaseAnswers, moved: Moved
) -> None:
    fails = threading.Event()
    failures = 0

    def token() -> str:
        nonlocal failures
        if fails.is_set():
            failures += 1
            raise OSError("no token")
        return "t"

    with Vaultspan(fake.url, token=token, local="required", timeout=60, clock=moved.clock()) as client:
        for name in ("email", "note"):
            client.tenant("contoso").encrypt("a", key=name)
        fails.set()
        moved.go(301)
        until(lambda: failures > 0)
        assert answers.reports == {}
        fails.clear()

        def are_reported() -> bool:
            moved.go(10)  # the client counts its pause from the moment at which it notes the failure
            return len(answers.reports) == 2

        until(are_reported)


def test_users_without_keys_make_room_for_others(fake: FakeService, moved: Moved, answers: LeaseAnswers) -> None:
    with Vaultspan(fake.url, token="t", local="required", timeout=60, clock=moved.clock()) as client:
        for number in range(1_000):
            client._service.leased_keys("contoso", Access(subject=str(number)))
        user = client.tenant("contoso", access=Access(subject="another"))
        assert code(lambda: user.encrypt("a")) == "local-refused"
        moved.go(61)

        def has_room() -> bool:
            with suppress(VaultspanError):
                return user.encrypt("a").startswith("eyJ")
            return False

        until(has_room)


def test_what_is_not_leased_goes_by_the_service(
    fake: FakeService, answers: LeaseAnswers, moved: Moved, open_client: Callable[..., Vaultspan]
) -> None:
    answers.refusal = problem(409, "key-use", reason="leases-off")
    contoso = open_client(local=True).tenant("contoso")
    assert [contoso.encrypt("a"), contoso.encrypt("a")] == ["remote", "remote"]
    assert count(fake, "leases") == 1
    assert contoso.decrypt(NOT_LEASED).text == "remote"
    answers.refusal = None
    moved.go(61)
    assert contoso.encrypt("a").startswith("eyJ")


def test_what_is_not_leased_fails_where_local_is_required(
    fake: FakeService, answers: LeaseAnswers, contoso: Tenant
) -> None:
    answers.refusal = problem(409, "key-use", reason="leases-off")
    assert code(lambda: contoso.encrypt("a")) == "key-use"
    assert code(lambda: contoso.decrypt(NOT_LEASED)) == "local-refused"
    assert count(fake, "encrypt") + count(fake, "decrypt") == 0


def test_usage_is_reported_finally_when_the_client_closes(
    answers: LeaseAnswers, open_client: Callable[..., Vaultspan]
) -> None:
    client = open_client()
    contoso = client.tenant("contoso")
    sealed = contoso.encrypt("abc")
    contoso.encrypt_fields({"a": "1", "b": "22"})
    contoso.decrypt(sealed)
    client.close()
    [report] = answers.reports["lease-1"]
    assert {**report, "opened": list(report["opened"].values())} == {
        "sealed": 3,
        "opened": [1],
        "bytes": 9,
        "isFinal": True,
    }
    assert code(lambda: contoso.encrypt("a")) == "closed"


def test_usage_is_reported_when_a_lease_ends(answers: LeaseAnswers, moved: Moved, contoso: Tenant) -> None:
    contoso.encrypt("a")
    moved.go(301)
    until(lambda: "lease-1" in answers.reports)
    assert answers.reports["lease-1"] == [{"sealed": 1, "opened": {}, "bytes": 1, "isFinal": True}]


def test_usage_of_a_reader_is_reported_with_a_lease_taken_for_it(
    answers: LeaseAnswers, open_client: Callable[..., Vaultspan]
) -> None:
    sealed = open_client().tenant("contoso").encrypt("abc")
    reader = open_client()
    reader.tenant("contoso").decrypt(sealed)
    reader.close()
    [report] = answers.reports["lease-2"]
    assert (report["sealed"], list(report["opened"].values()), report["bytes"]) == (0, [1], 3)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_closing_waits_for_a_renewal_and_reports_the_new_lease(
    fake: FakeService, answers: LeaseAnswers, moved: Moved, open_client: Callable[..., Vaultspan]
) -> None:
    client = open_client()
    client.tenant("contoso").encrypt("a")
    release = hold_leases(fake, answers)
    moved.go(270)
    client.tenant("contoso").encrypt("b")
    until(lambda: count(fake, "leases") == 2)
    threading.Timer(0.05, release.set).start()
    client.close()
    reports = [(lease, report["sealed"], report["isFinal"]) for lease, [report] in answers.reports.items()]
    assert reports == [("lease-1", 2, True), ("lease-2", 0, True)]


def test_closing_waits_for_calls_of_other_tasks_refuses_later_ones_and_reports_all(
    fake: FakeService, answers: LeaseAnswers
) -> None:
    async def run() -> None:
        client = AsyncVaultspan(fake.url, token="t", local="required", timeout=60)
        contoso = client.tenant("contoso")
        work = asyncio.gather(*(contoso.encrypt(str(number)) for number in range(100)))
        while count(fake, "leases") == 0:
            await asyncio.sleep(0.01)
        closing = asyncio.gather(client.close(), client.close())
        await asyncio.sleep(0)
        for late in (contoso.encrypt("late"), contoso.index("email").tokens(["late"])):
            with pytest.raises(VaultspanError, match="closed"):
                await late
        release.set()
        assert len(set(await work)) == 100
        await closing

    release = hold_leases(fake, answers)
    asyncio.run(run())
    assert [(lease, report["sealed"]) for lease, [report] in answers.reports.items()] == [("lease-1", 100)]


def test_a_lease_is_renewed_ahead_after_a_renewal_was_cancelled(
    fake: FakeService, answers: LeaseAnswers, moved: Moved
) -> None:
    client = AsyncVaultspan(fake.url, token="t", local="required", timeout=60, clock=moved.clock())

    async def encrypt(until_asked: int) -> None:
        await client.tenant("contoso").encrypt("a")
        while count(fake, "leases") < until_asked:
            await asyncio.sleep(0.01)

    asyncio.run(encrypt(1))
    release = hold_leases(fake, answers)
    moved.go(270)
    asyncio.run(encrypt(2))  # the loop ends while the renewal is under way
    release.set()
    asyncio.run(encrypt(3))


@pytest.mark.parametrize("hours", [1, -1])
def test_a_lease_is_taken_anew_when_the_clock_is_set(
    fake: FakeService, moved: Moved, contoso: Tenant, hours: int
) -> None:
    sealed = contoso.encrypt("a")
    moved.wall += hours * 3600
    contoso.encrypt("b")
    assert contoso.decrypt(sealed).text == "a"
    contoso.encrypt("c")
    assert (count(fake, "leases"), count(fake, "leases/open")) == (2, 1)


def test_fields_have_any_name_but_one_and_values_any_length(contoso: Tenant) -> None:
    record = {"constructor": "", "__class__": "ann", "items": "x" * 300_000, "naïve 🗝": "\0"}
    row = contoso.encrypt_fields(record, context=CONTEXT)
    assert contoso.decrypt_fields(row, context=CONTEXT) == record
    assert contoso.decrypt(contoso.encrypt(b"")).bytes == b""
    for wrong in ({"__proto__": "a"}, {"\udc00": "a"}, {"": "a"}):
        assert code(lambda wrong=wrong: contoso.encrypt_fields(wrong)) == "malformed-request"
    assert code(lambda: contoso.encrypt("a", context={"id": "\udc00"})) == "malformed-request"
    for text in ("", ".", "....", row["items"][:80]):
        assert code(lambda text=text: contoso.decrypt(text)) in ("local-refused", "malformed-ciphertext"), text


def test_a_forked_child_has_a_lease_of_its_own(fake: FakeService, contoso: Tenant) -> None:
    """Two processes under one leaf would draw IVs for one key, and report one use twice."""
    mine = contoso.encrypt("a")
    context = multiprocessing.get_context("fork")
    sealed: Any = context.Queue()

    def work() -> None:
        sealed.put(contoso.encrypt("a"))

    child = context.Process(target=work)
    child.start()
    theirs = sealed.get(timeout=60)
    child.join()
    assert theirs[:80] != mine[:80]
    assert contoso.encrypt("a")[:80] == mine[:80]
    assert count(fake, "leases") == 2

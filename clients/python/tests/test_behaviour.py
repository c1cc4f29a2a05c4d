"""What the clients do whatever the service answers."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import socket
import ssl
import threading
import time
import traceback
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from conftest import Answer, FakeService, Seen, echo, problem, tls_service

from vaultspan import Access, AsyncVaultspan, Plaintext, Vaultspan, VaultspanError
from vaultspan import _protocol as protocol


def failure(work: Callable[[], object]) -> VaultspanError:
    with pytest.raises(VaultspanError) as raised:
        work()
    return raised.value


@pytest.fixture(params=["blocking", "asyncio"])
def encrypt(request: pytest.FixtureRequest, fake: FakeService) -> Callable[..., str]:
    """Encrypts one value with a new client of either kind."""

    def blocking(data: object = "a", token: Any = "t", **options: Any) -> str:
        with Vaultspan(fake.url, token=token, timeout=60) as client:
            return client.tenant("contoso").encrypt(data, **options)  # type: ignore[arg-type]

    def in_asyncio(data: object = "a", token: Any = "t", **options: Any) -> str:
        async def run() -> str:
            async with AsyncVaultspan(fake.url, token=token, timeout=60) as client:
                return await client.tenant("contoso").encrypt(data, **options)  # type: ignore[arg-type]

        return asyncio.run(run())

    return blocking if request.param == "blocking" else in_asyncio


@pytest.fixture
def without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the tries of a call follow each other at once, so that all of them fit into any deadline."""
    monkeypatch.setattr(protocol, "FIRST_SECONDS", 0.0)


class TestBatches:
    def test_many_travel_together(self, fake: FakeService) -> None:
        with Vaultspan(fake.url, token="t", timeout=60) as client:
            sealed = client.tenant("contoso").encrypt_many([("a", None), ("b", {"id": "1"})])
        assert sealed == ["sealed:YQ==", "sealed:Yg=="]
        assert [seen.path for seen in fake.seen] == ["/tenants/contoso/batch/encrypt"]

    def test_concurrent_calls_travel_together_by_operation_and_access(self, fake: FakeService) -> None:
        async def run() -> None:
            async with AsyncVaultspan(fake.url, token="t", timeout=60) as client:
                contoso = client.tenant("contoso")
                named = client.tenant("contoso", access=Access(subject="Jürgen"))
                await asyncio.gather(contoso.encrypt("a"), contoso.encrypt("b"), named.encrypt("a"))

        asyncio.run(run())
        seen = sorted((seen.path, seen.headers.get("access-subject", "")) for seen in fake.seen)
        assert seen == [("/tenants/contoso/batch/encrypt", ""), ("/tenants/contoso/encrypt", "J%C3%BCrgen")]

    def test_10_000_are_few_requests(self, fake: FakeService) -> None:
        async def run() -> list[str]:
            async with AsyncVaultspan(fake.url, token="t", timeout=60) as client:
                contoso = client.tenant("contoso")
                return await asyncio.gather(*(contoso.encrypt(str(number), timeout=60) for number in range(10_000)))

        assert len(set(asyncio.run(run()))) == 10_000
        assert len(fake.seen) == 10

    def test_a_cancelled_call_leaves_the_others_alone(self, fake: FakeService) -> None:
        async def run() -> str:
            async with AsyncVaultspan(fake.url, token="t", timeout=60) as client:
                contoso = client.tenant("contoso")
                cancelled, other = (
                    asyncio.ensure_future(contoso.encrypt("a")),
                    asyncio.ensure_future(contoso.encrypt("b")),
                )
                await asyncio.sleep(0)
                cancelled.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await cancelled
                return await other

        assert asyncio.run(run()) == "sealed:Yg=="

    def test_an_item_fails_by_itself(self, fake: FakeService) -> None:
        fake.answer = lambda seen: (
            200,
            {"items": [{"error": problem(422, "unknown-key")}, {"ciphertext": "c", "keyId": "k"}]},
            {},
        )

        async def run() -> list[object]:
            async with AsyncVaultspan(fake.url, token="t", timeout=60) as client:
                contoso = client.tenant("contoso")
                return await asyncio.gather(contoso.encrypt("a"), contoso.encrypt("b"), return_exceptions=True)

        first, second = asyncio.run(run())
        assert isinstance(first, VaultspanError)
        assert (first.code, second) == ("unknown-key", "c")

    def test_items_in_trouble_travel_again_together(self, fake: FakeService) -> None:
        def answer(seen: Seen) -> Any:
            items = seen.body["items"]
            trouble = {"error": problem(503, "vault-unavailable", retryAfter=0)}
            fine = {"ciphertext": "c", "keyId": "k"}
            is_first = len(fake.seen) == 1
            return 200, {"items": [trouble if is_first and at else fine for at in range(len(items))]}, {}

        fake.answer = answer
        with Vaultspan(fake.url, token="t", timeout=60) as client:
            assert client.tenant("contoso").encrypt_many([("a", None)] * 3) == ["c", "c", "c"]
        assert [len(seen.body["items"]) for seen in fake.seen] == [3, 2]


class TestFailures:
    def test_a_refusal_has_what_the_problem_has_and_is_not_tried_again(
        self, fake: FakeService, encrypt: Callable[..., str]
    ) -> None:
        fix = {"owner": "resource-owner", "action": "Grant the role.", "command": "az role …"}
        errors = [{"pointer": "/x", "detail": "y"}]
        fake.answer = lambda _: (403, problem(403, "access-revoked", reason="role-missing", fix=fix, errors=errors), {})
        error = failure(encrypt)
        assert (error.code, error.status, error.reason, error.request_id) == (
            "access-revoked",
            403,
            "role-missing",
            "r-1",
        )
        assert error.fix is not None
        assert (error.fix.owner, error.errors[0].pointer, error.is_retryable) == ("resource-owner", "/x", False)
        assert len(fake.seen) == 1
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
        assert str(error).endswith("Because. Grant the role.")
        unended = problem(403, "access-revoked", fix=fix, detail="The role is missing")
        fake.answer = lambda _: (403, unended, {})
        assert str(failure(encrypt)).endswith("The role is missing. Grant the role.")

    @pytest.mark.parametrize("status", [429, 503])
    def test_throttling_and_outages_are_tried_again(
        self, fake: FakeService, encrypt: Callable[..., str], status: int
    ) -> None:
        fake.answer = lambda seen: (
            (status, problem(status, "overloaded"), {"Retry-After": "0"}) if len(fake.seen) == 1 else echo(seen)
        )
        assert encrypt() == "sealed:YQ=="

    def test_a_retry_beyond_the_deadline_is_not_waited_for(
        self, fake: FakeService, encrypt: Callable[..., str]
    ) -> None:
        fake.answer = lambda _: (503, problem(503, "draining"), {"Retry-After": "60"})
        error = failure(lambda: encrypt(timeout=59))
        assert (error.code, error.is_retryable, error.retry_after, len(fake.seen)) == ("draining", True, 60, 1)

    def test_a_broken_connection_is_tried_again(self, fake: FakeService, encrypt: Callable[..., str]) -> None:
        fake.answer = lambda seen: None if len(fake.seen) == 1 else echo(seen)
        assert encrypt() == "sealed:YQ=="

    @pytest.mark.usefixtures("without_waits")
    def test_nobody_listening_is_unreachable(self) -> None:
        with Vaultspan("http://127.0.0.1:1", token="t") as client:
            assert failure(lambda: client.tenant("contoso").encrypt("a")).code == "unreachable"

    def test_no_answer_is_timed_out(self, fake: FakeService, encrypt: Callable[..., str]) -> None:
        is_over = threading.Event()

        def silent(seen: Seen) -> Any:
            is_over.wait(60)
            return echo(seen)

        fake.answer = silent
        assert failure(lambda: encrypt(timeout=0.2)).code == "timed-out"
        is_over.set()

    @pytest.mark.parametrize(
        ("status", "content"), [(502, b"<h1>Bad gateway</h1>"), (200, b"<h1>Welcome</h1>"), (500, b"[]")]
    )
    def test_a_proxys_answer_is_unexpected(
        self, fake: FakeService, encrypt: Callable[..., str], status: int, content: bytes
    ) -> None:
        fake.answer = lambda _: (status, content, {})
        error = failure(encrypt)
        assert (error.code, error.status) == ("unexpected-answer", status)

    def test_a_redirect_is_not_followed(self, fake: FakeService, encrypt: Callable[..., str]) -> None:
        fake.answer = lambda _: (307, b"", {"Location": f"{fake.url}/elsewhere"})
        assert failure(encrypt).code == "unexpected-answer"
        assert len(fake.seen) == 1

    def test_a_batch_that_is_too_large_for_the_service_is_sent_in_halves(self, fake: FakeService) -> None:
        fake.answer = lambda seen: (
            (413, problem(413, "body-too-large"), {}) if len(seen.body.get("items", "a")) > 2 else echo(seen)
        )
        with Vaultspan(fake.url, token="t", timeout=60) as client:
            sealed = client.tenant("contoso").encrypt_many([(str(number), None) for number in range(7)])
        assert len(set(sealed)) == 7

        async def run() -> list[str]:
            async with AsyncVaultspan(fake.url, token="t", timeout=60) as client:
                contoso = client.tenant("contoso")
                return await asyncio.gather(*(contoso.encrypt(str(number)) for number in range(7)))

        assert asyncio.run(run()) == sealed
        fake.answer = lambda _: (413, problem(413, "body-too-large"), {})
        with Vaultspan(fake.url, token="t", timeout=60) as client:
            assert failure(lambda: client.tenant("contoso").encrypt("a")).code == "body-too-large"

    def test_a_batch_that_is_too_large_for_a_proxy_is_sent_in_halves(self, fake: FakeService) -> None:
        fake.answer = lambda seen: (413, b"<h1>413</h1>", {}) if len(seen.body.get("items", "a")) > 2 else echo(seen)
        with Vaultspan(fake.url, token="t", timeout=60) as client:
            sealed = client.tenant("contoso").encrypt_many([(str(number), None) for number in range(3)])
            assert len(set(sealed)) == 3
            fake.answer = lambda _: (413, b"", {})
            assert failure(lambda: client.tenant("contoso").encrypt("a")).code == "unexpected-answer"

    def test_later_batches_are_as_small_as_the_service_takes(self, fake: FakeService) -> None:
        def answer(seen: Seen) -> Answer:
            size = sum(len(b64decode(item["plaintext"])) for item in seen.body.get("items", ()))
            return (413, problem(413, "body-too-large"), {}) if size > 40_000 else echo(seen)

        def sizes(length: int) -> list[int]:
            seen, fake.seen[:] = list(fake.seen), []
            return [len(one.body.get("items", "a")) * length for one in seen]

        fake.answer = answer
        items: list[tuple[str, None]] = [("x" * 2_000, None)] * 100
        with Vaultspan(fake.url, token="t", timeout=60) as client:
            contoso = client.tenant("contoso")
            contoso.encrypt_many(items)
            assert max(sizes(2_000)) > 40_000
            contoso.encrypt_many(items)
            assert sorted(sizes(2_000)) == [8_000] + [24_000] * 8
            contoso.encrypt_many([("x" * 200, None)] * 100)
            assert sizes(200) == [20_000]

        async def run() -> None:
            async with AsyncVaultspan(fake.url, token="t", timeout=60) as client:
                for _ in range(2):
                    sizes(2_000)
                    await client.tenant("contoso").encrypt_many(items)

        asyncio.run(run())
        assert max(sizes(2_000)) == 24_000

    @pytest.mark.parametrize("answer", [{}, {"ciphertext": 7, "fields": {"a": "x"}}, []])
    def test_another_answer_is_unexpected_and_never_a_value_to_store(self, fake: FakeService, answer: Any) -> None:
        fake.answer = lambda _: (200, answer, {})
        with Vaultspan(fake.url, token="t", timeout=60) as client:
            contoso = client.tenant("contoso")
            fields = {"a": "1", "b": "2"}
            for work in (
                lambda: contoso.encrypt("a"),
                lambda: contoso.encrypt_many([("a", None), ("b", None)]),
                lambda: contoso.decrypt("a"),
                lambda: contoso.rewrap("a"),
                lambda: contoso.encrypt_fields(fields),
                lambda: contoso.decrypt_fields(fields),
                lambda: contoso.rewrap_fields(fields),
                lambda: contoso.index("email").tokens(["a"]),
                lambda: contoso.index("email").encrypt_deterministic(["a"]),
                lambda: contoso.index("email").decrypt_deterministic(["a"]),
            ):
                assert failure(work).code == "unexpected-answer"

    def test_an_answer_that_trickles_is_timed_out(self) -> None:
        server = socket.create_server(("127.0.0.1", 0))

        def trickle() -> None:
            connection, _ = server.accept()
            with suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                for _ in range(100):
                    connection.sendall(b" ")
                    time.sleep(0.1)

        threading.Thread(target=trickle, daemon=True).start()
        with Vaultspan(f"http://127.0.0.1:{server.getsockname()[1]}", token="t") as client:
            # Whoever waits for the end of the answer finds it cut, which is `unreachable`.
            assert failure(lambda: client.tenant("contoso").encrypt("a", timeout=0.5)).code == "timed-out"
        server.close()

    def test_requests_without_an_answer_leave_room_for_later_ones(self, fake: FakeService) -> None:
        is_silent = threading.Event()

        def answer(seen: Seen) -> Any:
            if not is_silent.is_set():
                is_silent.wait(60)
            return echo(seen)

        fake.answer = answer

        async def run() -> str:
            async with AsyncVaultspan(fake.url, token="t", timeout=60) as client:
                silent = (client.tenant(f"t{number}").encrypt("a", timeout=0.3) for number in range(20))
                errors = await asyncio.gather(*silent, return_exceptions=True)
                assert {error.code for error in errors if isinstance(error, VaultspanError)} == {"timed-out"}
                is_silent.set()
                return await client.tenant("contoso").encrypt("a", timeout=60)

        assert asyncio.run(run()) == "sealed:YQ=="

    @pytest.mark.usefixtures("without_waits")
    def test_a_private_certificate_is_unreachable_and_says_why(self, tmp_path: Path) -> None:
        with tls_service(tmp_path) as (url, ca):
            with Vaultspan(url, token="t") as client:
                error = failure(lambda: client.tenant("contoso").encrypt("a"))
            assert error.code == "unreachable"
            assert "CERTIFICATE_VERIFY_FAILED" in str(error)
            context = ssl.create_default_context(cafile=ca)
            with httpx.Client(verify=context) as http, Vaultspan(url, token="t", http=http) as client:
                assert client.tenant("contoso").encrypt("a") == "c"


class TestTokens:
    @pytest.mark.parametrize("token", ["secret\ntoken", "", "secret\u201ctoken", lambda: "secret\x00token"])
    def test_one_that_no_header_can_hold_is_refused_without_being_shown(
        self, fake: FakeService, encrypt: Callable[..., str], token: Any
    ) -> None:
        with pytest.raises(ValueError, match="token is empty or has characters") as raised:
            encrypt(token=token)
        assert "secret" not in "".join(traceback.format_exception(raised.type, raised.value, raised.tb, chain=True))
        assert fake.seen == []

    def test_the_end_of_a_line_is_no_part_of_one(self, fake: FakeService, encrypt: Callable[..., str]) -> None:
        encrypt(token="secret-token\n")
        assert fake.seen[0].headers["authorization"] == "Bearer secret-token"

    def test_a_refused_token_is_asked_for_once_more(self, fake: FakeService, encrypt: Callable[..., str]) -> None:
        tokens = iter(["t1", "t2", "t3", "t4"])
        fake.answer = lambda seen: (
            (401, problem(401, "unauthenticated"), {}) if seen.headers["authorization"] == "Bearer t1" else echo(seen)
        )
        assert encrypt(token=lambda: next(tokens)) == "sealed:YQ=="
        fake.answer = lambda _: (401, problem(401, "unauthenticated"), {})
        assert failure(lambda: encrypt(token=lambda: next(tokens))).code == "unauthenticated"

    def test_a_credentials_token_is_kept(self, fake: FakeService) -> None:
        class Token:
            token = "t1"
            expires_on = int(time.time()) + 3600

        class Credential:
            asked = 0

            def get_token(self, *scopes: str) -> Token:
                assert scopes == ("api://vaultspan/.default",)
                self.asked += 1
                return Token()

        credential = Credential()
        with Vaultspan(fake.url, token=(credential, "api://vaultspan/.default")) as client:
            client.tenant("contoso").encrypt("a")
            client.tenant("contoso").encrypt("a")
        assert credential.asked == 1


class TestInput:
    @pytest.mark.parametrize("data", [7, None, ["a"]])
    def test_what_is_neither_text_nor_bytes_is_named(
        self, fake: FakeService, encrypt: Callable[..., str], data: Any
    ) -> None:
        with pytest.raises(TypeError, match="data is a"):
            encrypt(data)
        assert fake.seen == []

    def test_contexts_are_of_strings(self, encrypt: Callable[..., str]) -> None:
        with pytest.raises(TypeError, match="context"):
            encrypt("a", context={"id": 7})

    def test_a_field_that_is_absent_is_named(self, fake: FakeService) -> None:
        with Vaultspan(fake.url, token="t", timeout=60) as client:
            contoso = client.tenant("contoso")
            with pytest.raises(TypeError, match="only names name"):
                contoso.encrypt_fields({"age": "7"}, only=["name"])
            assert contoso.encrypt_fields({"email": None}) == {"email": None}

    @pytest.mark.parametrize(
        "url", ["http://vaultspan.example", "https://user:pw@vaultspan.example", "ftp://localhost"]
    )
    def test_addresses_that_would_show_the_token_are_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match="use"):
            Vaultspan(url, token="t")

    def test_tenant_ids_are_no_paths(self, fake: FakeService) -> None:
        with Vaultspan(fake.url, token="t", timeout=60) as client, pytest.raises(ValueError, match="tenant id"):
            client.tenant("../contoso")

    def test_ciphertexts_are_text(self, fake: FakeService) -> None:
        with Vaultspan(fake.url, token="t", timeout=60) as client:
            contoso = client.tenant("contoso")
            for work in (contoso.decrypt, contoso.rewrap):
                with pytest.raises(TypeError, match="ciphertext is a NoneType"):
                    work(None)  # type: ignore[arg-type]
        assert fake.seen == []

    @pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
    def test_timeouts_are_times(self, encrypt: Callable[..., str], timeout: float) -> None:
        with pytest.raises(ValueError, match="timeout must be"):
            encrypt(timeout=timeout)

    def test_lone_surrogates_are_refused_without_the_text(self, encrypt: Callable[..., str]) -> None:
        with pytest.raises(TypeError, match="lone surrogate") as raised:
            encrypt("secret \ud800")
        assert raised.value.__suppress_context__

    def test_what_has_no_members_is_no_context_and_no_record(self, fake: FakeService) -> None:
        with Vaultspan(fake.url, token="t", timeout=60) as client:
            contoso = client.tenant("contoso")
            for wrong in ([("id", "17")], "id=17", 7, set()):
                for work in (
                    lambda wrong=wrong: contoso.encrypt("a", context=cast(Any, wrong)),
                    lambda wrong=wrong: contoso.encrypt_fields({"a": "1"}, context=cast(Any, wrong)),
                    lambda wrong=wrong: contoso.encrypt_fields(cast(Any, wrong)),
                    lambda wrong=wrong: contoso.decrypt_fields(cast(Any, wrong)),
                ):
                    with pytest.raises(TypeError, match=f"(context|record) is a {type(wrong).__name__}: give a dict"):
                        work()
            for work in (
                lambda: contoso.encrypt_fields({"a": "1"}, only="a"),
                lambda: contoso.decrypt_fields({"a": "1"}, binary="a"),
            ):
                with pytest.raises(TypeError, match="is a str: give a list of names"):
                    work()
        assert fake.seen == []

    def test_settings_that_are_missing_or_misspelt_are_named_and_not_shown(self, fake: FakeService) -> None:
        for client in (Vaultspan, AsyncVaultspan):
            for url, wrong in ((None, "a NoneType"), ("", "no address"), ("user:password", "no address")):
                with pytest.raises(TypeError, match=f"url is {wrong}: give the service's") as raised:
                    client(cast(Any, url), token="t")
                assert "password" not in str(raised.value)
            for token in (None, 7, ("credential",)):
                with pytest.raises(TypeError, match=f"token is a {type(token).__name__}: give a str, a function"):
                    client(fake.url, token=cast(Any, token))
            for local in (None, 0, "Required"):
                with pytest.raises(TypeError, match="local must be True, False or"):
                    client(fake.url, token="t", local=cast(Any, local))
        with (
            Vaultspan(fake.url, token=cast(Any, lambda: None)) as forgetful,
            pytest.raises(TypeError, match="The token function gave a NoneType"),
        ):
            forgetful.tenant("contoso").encrypt("a")
        assert fake.seen == []

    def test_an_answer_that_is_too_deep_is_unexpected(self, fake: FakeService, encrypt: Callable[..., str]) -> None:
        fake.answer = lambda _: (200, b"[" * 100_000, {})
        with pytest.raises(VaultspanError, match="unexpected-answer"):
            encrypt("a")


class TestLife:
    def test_closing_waits_for_the_calls_of_other_threads(self, fake: FakeService) -> None:
        def slow(seen: Seen) -> Any:
            time.sleep(0.3)
            return echo(seen)

        fake.answer = slow
        client = Vaultspan(fake.url, token="t", timeout=60)
        with ThreadPoolExecutor(10) as pool:
            calls = [pool.submit(client.tenant("contoso").encrypt, "a") for _ in range(10)]
            while not fake.seen:
                time.sleep(0.01)
            closings = [pool.submit(client.close), pool.submit(client.close)]
            client.close()
            results = [call.exception() or call.result() for call in calls]
            assert [closing.result() for closing in closings] == [None, None]
        assert "sealed:YQ==" in results
        assert {one if isinstance(one, str) else one.code for one in results if one} <= {"sealed:YQ==", "closed"}  # type: ignore[attr-defined]

    def test_one_client_serves_one_event_loop_after_another(self, fake: FakeService) -> None:
        client = AsyncVaultspan(fake.url, token="t", timeout=60)
        contoso = client.tenant("contoso")

        async def work() -> int:
            sealed = await asyncio.gather(*(client.tenant(f"t{number}").encrypt("a") for number in range(40)))
            return len(sealed) + len(await contoso.encrypt("a"))

        assert asyncio.run(work()) == asyncio.run(work()) == 51

        async def beside() -> None:
            with pytest.raises(RuntimeError, match="another event loop"):
                await asyncio.to_thread(asyncio.run, work())

        async def first() -> None:
            await work()
            await beside()
            await client.close()

        asyncio.run(first())

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
    def test_a_forked_child_never_uses_a_connection_that_was_given_to_its_parent(self, fake: FakeService) -> None:
        """Answers on a shared connection would reach the wrong process."""
        given = Vaultspan(fake.url, token="t", http=httpx.Client())
        made = Vaultspan(fake.url, token="t", http=httpx.Client)
        for client in (given, made):
            client.tenant("contoso").encrypt("a")
        context = multiprocessing.get_context("fork")
        answers = context.Queue()

        def work() -> None:
            for client in (given, made):
                try:
                    answers.put(client.tenant("contoso").encrypt("b"))
                except RuntimeError as error:
                    answers.put(str(error))

        child = context.Process(target=work)
        child.start()
        refused, sealed = answers.get(timeout=60), answers.get(timeout=60)
        child.join()
        assert "give a function" in refused
        assert sealed == "sealed:Yg=="
        for client in (given, made):
            client.close()

    def test_closing_twice_is_once_and_refuses_further_calls(self, fake: FakeService) -> None:
        client = Vaultspan(fake.url, token="t", timeout=60)
        client.close()
        client.close()
        assert failure(lambda: client.tenant("contoso").encrypt("a")).code == "closed"

    def test_a_client_survives_the_event_loop_that_it_was_made_in(self, fake: FakeService) -> None:
        async def once() -> str:
            async with AsyncVaultspan(fake.url, token="t", timeout=60) as client:
                return await client.tenant("contoso").encrypt("a")

        assert asyncio.run(once()) == asyncio.run(once())

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
    def test_a_forked_child_has_connections_of_its_own(self, fake: FakeService) -> None:
        client = Vaultspan(fake.url, token="t", timeout=60)
        client.tenant("contoso").encrypt("a")
        context = multiprocessing.get_context("fork")
        answers = context.Queue()

        def work(data: str) -> None:
            answers.put(client.tenant("contoso").encrypt(data))

        children = [context.Process(target=work, args=(data,)) for data in ("b", "c")]
        for child in children:
            child.start()
        assert client.tenant("contoso").encrypt("d") == "sealed:ZA=="
        assert sorted(answers.get(timeout=60) for _ in children) == ["sealed:Yg==", "sealed:Yw=="]
        for child in children:
            child.join()
        client.close()

    def test_nothing_prints_a_secret(self, fake: FakeService) -> None:
        with Vaultspan(fake.url, token="secret-token") as client:
            shown = f"{client!r} {client.tenant('contoso')!r} {Plaintext(b'hunter2')!r} {Plaintext(b'hunter2')}"
        assert "secret-token" not in shown
        assert "hunter2" not in shown

"""Why a call failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True)
class Fix:
    """What the customer, the vendor or the caller does about a problem."""

    owner: str
    action: str
    command: str | None = None


@dataclass(frozen=True)
class FieldFault:
    """A field at fault, by JSON pointer into what was sent."""

    pointer: str
    detail: str


class VaultspanError(Exception):
    """Why a call failed. It never holds a plaintext, a key, a token or a context.

    ``code`` is the service's (its docs/errors.md), never renamed, or one that the client finds itself:
    ``unreachable`` (no answer, or one that broke off), ``timed-out`` (no result within the timeout),
    ``unexpected-answer`` (an answer that is not the service's, such as a proxy's page), ``closed``, and
    ``local-refused`` (``local="required"``, and the call can't be done in the process).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        reason: str | None = None,
        fix: Fix | None = None,
        errors: tuple[FieldFault, ...] = (),
        request_id: str | None = None,
        is_retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        """The HTTP status; None where there was no answer."""
        self.reason = reason
        """The cause within the code, such as ``role-missing`` or ``key-disabled``."""
        self.fix = fix
        self.errors = errors
        self.request_id = request_id
        """The id under which the service's audit log has the call."""
        self.is_retryable = is_retryable
        """True where the same call may succeed later; the client has retried it as its deadline allowed."""
        self.retry_after = retry_after
        """Seconds to wait before the next try."""

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.__dict__.copy(), str(self)))


def _rebuild(members: dict[str, object], message: str) -> VaultspanError:
    code = cast(str, members["code"])
    error = VaultspanError(code, message.removeprefix(f"{code}: "))
    error.__dict__.update(members)
    return error


def problem_error(value: object, retry_after: float | None = None) -> VaultspanError | None:
    """Returns the error of a problem (RFC 9457), or None where the value is none of the service's."""
    if not isinstance(value, dict):
        return None
    problem = cast(Mapping[str, object], value)
    code, status, detail = problem.get("code"), problem.get("status"), problem.get("detail")
    if not (isinstance(code, str) and isinstance(status, int) and isinstance(detail, str)):
        return None
    fix = _fix(problem.get("fix"))
    after = problem.get("retryAfter")
    return VaultspanError(
        code,
        detail if fix is None else f"{detail if detail.endswith(('.', '!', '?')) else detail + '.'} {fix.action}",
        status=status,
        reason=_text(problem.get("reason")),
        fix=fix,
        errors=_faults(problem.get("errors")),
        request_id=_text(problem.get("requestId")),
        is_retryable=status in (429, 503),
        retry_after=retry_after if retry_after is not None else after if isinstance(after, int) else None,
    )


def _fix(value: object) -> Fix | None:
    if not isinstance(value, dict):
        return None
    fix = cast(Mapping[str, object], value)
    owner, action = fix.get("owner"), fix.get("action")
    if not (isinstance(owner, str) and isinstance(action, str)):
        return None
    return Fix(owner, action, _text(fix.get("command")))


def _faults(value: object) -> tuple[FieldFault, ...]:
    if not isinstance(value, list):
        return ()
    faults = (cast(Mapping[str, object], one) for one in cast(list[object], value) if isinstance(one, dict))
    return tuple(FieldFault(str(one.get("pointer", "")), str(one.get("detail", ""))) for one in faults)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None

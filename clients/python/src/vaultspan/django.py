"""A Django field that is encrypted where the model writes and reads it."""

# pyright: basic, reportMissingTypeStubs=false
# Django has no types of its own.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import FieldError
from django.db import models

from ._client import Tenant


class EncryptedField(models.TextField):
    """A text column that holds ciphertexts of text, or of bytes with ``binary=True``.

    ``tenant`` is a function of a module that returns the tenant of the rows at hand. Each value is bound to its table
    and column. Look-ups other than ``isnull`` are refused: keep a token beside it (`Tenant.index`). With a client that
    has ``local=True``, reading and writing makes no call per value.
    """

    def __init__(
        self, *args: Any, tenant: Callable[[], Tenant], key: str | None = None, binary: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._tenant = tenant
        self._key = key
        self._binary = binary

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs["tenant"] = self._tenant
        if self._key is not None:
            kwargs["key"] = self._key
        if self._binary:
            kwargs["binary"] = True
        return name, path, args, kwargs

    def to_python(self, value: Any) -> Any:
        return value if self._binary else super().to_python(value)

    def get_prep_value(self, value: Any) -> Any:
        return value

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if value is None or hasattr(value, "as_sql"):
            return value
        return self._tenant().encrypt(value, context=self._context(), key=self._key)

    def from_db_value(self, value: Any, expression: object, connection: object) -> Any:
        if value is None:
            return None
        plaintext = self._tenant().decrypt(value, context=self._context())
        return plaintext.bytes if self._binary else plaintext.text

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted: a query can't compare it. Search by a token beside it.")
        return super().get_lookup(lookup_name)

    def _context(self) -> dict[str, str]:
        return {"table": self.model._meta.db_table, "column": str(self.column)}


__all__ = ["EncryptedField"]

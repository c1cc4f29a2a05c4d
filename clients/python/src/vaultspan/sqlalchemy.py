"""Columns of SQLAlchemy 2 that are encrypted where the mapper writes and reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Dialect, Text, event, inspect
from sqlalchemy.orm import InstrumentedAttribute, Mapper
from sqlalchemy.sql.base import SchemaEventTarget
from sqlalchemy.types import TypeDecorator

from ._client import Index, Tenant
from ._values import Data

if TYPE_CHECKING:
    _Decorated = TypeDecorator[Any]
else:
    _Decorated = TypeDecorator


class EncryptedType(_Decorated):
    """A text column that holds ciphertexts of text, or of bytes with ``binary=True``.

    ``tenant`` returns the tenant of the rows at hand, such as one from a context variable. Each value is bound to its
    table and column. A query can't compare it: keep an index beside it (`keep_index`). With a client that has
    ``local=True``, reading and writing makes no call per value.
    """

    impl = Text
    cache_ok = False
    """What it makes of a value depends on the tenant at hand, so SQLAlchemy may not keep it."""

    def __init__(self, tenant: Callable[[], Tenant], *, key: str | None = None, binary: bool = False) -> None:
        super().__init__()
        self._tenant = tenant
        self._key = key
        self._binary = binary
        self._column: Column[Any] | None = None

    def _set_parent(self, parent: SchemaEventTarget, outer: bool = False, **kw: Any) -> None:
        """SQLAlchemy calls it with the column that the type stands in."""
        super()._set_parent(parent, outer=outer, **kw)
        if isinstance(parent, Column):
            self._column = parent

    def copy(self, **kw: Any) -> EncryptedType:
        """Each column, such as one of a mixin's copies, has a type of its own: it is bound to its name."""
        copied = EncryptedType(self._tenant, key=self._key, binary=self._binary)
        copied._column = self._column
        return copied

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return self._tenant().encrypt(value, context=self._context(), key=self._key)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        plaintext = self._tenant().decrypt(value, context=self._context())
        return plaintext.bytes if self._binary else plaintext.text

    def _context(self) -> dict[str, str]:
        column = self._column
        if column is None:
            raise TypeError("EncryptedType is the type of a column: it is bound to the column's table and name")
        return {"table": column.table.name, "column": column.name}


def keep_index(
    value: InstrumentedAttribute[Any], token: InstrumentedAttribute[Any], index: Callable[[], Index]
) -> None:
    """Has the mapper keep a token of an encrypted column's value in another column, at each insert and update.

    ``index`` returns the tenant's index. Search with ``token.in_(search_tokens(index(), value))``.
    """

    def keep(_mapper: Mapper[Any], _connection: object, row: Any) -> None:
        if not inspect(row).attrs[value.key].history.has_changes():
            return
        data = getattr(row, value.key)
        setattr(row, token.key, None if data is None else index().tokens([data]).write.values[0])

    for name in ("before_insert", "before_update"):
        event.listen(value.class_, name, keep)


def search_tokens(index: Index, value: Data) -> list[str]:
    """Returns the tokens that rows with this value may have, of each version of the index."""
    return [version.values[0] for version in index.tokens([value]).search]


__all__: Iterable[str] = ["EncryptedType", "keep_index", "search_tokens"]

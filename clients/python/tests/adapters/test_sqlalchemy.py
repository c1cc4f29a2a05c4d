"""EncryptedType against a PostgreSQL and a running service: TEST_DATABASE_URL, VAULTSPAN_URL, VAULTSPAN_TOKEN."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from vaultspan import Tenant, Vaultspan, VaultspanError
from vaultspan.sqlalchemy import EncryptedType, keep_index, search_tokens

DATABASE = os.environ.get("TEST_DATABASE_URL", "")
URL, TOKEN = os.environ.get("VAULTSPAN_URL", ""), os.environ.get("VAULTSPAN_TOKEN", "")
pytestmark = pytest.mark.skipif("" in (DATABASE, URL), reason="needs PostgreSQL and a service")
_current: list[Tenant] = []


def tenant() -> Tenant:
    return _current[0]


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "sa_users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(EncryptedType(tenant))
    email_token: Mapped[str | None] = mapped_column(index=True)
    photo: Mapped[bytes | None] = mapped_column(EncryptedType(tenant, binary=True))


keep_index(User.email, User.email_token, lambda: tenant().index("email"))


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine(DATABASE.replace("postgres://", "postgresql+psycopg://"))
    Base.metadata.create_all(engine)
    with Vaultspan(URL, token=TOKEN, local=True) as client:
        _current[:] = [client.tenant("contoso")]
        yield engine
    Base.metadata.drop_all(engine)
    engine.dispose()


def test_columns_are_encrypted_in_the_database_and_plain_in_the_mapper(engine: Engine) -> None:
    photo = os.urandom(300)
    with Session(engine) as session:
        session.add_all([User(id=1, email="ann@example.org", photo=photo), User(id=2, email=None, photo=None)])
        session.commit()
    with engine.connect() as connection:
        stored = connection.execute(text("select email, photo from sa_users order by id")).all()
    assert stored[0][0].startswith("eyJ")
    assert stored[1] == (None, None)
    with Session(engine) as session:
        ann, none = session.scalars(select(User).order_by(User.id)).all()
        assert (ann.email, ann.photo) == ("ann@example.org", photo)
        assert (none.email, none.photo) == (None, None)


def test_a_value_of_another_column_is_refused(engine: Engine) -> None:
    with Session(engine) as session:
        session.add(User(id=1, email="ann@example.org", photo=b"x"))
        session.commit()
    with engine.begin() as connection:
        connection.execute(text("update sa_users set email = photo"))
    with Session(engine) as session, pytest.raises(VaultspanError):
        session.scalars(select(User)).all()


def test_rows_are_found_by_the_token_that_the_mapper_keeps(engine: Engine) -> None:
    with Session(engine) as session:
        session.add_all([User(id=1, email="ann@example.org"), User(id=2, email="bob@example.org")])
        session.commit()
        session.get_one(User, 2).email = "eve@example.org"
        session.commit()
    with Session(engine) as session:

        def ids(email: str) -> list[int]:
            tokens = search_tokens(tenant().index("email"), email)
            return list(session.scalars(select(User.id).where(User.email_token.in_(tokens))))

        assert [ids("ann@example.org"), ids("bob@example.org"), ids("eve@example.org")] == [[1], [], [2]]

"""EncryptedField against a PostgreSQL and a running service: TEST_DATABASE_URL, VAULTSPAN_URL, VAULTSPAN_TOKEN."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
import pytest
from django.conf import settings
from django.core.exceptions import FieldError
from django.db import connection, models
from django.db.migrations.writer import MigrationWriter

from vaultspan import Tenant, Vaultspan, VaultspanError
from vaultspan.django import EncryptedField

DATABASE = os.environ.get("TEST_DATABASE_URL", "")
URL, TOKEN = os.environ.get("VAULTSPAN_URL", ""), os.environ.get("VAULTSPAN_TOKEN", "")
pytestmark = pytest.mark.skipif("" in (DATABASE, URL), reason="needs PostgreSQL and a service")
_current: list[Tenant] = []

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "postgres",
            "HOST": parse_qs(urlsplit(DATABASE).query).get("host", [""])[0],
        }
    },
    USE_TZ=True,
)
django.setup()


def tenant() -> Tenant:
    return _current[0]


class User(models.Model):
    email = EncryptedField(tenant=tenant, null=True)
    photo = EncryptedField(tenant=tenant, binary=True, null=True)

    class Meta:
        app_label = "shop"
        db_table = "dj_users"


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    with Vaultspan(URL, token=TOKEN, local=True) as client:
        _current[:] = [client.tenant("contoso")]
        with connection.schema_editor() as editor:
            editor.create_model(User)
        yield
        with connection.schema_editor() as editor:
            editor.delete_model(User)


def raw() -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute("select email, photo from dj_users order by id")
        return cursor.fetchone()


def test_columns_are_encrypted_in_the_database_and_plain_in_the_model() -> None:
    photo = os.urandom(300)
    User.objects.create(email="ann@example.org", photo=photo)
    User.objects.create()
    assert raw()[0].startswith("eyJ")
    ann, none = User.objects.order_by("id")
    assert (ann.email, ann.photo, none.email) == ("ann@example.org", photo, None)
    User.objects.filter(id=ann.id).update(email="eve@example.org")
    ann.refresh_from_db()
    assert ann.email == "eve@example.org"


def test_a_value_of_another_column_is_refused() -> None:
    User.objects.create(email="ann@example.org", photo=b"x")
    with connection.cursor() as cursor:
        cursor.execute("update dj_users set email = photo")
    with pytest.raises(VaultspanError):
        list(User.objects.all())


def test_look_ups_that_could_find_nothing_are_refused() -> None:
    User.objects.create(email="ann@example.org")
    with pytest.raises(FieldError, match="a query can't compare it"):
        list(User.objects.filter(email="ann@example.org"))
    assert User.objects.filter(email__isnull=False).count() == 1


def test_migrations_name_the_tenants_function() -> None:
    text, _ = MigrationWriter.serialize(User._meta.get_field("email"))
    assert "EncryptedField" in text
    assert "tenant" in text

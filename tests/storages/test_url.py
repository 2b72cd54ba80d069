from __future__ import annotations

from pathlib import Path

import pytest

from autometa.errors import UserError
from autometa.storages import (
    DEFAULT_STORAGE_URL,
    absolute_url,
    default_storage_url,
    mask_url,
    open_storage,
    url_without_password,
)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hush@db.example:5432/studies",
        "postgresql+psycopg://ann:hu/sh@db/studies",
        "mysql://ann:hu@hush@db/studies",
        "redis://:hush@cache/0",
        "POSTGRESQL://ann:hu?sh#hush@db/x",
        "postgresql:ann:hush@db/x",
        "postgresql://db/studies?user=ann&password=hush",
        "postgresql://db/studies?sslpassword=hush&sslmode=require",
        "host=db user=ann password=hush",
    ],
)
def test_password_is_hidden_for_every_scheme(url: str) -> None:
    """No part of a password is left after masking."""
    masked = mask_url(url)

    assert "***" in masked
    assert "hush" not in masked
    assert "hu" not in masked.replace("***", "")


@pytest.mark.parametrize(
    "url", ["journal:/a/b.journal", "sqlite:////a:b@c/d.db", "postgresql://ann@db/studies"]
)
def test_url_without_password_is_shown_as_it_is(url: str) -> None:
    """Masking changes nothing but passwords."""
    assert mask_url(url) == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("journal:runs/a.journal", "journal:{}/runs/a.journal"),
        ("runs/a.journal", "journal:{}/runs/a.journal"),
        ("journal:///x/a.journal", "journal:/x/a.journal"),
        ("sqlite:///a.db", "sqlite:///{}/a.db"),
        ("sqlite:////x/../y/a.db", "sqlite:////y/a.db"),
        ("postgres://ann@DB:5433/studies", "postgresql://ann@db:5433/studies"),
        ("postgresql+psycopg://a%40b:p%2Fw@[::1]/s", "postgresql://a%40b:p%2Fw@[::1]/s"),
        ("postgresql:///s?sslmode=require&host=h", "postgresql:///s?host=h&sslmode=require"),
    ],
)
def test_absolute_url_means_the_same_in_every_folder(
    url: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths are resolved against the current folder; servers have one form each."""
    monkeypatch.chdir(tmp_path)

    absolute = absolute_url(url)

    assert absolute == expected.format(tmp_path)
    monkeypatch.chdir("/")
    assert absolute_url(absolute) == absolute


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("postgresql://ann:hush@db", "must name a database"),
        ("postgresql://ann:hush@db/x/y", "must name a database"),
        ("postgresql://ann:hu/sh@db/x", "%2F"),
        ("postgresql://ann:hush@db/x#y", "%23"),
        ("postgresql://ann@db/x?password=hush", "password before the @, not password"),
        ("postgresql://ann@db/x?options=-cport%3D1", "not options"),
        ("postgresql+asyncpg://ann:hush@db/x", "starts with postgresql://"),
        ("postgresql:ann:hush@db/x", "starts with postgresql://"),
        ("mysql+pymysql://ann:hush@db/x", "mysql storages are not supported in this version"),
        ("sqlite://", "exactly sqlite:///"),
        ("sqlite:a.db", "exactly sqlite:///"),
        ("sqlite:///:memory:", "must be a file"),
        ("sqlite:///a.db?mode=ro", "cannot contain"),
        ("sqlite:///a%20b.db", "cannot contain"),
        ("sqlite:///", "must name a file"),
        ("journal:", "must name a file"),
        ("journal:runs/", "must name a file"),
        ("journal:a\0b", "must name a file"),
        ("journal://host/a.journal", "not a server"),
        ("studies.db", "by a URL"),
        ("", "by a URL"),
    ],
)
def test_nonsense_is_refused_with_the_accepted_forms(url: str, rule: str) -> None:
    """The refusal names the rule and the forms, and never a password."""
    with pytest.raises(UserError, match=rule) as caught:
        open_storage(url)

    assert "write journal:PATH, sqlite:///PATH or postgresql://" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_default_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """$AUTOMETA_STORAGE wins over the built-in default; an empty one does not."""
    monkeypatch.setenv("AUTOMETA_STORAGE", "sqlite:///mine.db")
    from_environment = default_storage_url()
    monkeypatch.setenv("AUTOMETA_STORAGE", " ")
    built_in = default_storage_url()

    assert from_environment == "sqlite:///mine.db"
    assert built_in == DEFAULT_STORAGE_URL == "journal:results/runs/studies.journal"


@pytest.mark.parametrize(
    ("url", "typed"),
    [
        (
            "postgresql://ann:hush@db.example:5433/studies",
            "postgresql://ann@db.example:5433/studies",
        ),
        ("sqlite:////data/studies.db", "sqlite:////data/studies.db"),
    ],
)
def test_a_url_to_be_typed_has_no_password(url: str, typed: str) -> None:
    """What a summary prints works as it stands, with the password from elsewhere."""
    assert url_without_password(url) == typed

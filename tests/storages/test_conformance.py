"""Optuna's own conformance tests of storages, on those that autometa opens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.storages import BaseStorage
from optuna.testing.pytest_storages import StorageTestCase
from postgres_cluster import PASSWORD


class TestStorage(StorageTestCase):
    """Every kind behaves as Optuna demands."""

    @pytest.fixture
    def storage(
        self,
        url: str,
        opened: Callable[[str], BaseStorage],
        monkeypatch: pytest.MonkeyPatch,
    ) -> BaseStorage:
        """A new storage of each kind; a pickled one finds its password in the environment."""
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        return opened(url)

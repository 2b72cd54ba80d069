"""Stand-ins for OpenML's server, and tables for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
from openml_stand_in import Entry, StandIn

from autometa.tables.openml import Session, Settings, Store


@pytest.fixture
def make_entry() -> Callable[..., Entry]:
    """Returns a maker of tables for a stand-in."""
    return _entry


def _entry(number: int, **changes: object) -> Entry:
    """Returns a table of 60 rows with a number, a category with gaps, and two classes."""
    rng = np.random.default_rng(number)
    colours = rng.choice(["red", "green", None], size=60, p=[0.4, 0.4, 0.2])
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=60),
            "colour": pd.Categorical(colours, categories=["red", "green"]),
            "class": pd.Categorical(rng.choice(["no", "yes"], size=60)),
        }
    )
    fields = {"dataset": number, "task": 1000 + number, "name": f"table{_letters(number)}"}
    return Entry(**(fields | {"frame": frame, "target": "class"} | changes))  # type: ignore[arg-type]


Serve = Callable[..., StandIn]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts stand-ins that the environment names as the server."""
    started: list[StandIn] = []

    def start(*entries: Entry, suite: int = 99) -> StandIn:
        server = StandIn(list(entries), {suite: [entry.task for entry in entries]}).start()
        started.append(server)
        monkeypatch.setenv("AUTOMETA_OPENML_SERVER", server.url)
        return server

    monkeypatch.setattr("autometa.tables.openml._settings._WAITS", (0.05, 0.05))
    yield start
    for server in started:
        server.stop()


@pytest.fixture
def open_session() -> Callable[[], Session]:
    """Opens sessions with the server and the cache of the environment."""

    def start() -> Session:
        settings = Settings.from_environment()
        return Session(settings, Store(settings.server))

    return start


def _letters(number: int) -> str:
    """Returns letters for a number, because families leave out trailing digits."""
    return "".join(chr(97 + int(digit)) for digit in str(number))

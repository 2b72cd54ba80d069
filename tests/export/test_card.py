"""The model card."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from autometa.episodes import _training
from autometa.evaluation import ScoreSheet
from autometa.export import _card, write_card
from autometa.export._write import weights_sha256
from autometa.learners import AbstractLearner

METRICS = ("log_loss", "accuracy", "balanced_accuracy", "auroc", "brier", "confidence")
ACCURACY = {"autometa": 0.80, "logistic_regression": 0.75, "extra_trees": 0.78}
PARTS: dict[str, Any] = {
    "spec": {"episodes": {"ways": 5, "shots": [1, 10]}, "training": {"outer_steps": 100}},
    "provenance": {
        "study": "small",
        "trial": 3,
        "seeds": {"training": 17},
        "families_seen": [
            {"family": "wine", "tables": ["wine"], "role": "train"},
            {"family": "vehicles", "tables": ["car", "bus"], "role": "validation"},
        ],
        "budget": {"trials": 4, "wall_seconds": 12.5},
        "versions": {"torch": "2.13.0"},
        "fingerprint": "abc",
    },
}


def make_sheet(families: int, gains: dict[int, float], role: str = "test") -> ScoreSheet:
    """Returns scores of three methods; ``gains`` shifts the learner's accuracy at each shot.

    The learner loses half a point more from family to family, so that the last is the worst.
    """
    rng = np.random.default_rng(0)
    rows = []
    for family in range(families):
        for shot, gain in gains.items():
            for episode in range(4):
                noise = rng.normal(scale=0.005)
                for method, accuracy in ACCURACY.items():
                    is_learner = method == "autometa"
                    value = accuracy + noise + is_learner * (gain - 0.005 * family)
                    rows.append(
                        dict.fromkeys(METRICS, value)
                        | {"log_loss": 1 - value, "diverged": False}
                        | {"table": f"table{family}", "family": f"family{family}"}
                        | {"role": role, "setting": "unlabelled", "shot": shot}
                        | {"seed": 0, "episode": episode, "method": method}
                    )
    return ScoreSheet.from_rows(rows)


@pytest.fixture
def card_of(untrained: Callable[..., AbstractLearner]) -> Callable[[ScoreSheet], str]:
    """Returns a writer of the card of a small learner with given scores."""
    return lambda sheet: write_card(learner=untrained(), sheet=sheet, **PARTS)


def row(card: str, name: str) -> list[str]:
    """Returns the cells of the last table row that starts with a name."""
    lines: Iterable[str] = re.findall(rf"^\| \**{re.escape(name)}\**[^|]*\|.*$", card, re.MULTILINE)
    return [cell.strip() for cell in list(lines)[-1].strip("|").split("|")]


def test_a_card_says_what_was_spent_seen_and_found(
    card_of: Callable[[ScoreSheet], str], untrained: Callable[..., AbstractLearner]
) -> None:
    """Budget, families by role, every meta-parameter, seeds, versions and hashes are there."""
    card = card_of(make_sheet(10, {1: 0.02}))

    for text in (
        "# small: a few-shot classifier for tables",
        "- trials: 4",
        "- wall seconds: 12",
        "- outer steps: 100",
        "- **train** (1 family): wine",
        "- **validation** (1 family): vehicles (car, bus)",
        "| `inner_steps` | 2 |",
        "| `adapt` | head |",
        "- seeds: training 17",
        "- versions: torch 2.13.0",
        weights_sha256(untrained()),
        "at 1 and 10 labelled rows per class",
        "autometa.load(",
    ):
        assert text in card


def test_advantages_have_sign_and_interval(card_of: Callable[[ScoreSheet], str]) -> None:
    """Each shot is compared with every baseline; a loss is printed and said as such."""
    card = card_of(make_sheet(10, {1: 0.0625, 10: -0.0475}))

    assert "bootstrap over families" in card
    assert "on 10 families (10 tables)" in card
    signed = r"[+-]\d+\.\d \[[+-]\d+\.\d, [+-]\d+\.\d\]"
    for name in ("logistic_regression", "extra_trees", "best baseline"):
        cells = row(card, name)
        assert re.match(signed, cells[1])
        assert re.match(signed, cells[2])
    assert row(card, "extra_trees")[1].startswith("+6.0 [")
    assert row(card, "best baseline")[2].startswith("-5.0 [")
    assert "The best baseline was better than autometa at 10 per class (extra_trees)." in card


def test_the_worst_families_are_named(card_of: Callable[[ScoreSheet], str]) -> None:
    """The three families with the lowest advantage are listed, the worst first."""
    card = card_of(make_sheet(10, {1: 0.02}))

    assert "in points: family9 -0.5, family8 +0.0, family7 +0.5." in card.replace("-0.0", "+0.0")
    assert re.search(r"behind it on [12] of 10 families", card)


def test_few_families_are_called_few(card_of: Callable[[ScoreSheet], str]) -> None:
    """Below eight families the interval is over episodes, and the card says what that means."""
    card = card_of(make_sheet(3, {1: 0.02}))

    assert "bootstrap over episodes" in card
    assert "says nothing about other tables" in card


@pytest.mark.parametrize("role", ["validation", None])
def test_without_test_tables_nothing_is_quoted(
    card_of: Callable[[ScoreSheet], str], role: str | None
) -> None:
    """Scores of the search are no test score."""
    sheet = ScoreSheet.from_rows([]) if role is None else make_sheet(10, {1: 0.5}, role=role)

    card = card_of(sheet)

    assert "**Not tested**" in card
    assert "%" not in card


def test_a_card_needs_no_provenance(untrained: Callable[..., AbstractLearner]) -> None:
    """What was not recorded is said to be so."""
    card = write_card(learner=untrained(), spec={}, sheet=ScoreSheet.from_rows([]), provenance={})

    assert "## Data seen\n\nNot recorded." in card
    assert "search: not recorded" in card


def test_the_limits_are_those_of_meta_training() -> None:
    """The card repeats constants of the episodes."""
    assert _card.TRAINED_COLUMNS == _training.MAX_COLUMNS
    assert max(_training._WAYS) == _card.TRAINED_WAYS


def test_repeated_reading_of_the_test_tables_is_admitted(
    untrained: Callable[..., AbstractLearner],
) -> None:
    """A test score that was taken more than once is not called the only one."""
    provenance = PARTS["provenance"] | {"test_reads": 2}

    card = write_card(
        learner=untrained(), spec={}, sheet=make_sheet(9, {1: 0.1}), provenance=provenance
    )

    assert "were read 2 times" in card
    assert "Measured once" not in card


def test_test_families_are_not_called_seen(untrained: Callable[..., AbstractLearner]) -> None:
    """They are listed apart from those of training and search."""
    seen = [
        {"family": "wine", "tables": ["wine"], "role": "train"},
        {"family": "iris", "tables": ["iris"], "role": "test"},
    ]

    card = write_card(
        learner=untrained(),
        spec={},
        sheet=make_sheet(9, {1: 0.1}),
        provenance={"families_seen": seen},
    )

    assert "about 1 family that had no say: iris." in card
    assert "**test**" not in card


@pytest.mark.parametrize(
    ("episodes", "title", "limits"),
    [
        ({}, "unlabelled setting (further", "of up to 5 classes and at most"),
        (
            {"ways": 5, "shots": [1, 5], "counts": "equal"},
            "unlabelled setting (further",
            "scored with up to 5 classes at 1 and 5 labelled rows per class. ",
        ),
        (
            {"ways": "all", "shots": [5], "counts": "natural"},
            "unlabelled setting with all classes and natural class frequencies (further",
            "of up to 5 classes and at most 40 encoded columns, and scored with all classes at 5 "
            "labelled rows per class on average. ",
        ),
        (
            {"ways": 3, "counts": "unequal"},
            "unlabelled setting with up to 3 classes and unequal counts per class (further",
            "of up to 3 classes and at most",
        ),
    ],
)
def test_the_drawing_of_episodes_is_named_where_it_is_not_as_usual(
    untrained: Callable[..., AbstractLearner], episodes: dict[str, Any], title: str, limits: str
) -> None:
    """Counts and ways stand beside the setting; exports older than a key say what they said."""
    card = write_card(
        learner=untrained(),
        spec={"episodes": episodes},
        sheet=make_sheet(9, {1: 0.1}),
        provenance={},
    )

    assert f"### Accuracy, {title}" in card
    assert limits in card

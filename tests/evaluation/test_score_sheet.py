"""Means of means, comparisons and checks of score sheets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from autometa.errors import UserError
from autometa.evaluation import ScoreSheet, WinsLosses

MakeSheet = Callable[..., ScoreSheet]

# Family f has two tables, one of them with more episodes; family g has one table.
UNEVEN = {("f", "a", 1): [0.0, 1.0, 1.0, 1.0], ("f", "b", 1): [0.25], ("g", "c", 1): [0.9]}


def test_family_means_are_means_of_table_means(make_sheet: MakeSheet) -> None:
    """Neither many episodes nor many tables outweigh the others."""
    sheet = make_sheet({"m": UNEVEN})

    means = sheet.family_means("accuracy", "m", setting="unlabelled", shot=1)

    assert means.to_dict() == pytest.approx({"f": 0.5, "g": 0.9})
    assert sheet.mean("accuracy", "m", setting="unlabelled", shot=1) == pytest.approx(0.7)


def test_the_mean_over_shots_is_the_mean_of_the_cells(make_sheet: MakeSheet) -> None:
    """A family that lacks a shot does not shift the weight of the shots."""
    sheet = make_sheet({"m": {("f", "a", 1): [0.2], ("g", "c", 1): [0.4], ("g", "c", 5): [0.9]}})

    mean = sheet.mean("accuracy", "m")

    assert mean == pytest.approx((0.3 + 0.9) / 2)
    assert sheet.cells() == [("unlabelled", 1), ("unlabelled", 5)]


def test_value_is_the_log_loss_gained_over_the_reference(make_sheet: MakeSheet) -> None:
    """The value is the mean paired gain in nats; what only one method has does not count."""
    lr = {("f", "a", 1): [1.0, 2.0], ("f", "b", 1): [1.0], ("g", "c", 1): [0.5, 9.0]}
    learner = {("f", "a", 1): [0.5, 1.5], ("f", "b", 1): [0.9], ("g", "c", 1): [0.7]}
    sheet = make_sheet({"logistic_regression": lr, "learner": learner}, metric="log_loss")

    value = sheet.value("learner")

    assert value == pytest.approx(((0.5 + 0.1) / 2 - 0.2) / 2)
    assert value == pytest.approx(
        sheet.advantage("learner", "logistic_regression", metric="log_loss").mean
    )
    assert sheet.value("logistic_regression", over="learner") == pytest.approx(-value)


def test_value_can_be_of_one_role(make_sheet: MakeSheet) -> None:
    """Rows of other roles do not enter."""
    scores = {"logistic_regression": {("f", "a", 1): [1.0]}, "learner": {("f", "a", 1): [0.5]}}
    other = {"logistic_regression": {("g", "c", 1): [1.0]}, "learner": {("g", "c", 1): [3.0]}}
    sheet = make_sheet(scores, metric="log_loss").append(
        make_sheet(other, metric="log_loss", role="test")
    )

    assert sheet.value("learner", role="validation") == pytest.approx(0.5)
    assert sheet.value("learner", role="test") == pytest.approx(-2.0)


def test_the_best_baseline_is_one_for_all_tables(make_sheet: MakeSheet) -> None:
    """The best baseline has the best mean, although others win every single table."""
    sheet = make_sheet(
        {
            "lda": {("f", "a", 1): [0.9], ("g", "c", 1): [0.1]},
            "knn": {("f", "a", 1): [0.1], ("g", "c", 1): [0.9]},
            "random_forest": {("f", "a", 1): [0.8], ("g", "c", 1): [0.8]},
            "learner": {("f", "a", 1): [1.0], ("g", "c", 1): [1.0]},
        }
    )

    assert sheet.best_baseline(setting="unlabelled", shot=1) == "random_forest"
    assert sheet.best_baseline(exclude=("random_forest",)) == "lda"
    assert sheet.best_baseline(metric="log_loss") == "lda"


def test_a_baseline_that_lacks_a_cell_cannot_be_the_best(make_sheet: MakeSheet) -> None:
    """Over all shots, a mean of the easy ones only does not count."""
    sheet = make_sheet(
        {
            "lda": {("f", "a", 1): [0.2], ("f", "a", 5): [0.6]},
            "knn": {("f", "a", 5): [0.7]},
        }
    )

    assert sheet.best_baseline() == "lda"
    assert sheet.best_baseline(shot=5) == "knn"


def test_the_best_baseline_needs_a_baseline(make_sheet: MakeSheet) -> None:
    """A sheet of the learner alone has no best baseline."""
    with pytest.raises(UserError, match=r"got learner: add the baselines' sheet"):
        make_sheet({"learner": UNEVEN}).best_baseline()


@pytest.mark.parametrize(("metric", "expected"), [("accuracy", (1, 1, 1)), ("brier", (0, 0, 3))])
def test_wins_and_losses_count_tables(
    make_sheet: MakeSheet, metric: str, expected: tuple[int, int, int]
) -> None:
    """A table is won by the better mean over its episodes."""
    first = {("f", "a", 1): [0.1, 0.9], ("f", "b", 1): [0.5, 0.5], ("g", "c", 1): [0.1, 0.2]}
    second = {("f", "a", 1): [0.2, 0.3], ("f", "b", 1): [0.4, 0.6], ("g", "c", 1): [0.1, 0.3]}
    sheet = make_sheet({"x": first, "y": second})

    assert sheet.wins_losses("x", "y", metric=metric) == WinsLosses(*expected)


def test_select_keeps_what_agrees(make_sheet: MakeSheet) -> None:
    """Rows can be picked by role, setting, shot, method, and families left out."""
    sheet = make_sheet({"x": UNEVEN, "y": UNEVEN}).append(
        make_sheet({"x": UNEVEN}, setting="inductive", role="test")
    )

    assert len(sheet.select(methods=["y"])) == 6
    assert set(sheet.select(role="test").frame["setting"]) == {"inductive"}
    assert set(sheet.select(without_families=["f"]).frame["family"]) == {"g"}
    assert len(sheet.select(shot=5)) == 0
    assert sheet.cells() == [("inductive", 1), ("unlabelled", 1)]
    assert sheet.methods() == ["x", "y"]


def test_a_sheet_is_never_changed_through_its_frame(make_sheet: MakeSheet) -> None:
    """The frame that is handed out is a copy."""
    sheet = make_sheet({"x": UNEVEN})

    frame = sheet.frame
    frame["accuracy"] = 0.0

    assert sheet.mean("accuracy", "x") == pytest.approx(0.7)


def test_nothing_can_be_concatenated() -> None:
    """A sheet may be empty and still has its columns."""
    sheet = ScoreSheet.concat([ScoreSheet.from_rows([]), ScoreSheet.from_rows([])])

    assert len(sheet) == 0
    assert sheet.cells() == []
    assert sheet.methods() == []


def test_a_score_stands_once(make_sheet: MakeSheet) -> None:
    """Two rows about the same episode and method are refused."""
    with pytest.raises(UserError, match="is there twice"):
        make_sheet({"x": UNEVEN}).append(make_sheet({"x": UNEVEN}))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("accuracy", np.nan, "must be finite"),
        ("shot", "many", "must hold numbers"),
        ("method", None, "columns .* method missing"),
    ],
)
def test_wrong_columns_are_refused(
    make_sheet: MakeSheet, column: str, value: object, message: str
) -> None:
    """Missing columns, text for numbers and scores that are not finite are user errors."""
    frame = make_sheet({"x": UNEVEN}).frame
    frame = frame.drop(columns=column) if value is None else frame.assign(**{column: value})

    with pytest.raises(UserError, match=message):
        ScoreSheet(frame)


def test_unknown_metrics_and_methods_are_refused(make_sheet: MakeSheet) -> None:
    """The message names what there is."""
    sheet = make_sheet({"x": UNEVEN, "y": {("h", "d", 1): [0.3]}})

    with pytest.raises(UserError, match="one of log_loss, accuracy"):
        sheet.mean("f1", "x")
    with pytest.raises(UserError, match=r"'z' at setting=None, shot=None: choose among x, y"):
        sheet.mean("accuracy", "z")
    with pytest.raises(UserError, match="'x' and 'y' have none in common"):
        sheet.advantage("x", "y")

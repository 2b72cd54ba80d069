"""The tables for people."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from autometa.errors import UserError
from autometa.evaluation import ScoreSheet

MakeSheet = Callable[..., ScoreSheet]


def methods(make_sheet: MakeSheet, families: int, **fields: object) -> ScoreSheet:
    """Returns a learner 10 points above logistic regression at K=1; K=5 has the reference only."""
    rng = np.random.default_rng(0)
    lr = {(f"f{n}", f"t{n}", 1): rng.uniform(0.4, 0.6, 4).tolist() for n in range(families)}
    learner = {cell: [value + 0.1 for value in values] for cell, values in lr.items()}
    more = {(f"f{n}", f"t{n}", 5): [0.7, 0.7] for n in range(families)}
    return make_sheet({"logistic_regression": lr | more, "learner": learner}, **fields)


def test_summary_has_a_row_for_each_cell_and_method(make_sheet: MakeSheet) -> None:
    """Means, advantage, wins and counts stand next to each other."""
    rows = methods(make_sheet, 9).summary().set_index(["shot", "method"])

    learner = rows.loc[1, "learner"]
    reference = rows.loc[1, "logistic_regression"]

    reference_cells = [(1, "logistic_regression"), (5, "logistic_regression")]
    assert list(rows.index) == [reference_cells[0], (1, "learner"), reference_cells[1]]
    assert learner["advantage"] == pytest.approx(0.1)
    assert learner["low"] == pytest.approx(0.1)
    assert (learner["unit"], learner["n"]) == ("families", 9)
    assert (learner["wins"], learner["losses"], learner["ties"]) == (9, 0, 0)
    assert (learner["families"], learner["tables"], learner["episodes"]) == (9, 9, 36)
    assert math.isnan(reference["advantage"])
    assert reference["mean"] == pytest.approx(learner["mean"] - 0.1)


def test_markdown_states_setting_unit_and_counts(make_sheet: MakeSheet) -> None:
    """A reader sees what was averaged, over how many, and what the interval is about."""
    sheet = methods(make_sheet, 9)

    text = sheet.to_markdown()

    lines = text.splitlines()
    assert lines[0].startswith("Setting **unlabelled**: accuracy in %, mean over families.")
    assert "advantage over logistic_regression, with its 95 % interval" in lines[0]
    assert lines[0].endswith("by bootstrap over families.")
    assert lines[2] == "| method | K=1 | K=5 | diverged |"
    mean = 100 * sheet.mean("accuracy", "learner", shot=1)
    assert f"| learner | {mean:.1f} (+10.0, +10.0 to +10.0) |  | 0 |" in lines
    assert "| families / tables / episodes | 9 / 9 / 36 | 9 / 9 / 18 | |" in lines


def test_markdown_warns_where_families_are_few(make_sheet: MakeSheet) -> None:
    """Below eight families the caption says that the interval is about episodes."""
    caption = methods(make_sheet, 3).to_markdown().splitlines()[0]

    assert "over episodes (fewer than 8 families" in caption


def test_markdown_counts_diverged_episodes(make_sheet: MakeSheet) -> None:
    """Diverged episodes are shown in the row of their method."""
    sheet = methods(make_sheet, 3)
    frame = sheet.frame
    frame.loc[frame["method"] == "learner", "diverged"] = frame["episode"] == 0

    lines = ScoreSheet(frame).to_markdown().splitlines()

    assert next(line for line in lines if line.startswith("| learner")).endswith("| 3 |")


def test_markdown_of_a_loss_explains_its_sign(make_sheet: MakeSheet) -> None:
    """Log-loss is shown in nats, and the caption says which sign is better."""
    text = methods(make_sheet, 3, log_loss=0.25).to_markdown(metric="log_loss")

    assert "log loss, mean over families" in text
    assert "above 0 is better" in text
    assert "| learner | 0.250 (+0.000, +0.000 to +0.000) |" in text


def test_each_setting_has_its_table(make_sheet: MakeSheet) -> None:
    """Settings are never mixed, and a sheet without the reference has no brackets."""
    sheet = methods(make_sheet, 3).select(methods=["learner"])
    sheet = sheet.append(ScoreSheet(sheet.frame.assign(setting="inductive")))

    text = sheet.to_markdown()

    assert text.index("**inductive**") < text.index("**unlabelled**")
    assert "(+" not in text


def test_roles_are_not_mixed(make_sheet: MakeSheet) -> None:
    """A table of search and test scores together would mean nothing."""
    sheet = methods(make_sheet, 2).append(methods(make_sheet, 2, role="test"))

    with pytest.raises(UserError, match=r"about one role; got test, validation"):
        sheet.summary()

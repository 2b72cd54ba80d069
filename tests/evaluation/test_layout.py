from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from autometa.evaluation import METRICS, ScoreSheet
from autometa.evaluation._comparison import Comparison
from autometa.evaluation._sheet_rows import KEY


@pytest.fixture
def sheet() -> ScoreSheet:
    """Four families of one to three tables, in two settings, from which a third is missing."""
    rng = np.random.default_rng(3)
    keys = [
        (f"table-{family}{table}", f"family-{family}", "test", setting, shot, 0, episode, method)
        for family in "dbca"
        for table in range("abcd".index(family) % 3 + 1)
        for setting in ("unlabelled", "inductive")
        for shot in (10, 1)
        for episode in range(4)
        for method in ("autometa", "lda")
    ]
    frame = pd.DataFrame(keys, columns=list(KEY)).assign(diverged=False)
    frame[list(METRICS)] = rng.random((len(frame), len(METRICS)))
    return ScoreSheet(frame.sample(frac=0.7, random_state=4))


def _paired(sheet: ScoreSheet) -> pd.DataFrame:
    """Returns the differences in accuracy, by way of a data frame."""
    frame = sheet.frame
    keys = ["family", "table", "setting", "shot", "seed", "episode"]
    wide = frame.pivot(index=keys, columns="method", values="accuracy").dropna()
    return (wide["autometa"] - wide["lda"]).rename("difference").reset_index()


def test_means_are_those_of_a_data_frame(sheet: ScoreSheet) -> None:
    """Means over episodes, tables, families and cells agree with grouping rows by name."""
    rows = _paired(sheet)
    cell = ["setting", "shot"]
    tables = rows.groupby([*cell, "family", "table"])["difference"].mean()
    families = tables.groupby([*cell, "family"]).mean()
    frame = sheet.frame
    own = frame[frame["method"] == "lda"].groupby([*cell, "family", "table"])["accuracy"].mean()
    by_family = own.groupby([*cell, "family"]).mean().unstack(cell).mean(axis=1)

    found = sheet.advantage("autometa", "lda")
    counts = sheet.wins_losses("autometa", "lda")
    means = sheet.family_means("accuracy", "lda")

    assert found.mean == pytest.approx(families.groupby(cell).mean().mean(), rel=1e-12)
    assert (counts.wins, counts.losses) == ((tables > 0).sum(), (tables < 0).sum())
    assert means.to_dict() == pytest.approx(by_family.to_dict(), rel=1e-12)
    assert list(means.index) == ["family-a", "family-b", "family-c", "family-d"]


def test_weighted_episodes_add_up_to_the_advantage(sheet: ScoreSheet) -> None:
    """What the bootstrap over episodes resamples has the mean that is reported."""
    compared = Comparison(sheet.frame)
    rows_P, difference_P = compared.of_pair("accuracy", "autometa", "lda", setting=None, shot=None)

    groups, weights = compared.layout.episodes_by_table(rows_P, difference_P)

    total = sum(w * group.mean() for w, group in zip(weights, groups, strict=True))
    assert total == pytest.approx(sheet.advantage("autometa", "lda").mean, rel=1e-12)
    assert sum(weights) == pytest.approx(1.0)
    # Where both settings have the same episodes of a table, they are one value each.
    assert sum(map(len, groups)) <= len(_paired(sheet))


def test_figures_do_not_depend_on_the_order_of_rows(sheet: ScoreSheet) -> None:
    """A sheet that was put together in another order gives the same figures, intervals too."""
    shuffled = ScoreSheet(sheet.frame.sample(frac=1.0, random_state=1))

    assert shuffled.advantage("autometa", "lda") == sheet.advantage("autometa", "lda")
    assert shuffled.value("autometa", over="lda") == sheet.value("autometa", over="lda")

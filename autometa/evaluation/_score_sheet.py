"""Score sheets: the scores of methods on episodes, and every figure that is made of them.

Figures are means of means, so that a family of many tables or a table of many episodes does not
outweigh the others: mean over families of the mean over a family's tables of the mean over a
table's episodes; over several cells (setting and shot), the mean of the cells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from autometa.errors import UserError
from autometa.evaluation._bootstrap import (
    FEWEST_FAMILIES,
    Advantage,
    interval_over_episodes,
    interval_over_families,
    mean_of_cells,
)
from autometa.evaluation._comparison import Comparison, listed, require_metric
from autometa.evaluation._metrics import LOWER_IS_BETTER
from autometa.evaluation._sheet_file import read_sheet_file, write_sheet_file
from autometa.evaluation._sheet_rows import COLUMNS, checked_rows
from autometa.evaluation._summary import summary, to_markdown
from autometa.learners import BASELINES, SEMI_SUPERVISED_BASELINES
from autometa.typing import SETTINGS, Setting


class WinsLosses(NamedTuple):
    """On how many tables one method has the better mean, the worse mean, the same mean.

    >>> WinsLosses(wins=7, losses=2, ties=1).wins
    7
    """

    wins: int
    losses: int
    ties: int


class ScoreSheet:
    """Scores in long form: one row per table, setting, shot, seed, episode and method.

    A sheet is never changed; every method returns a new one or a figure. ``frame`` holds the
    columns ``COLUMNS``: what a row is about (``seed`` is that of the episodes), the metrics of
    ``EpisodeScores``, and whether the method diverged there, which then scores as chance.

    Args:
        frame: rows with at least these columns; others are dropped.

    Raises:
        UserError: a column is missing or of the wrong kind, a metric is not finite, or two rows
            are about the same thing.

    >>> from autometa.evaluation import METRICS
    >>> rows = [
    ...     {"table": "t", "family": "f", "role": "test", "setting": "inductive", "shot": 1}
    ...     | {"seed": 0, "episode": episode, "method": method, "diverged": False}
    ...     | dict.fromkeys(METRICS, score)
    ...     for method, score in (("autometa", 0.8), ("lda", 0.7))
    ...     for episode in range(3)
    ... ]
    >>> sheet = ScoreSheet.from_rows(rows)
    >>> round(sheet.mean("accuracy", "autometa"), 2)
    0.8
    >>> sheet.best_baseline(exclude=["autometa"])
    'lda'
    >>> round(sheet.advantage("autometa", "lda").mean, 2)
    0.1
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = checked_rows(frame)

    @classmethod
    def _of(cls, checked: pd.DataFrame) -> ScoreSheet:
        """Returns a sheet of rows that come from a sheet, without checking them again."""
        sheet = cls.__new__(cls)
        sheet._frame = checked.reset_index(drop=True)
        return sheet

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the rows."""
        return self._frame.copy()

    def __len__(self) -> int:
        return len(self._frame)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> ScoreSheet:
        """Returns a sheet of rows given as mappings from column to value; may be empty."""
        return cls(pd.DataFrame(list(rows), columns=list(COLUMNS)))

    @classmethod
    def concat(cls, sheets: Sequence[ScoreSheet]) -> ScoreSheet:
        """Returns one sheet with the rows of several, in order."""
        frames = [sheet._frame for sheet in sheets if len(sheet)]
        return cls(pd.concat(frames)) if frames else cls.from_rows([])

    def append(self, other: ScoreSheet) -> ScoreSheet:
        """Returns a sheet with the rows of both."""
        return ScoreSheet.concat([self, other])

    def to_parquet(self, path: str | Path) -> None:
        """Writes the sheet to a file: completely, or not at all."""
        write_sheet_file(self._frame, Path(path))

    @classmethod
    def from_parquet(cls, path: str | Path) -> ScoreSheet:
        """Reads a sheet.

        Raises:
            UserError: the file is missing, damaged, not a score sheet, or of a newer version.
        """
        return cls(read_sheet_file(Path(path)))

    def select(
        self,
        *,
        role: str | None = None,
        setting: Setting | None = None,
        shot: int | None = None,
        methods: Collection[str] | None = None,
        without_families: Collection[str] = (),
    ) -> ScoreSheet:
        """Returns the rows that agree with everything given; None agrees with all."""
        rows = self._frame
        # Numbers first: what is left for the comparison of words is then a fraction of the sheet.
        for column, wanted in (("shot", shot), ("setting", setting), ("role", role)):
            if wanted is not None:
                rows = rows[rows[column] == wanted]
        if methods is not None:
            rows = rows[rows["method"].isin(list(methods))]
        if without_families:
            rows = rows[~rows["family"].isin(list(without_families))]
        return ScoreSheet._of(rows)

    def methods(self) -> list[str]:
        """Returns the methods, in the order of their first row."""
        return list(dict.fromkeys(self._frame["method"]))

    def cells(self) -> list[tuple[Setting, int]]:
        """Returns the (setting, shot) pairs that have a score, in order."""
        pairs = set(zip(self._frame["setting"], self._frame["shot"], strict=True))
        return [
            (setting, int(shot))
            for setting in SETTINGS
            for shot in sorted(shot for name, shot in pairs if name == setting)
        ]

    def family_means(
        self,
        metric: str,
        method: str,
        *,
        setting: Setting | None = None,
        shot: int | None = None,
    ) -> pd.Series[float]:
        """Returns each family's mean over its tables of the mean over a table's episodes.

        Over several cells, it is the mean of the family's cells.

        Raises:
            UserError: the metric is unknown, or the method has no score there.
        """
        rows_P, values_P = self._compared.of_method(metric, method, setting=setting, shot=shot)
        families, means_FC = self._compared.layout.family_means(rows_P, values_P)
        means: list[float] = np.nanmean(means_FC, axis=1).tolist()
        return pd.Series(means, index=families)

    def mean(
        self,
        metric: str,
        method: str,
        *,
        setting: Setting | None = None,
        shot: int | None = None,
    ) -> float:
        """Returns the mean of a metric: over families within a cell, then over cells.

        Raises:
            UserError: the metric is unknown, or the method has no score there.
        """
        rows_P, values_P = self._compared.of_method(metric, method, setting=setting, shot=shot)
        _, means_FC = self._compared.layout.family_means(rows_P, values_P)
        return mean_of_cells(means_FC)

    def advantage(
        self,
        method: str,
        over: str,
        *,
        metric: str = "accuracy",
        setting: Setting | None = None,
        shot: int | None = None,
        seed: int | np.random.Generator = 0,
    ) -> Advantage:
        """Returns how much better one method is than another on the episodes that both have.

        The 95 % interval comes from 2000 bootstrap resamples of the families; below 8 families,
        of the paired episodes within each table, which says nothing about new tables, and
        ``unit`` says so.

        Args:
            method: the method.
            over: what it is compared with.
            metric: the metric; for log-loss and Brier score the sign is turned, so that above 0
                is better.
            setting: one setting, or all.
            shot: one shot, or all.
            seed: seed or source of the resamples.

        Raises:
            UserError: the metric is unknown, or the methods have no episode in common.
        """
        layout = self._compared.layout
        rows_P, difference_P = self._compared.of_pair(
            metric, method, over, setting=setting, shot=shot
        )
        _, differences_NC = layout.family_means(rows_P, difference_P)
        rng = np.random.default_rng(seed)
        mean = mean_of_cells(differences_NC)
        families = len(differences_NC)
        if families >= FEWEST_FAMILIES:
            low, high = interval_over_families(differences_NC, rng)
            return Advantage(mean, low, high, "families", families)
        groups, weights = layout.episodes_by_table(rows_P, difference_P)
        low, high = interval_over_episodes(groups, weights, rng)
        return Advantage(mean, low, high, "episodes", sum(map(len, groups)))

    def value(
        self,
        method: str,
        *,
        over: str = "logistic_regression",
        setting: Setting | None = None,
        shot: int | None = None,
        role: str | None = None,
    ) -> float:
        """Returns the score that a search maximises, in nats.

        It is the mean, over families, shots and settings, of the baseline's query log-loss minus
        the method's on the same episodes: above zero is better than the baseline.

        Raises:
            UserError: the two have no episode in common.
        """
        sheet = self if role is None else self.select(role=role)
        rows_P, difference_P = sheet._compared.of_pair(
            "log_loss", method, over, setting=setting, shot=shot
        )
        _, differences_FC = sheet._compared.layout.family_means(rows_P, difference_P)
        return mean_of_cells(differences_FC)

    def wins_losses(
        self,
        method: str,
        over: str,
        *,
        metric: str = "accuracy",
        setting: Setting | None = None,
        shot: int | None = None,
    ) -> WinsLosses:
        """Returns on how many tables (each setting and shot counts) a method wins, loses, ties.

        Raises:
            UserError: the metric is unknown, or the methods have no episode in common.
        """
        rows_P, difference_P = self._compared.of_pair(
            metric, method, over, setting=setting, shot=shot
        )
        means_TC = self._compared.layout.table_means(rows_P, difference_P)
        return WinsLosses(
            wins=int((means_TC > 1e-12).sum()),
            losses=int((means_TC < -1e-12).sum()),
            ties=int((np.abs(means_TC) <= 1e-12).sum()),
        )

    def best_baseline(
        self,
        *,
        setting: Setting | None = None,
        shot: int | None = None,
        metric: str = "accuracy",
        exclude: Collection[str] = (),
    ) -> str:
        """Returns the single baseline with the best mean there; never one per table.

        Only baselines that have a score in every cell asked for take part. The first in the order
        of reports wins a tie.

        Raises:
            UserError: the metric is unknown, or no baseline has a score there.
        """
        require_metric(metric)
        sheet = (
            self if setting is None and shot is None else self.select(setting=setting, shot=shot)
        )
        present = sheet.methods()
        cells_of = {name: sheet._compared.layout.cells_of(name) for name in present}
        cells = frozenset[int]().union(*cells_of.values())
        candidates = [
            name
            for name in BASELINES + SEMI_SUPERVISED_BASELINES
            if name not in exclude and cells_of.get(name) == cells
        ]
        if not candidates:
            raise UserError(
                "A baseline must be scored before it can be the best; "
                f"got {listed(present)}: add the baselines' sheet."
            )
        sign = -1 if metric in LOWER_IS_BETTER else 1
        return max(candidates, key=lambda name: sign * sheet.mean(metric, name))

    def summary(
        self, *, metric: str = "accuracy", reference: str = "logistic_regression", seed: int = 0
    ) -> pd.DataFrame:
        """Returns one row per setting, shot and method; see ``_summary.summary``."""
        return summary(self, metric=metric, reference=reference, seed=seed)

    def to_markdown(
        self, *, metric: str = "accuracy", reference: str = "logistic_regression", seed: int = 0
    ) -> str:
        """Returns tables for people, methods by shots; see ``_summary.to_markdown``."""
        return to_markdown(self, metric=metric, reference=reference, seed=seed)

    @cached_property
    def _compared(self) -> Comparison:
        return Comparison(self._frame)

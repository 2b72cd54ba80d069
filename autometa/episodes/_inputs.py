"""What a learner or a baseline may see of an episode's rows in each of the three settings.

The unsupervised scaling is fitted on the support rows alone (inductive), on support and query rows
(transductive), or on the whole table without labels (unlabelled). Learners and baselines get the
same rows scaled alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autometa.episodes._episode import Episode
from autometa.episodes._scale_together import RowsToScale, scale_together
from autometa.tables import ScaledTable
from autometa.typing import BoolArray, FloatArray, IntArray, Setting


@dataclass(frozen=True)
class EpisodeInputs:
    """The scaled rows of one episode: support first, then query.

    Attributes:
        x_RFH: cells, float32; constant columns hold 0.
        stats_FJ: statistics of the columns on the rows that the scaling saw.
        usable_F: False where a column is constant on those rows.
        fit_rows: number of rows that the scaling saw.

    >>> from autometa.episodes import evaluation_episodes
    >>> from autometa.tables import scale_table, synthetic_table
    >>> table = scale_table(synthetic_table(seed=0, index=1))
    >>> drawn = {"shot": 5, "count": 1, "ways": 3, "queries": 10, "seed": 0}
    >>> [episode] = evaluation_episodes(table.y_R, table.sha256, **drawn)
    >>> inputs = scaled_inputs(table, episode, "inductive")
    >>> inputs.x_RFH.shape, inputs.fit_rows
    ((45, 11, 2), 15)
    """

    x_RFH: FloatArray
    stats_FJ: FloatArray
    usable_F: BoolArray
    fit_rows: int


def scaled_inputs(table: ScaledTable, episode: Episode, setting: Setting) -> EpisodeInputs:
    """Returns support and query rows of an episode, scaled as the setting allows.

    Args:
        table: the table that the episode's rows belong to.
        episode: rows and labels.
        setting: which rows the scaling sees.

    >>> from autometa.episodes import evaluation_episodes
    >>> from autometa.tables import scale_table, synthetic_table
    >>> table = scale_table(synthetic_table(seed=0, index=1))
    >>> drawn = {"shot": 5, "count": 1, "ways": 3, "queries": 10, "seed": 0}
    >>> [episode] = evaluation_episodes(table.y_R, table.sha256, **drawn)
    >>> scaled_inputs(table, episode, "inductive").fit_rows
    15
    >>> scaled_inputs(table, episode, "unlabelled").fit_rows
    224
    """
    return scaled_inputs_of([episode], [table], [setting])[0]


def scaled_inputs_of(
    episodes: Sequence[Episode],
    tables: Sequence[ScaledTable],
    settings: Sequence[Setting],
    *,
    columns: Sequence[IntArray] | None = None,
) -> list[EpisodeInputs]:
    """Returns support and query rows of many episodes, each scaled as its setting allows.

    Args:
        episodes: rows and labels.
        tables: the table of each episode.
        settings: which rows the scaling of each episode sees.
        columns: the encoded columns of each episode to use, in order; all where None.

    >>> from autometa.episodes import evaluation_episodes
    >>> from autometa.tables import scale_table, synthetic_table
    >>> table = scale_table(synthetic_table(seed=0, index=1))
    >>> drawn = {"shot": 5, "count": 3, "ways": 3, "queries": 10, "seed": 0}
    >>> episodes = evaluation_episodes(table.y_R, table.sha256, **drawn)
    >>> settings = ["inductive", "transductive", "unlabelled"]
    >>> [inputs.fit_rows for inputs in scaled_inputs_of(episodes, [table] * 3, settings)]
    [15, 45, 224]
    """
    picks: Sequence[IntArray | slice] = columns or [slice(None)] * len(episodes)
    inputs: dict[int, EpisodeInputs] = {}
    groups: dict[int, RowsToScale] = {}
    for number, (episode, table, setting, picked) in enumerate(
        zip(episodes, tables, settings, picks, strict=True)
    ):
        rows = np.concatenate([episode.support_rows_S, episode.query_rows_Q])
        if setting == "unlabelled":
            inputs[number] = EpisodeInputs(
                x_RFH=table.x_RFH[rows][:, picked],
                stats_FJ=table.stats_FJ[picked],
                usable_F=table.usable_F[picked],
                fit_rows=len(table.y_R),
            )
        else:
            groups[number] = RowsToScale(
                values_RF=table.values_RF[rows][:, picked],
                is_indicator_F=table.is_indicator_F[picked],
                fit_rows=len(episode.support_rows_S) if setting == "inductive" else len(rows),
            )
    for number, scaled in zip(groups, scale_together(list(groups.values())), strict=True):
        inputs[number] = EpisodeInputs(
            scaled.x_RFH, scaled.stats_FJ, scaled.usable_F, groups[number].fit_rows
        )
    return [inputs[number] for number in range(len(episodes))]


def episode_inputs(
    table: ScaledTable, episode: Episode, setting: Setting
) -> tuple[FloatArray, FloatArray]:
    """Returns the z-scores of support and query rows on the usable columns (SF and QF).

    >>> from autometa.episodes import evaluation_episodes
    >>> from autometa.tables import scale_table, synthetic_table
    >>> table = scale_table(synthetic_table(seed=0, index=1))
    >>> drawn = {"shot": 5, "count": 1, "ways": 3, "queries": 10, "seed": 0}
    >>> [episode] = evaluation_episodes(table.y_R, table.sha256, **drawn)
    >>> x_SF, x_QF = episode_inputs(table, episode, "transductive")
    >>> x_SF.shape, x_QF.shape
    ((15, 11), (30, 11))
    """
    inputs = scaled_inputs(table, episode, setting)
    x_RF = inputs.x_RFH[:, inputs.usable_F, 0]
    support = len(episode.support_rows_S)
    return x_RF[:support], x_RF[support:]


def unlabelled_rows(
    table: ScaledTable,
    episode: Episode,
    setting: Setting,
    *,
    limit: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Returns z-scores (UF) of the rows without labels that a semi-supervised baseline may use.

    Nothing in the inductive setting; the query rows in the transductive one; in the unlabelled one
    the query rows and further rows of the table, ``limit`` rows at most. Columns are those of
    ``episode_inputs``.

    >>> import numpy as np
    >>> from autometa.episodes import evaluation_episodes
    >>> from autometa.tables import scale_table, synthetic_table
    >>> table = scale_table(synthetic_table(seed=0, index=1))
    >>> drawn = {"shot": 5, "count": 1, "ways": 3, "queries": 10, "seed": 0}
    >>> [episode] = evaluation_episodes(table.y_R, table.sha256, **drawn)
    >>> unlabelled_rows(table, episode, "unlabelled", limit=99, rng=np.random.default_rng(0)).shape
    (99, 11)
    """
    _, x_QF = episode_inputs(table, episode, setting)
    if setting == "inductive":
        return x_QF[:0]
    if setting == "transductive":
        return x_QF
    taken = np.concatenate([episode.support_rows_S, episode.query_rows_Q])
    others = np.setdiff1d(np.arange(len(table.y_R)), taken, assume_unique=True)
    further = rng.permutation(others)[: max(0, limit - len(x_QF))]
    x_UF = table.x_RFH[further][:, table.usable_F, 0]
    return np.concatenate([x_QF, x_UF])[:limit]

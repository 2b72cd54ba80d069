"""Packing of episodes into the dense tensors of an ``EpisodeBatch``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from autometa.episodes._batch import EpisodeBatch
from autometa.episodes._episode import Episode
from autometa.episodes._inputs import EpisodeInputs, scaled_inputs_of
from autometa.tables import ScaledTable
from autometa.typing import FloatArray, IntArray, Setting

_AXES_ROWS = 1000
"""Rows that the principal axes of a whole table are computed from."""

_NO_VARIANCE = 1e-6
"""Variance, in units of one standardised column, below which an axis counts as absent."""


def principal_axes(x_RF: FloatArray, components: int) -> FloatArray:
    """Returns the leading principal axes of standardised rows (FC, float32).

    They have unit length: rows keep their distances as long as no axis is left out. Whitening them
    would cost few-shot learners several points of accuracy, since weak directions are noise.

    Args:
        x_RF: z-scores.
        components: number of axes C; missing ones are zero.

    >>> import numpy as np
    >>> print(principal_axes(np.array([[1.0, 1.0], [-1.0, -1.0]]), components=2).round(2))
    [[0.71 0.  ]
     [0.71 0.  ]]
    """
    x_RF = x_RF.astype(np.float64)
    basis_FC = np.zeros((x_RF.shape[1], components), np.float32)
    rows, columns = x_RF.shape
    if columns <= rows:
        variance, axes = np.linalg.eigh(x_RF.T @ x_RF / rows)
        variance, axes = variance[::-1], axes[:, ::-1]
    else:
        _, singular, right = np.linalg.svd(x_RF, full_matrices=False)
        variance, axes = singular**2 / rows, right.T
    # Directions in which the rows do not vary are arbitrary, and say nothing.
    kept = min(components, int((variance > _NO_VARIANCE).sum()))
    axes = axes[:, :kept]
    # The sign of an axis is arbitrary too; the first of its largest entries is made positive, so
    # that equal tables give equal axes on every machine.
    magnitude = np.abs(axes)
    largest = magnitude >= (1 - 1e-6) * magnitude.max(0, initial=0.0)
    signs = np.sign(axes[largest.argmax(0), np.arange(kept)])
    basis_FC[:, :kept] = axes * signs
    return basis_FC


def pack(
    episodes: Sequence[Episode],
    tables: Sequence[ScaledTable],
    settings: Sequence[Setting],
    *,
    columns: Sequence[IntArray] | None = None,
    components: int | None = None,
    inputs: Sequence[EpisodeInputs] | None = None,
) -> EpisodeBatch:
    """Packs T episodes, each of its own table and setting, into one batch.

    Args:
        episodes: T episodes.
        tables: the table of each episode.
        settings: the setting of each episode.
        columns: the encoded columns of each episode to use, in order; all where None.
        components: number of principal axes to add as ``basis_TFC``; none where None.
        inputs: their scaled rows, where the caller has them from ``scaled_inputs_of``.

    >>> from autometa.episodes import evaluation_episodes
    >>> from autometa.tables import scale_table, synthetic_table
    >>> table = scale_table(synthetic_table(seed=0, index=1))
    >>> drawn = {"shot": 5, "count": 4, "ways": 3, "queries": 10, "seed": 0}
    >>> episodes = evaluation_episodes(table.y_R, table.sha256, **drawn)
    >>> batch = pack(episodes, [table] * 4, ["inductive"] * 4, components=8)
    >>> tuple(batch.x_TRFH.shape), tuple(batch.basis_TFC.shape)
    ((4, 45, 11, 2), (4, 11, 8))
    """
    picks = columns if columns is not None else [None] * len(episodes)
    if inputs is None:
        inputs = scaled_inputs_of(episodes, tables, settings, columns=columns)
    axes_of: dict[int, FloatArray] = {}
    bases = []
    for table, setting, item, picked in zip(tables, settings, inputs, picks, strict=True):
        if components is None:
            continue
        if setting != "unlabelled":
            bases.append(principal_axes(item.x_RFH[: item.fit_rows, :, 0], components))
            continue
        # Not by sha256: relabelled copies of a table share it.
        if picked is not None or id(table) not in axes_of:
            step = max(1, len(table.y_R) // _AXES_ROWS)
            x_RF = table.x_RFH[::step, :, 0] if picked is None else table.x_RFH[::step, picked, 0]
            axes_of[id(table)] = principal_axes(x_RF, components)
        bases.append(axes_of[id(table)])
    return assemble(episodes, inputs, bases)


def assemble(
    episodes: Sequence[Episode], inputs: Sequence[EpisodeInputs], bases: Sequence[FloatArray] = ()
) -> EpisodeBatch:
    """Lays scaled rows of T episodes out as one padded batch.

    Args:
        episodes: labels and numbers of support and query rows (their row indices are not used).
        inputs: the scaled rows of each episode, support first.
        bases: principal axes of each episode (FC), or nothing.

    >>> from autometa.episodes import evaluation_episodes, scaled_inputs
    >>> from autometa.tables import scale_table, synthetic_table
    >>> table = scale_table(synthetic_table(seed=0, index=1))
    >>> drawn = {"shot": 5, "count": 1, "ways": 3, "queries": 10, "seed": 0}
    >>> [episode] = evaluation_episodes(table.y_R, table.sha256, **drawn)
    >>> batch = assemble([episode], [scaled_inputs(table, episode, "inductive")])
    >>> tuple(batch.x_TRFH.shape), batch.support_rows
    ((1, 45, 11, 2), 15)
    """
    tasks = len(episodes)
    support = max(len(episode.support_rows_S) for episode in episodes)
    query = max(len(episode.query_rows_Q) for episode in episodes)
    width = max(item.x_RFH.shape[1] for item in inputs)
    ways = max(episode.ways for episode in episodes)
    channels, statistics = inputs[0].x_RFH.shape[2], inputs[0].stats_FJ.shape[1]

    x_TRFH = np.zeros((tasks, support + query, width, channels), np.float32)
    stats_TFJ = np.zeros((tasks, width, statistics), np.float32)
    y_TS = np.full((tasks, support), -1, np.int64)
    y_TQ = np.full((tasks, query), -1, np.int64)
    column_mask_TF = np.zeros((tasks, width), bool)
    visible_TR = np.zeros((tasks, support + query), bool)
    shots_TW = np.zeros((tasks, ways), np.float32)
    way_mask_TW = np.zeros((tasks, ways), bool)
    basis_TFC = np.zeros((tasks, width, bases[0].shape[1]), np.float32) if bases else None
    for task, (episode, item) in enumerate(zip(episodes, inputs, strict=True)):
        n_support, n_query = len(episode.support_rows_S), len(episode.query_rows_Q)
        n_columns = item.x_RFH.shape[1]
        x_TRFH[task, :n_support, :n_columns] = item.x_RFH[:n_support]
        x_TRFH[task, support : support + n_query, :n_columns] = item.x_RFH[n_support:]
        stats_TFJ[task, :n_columns] = item.stats_FJ
        y_TS[task, :n_support] = episode.support_labels_S
        y_TQ[task, :n_query] = episode.query_labels_Q
        # The scaling has seen the support rows alone, or all rows and perhaps further ones.
        seen_queries = min(n_query, item.fit_rows - n_support)
        visible_TR[task, :n_support] = True
        visible_TR[task, support : support + seen_queries] = True
        column_mask_TF[task, :n_columns] = item.usable_F
        way_mask_TW[task, : episode.ways] = True
        shots_TW[task, : episode.ways] = np.bincount(
            episode.support_labels_S, minlength=episode.ways
        )
        if basis_TFC is not None:
            basis_TFC[task, :n_columns] = bases[task]
    row_mask_TR = np.concatenate([y_TS, y_TQ], axis=1) >= 0
    fit_rows_T = np.array([item.fit_rows for item in inputs], np.float32)
    return EpisodeBatch(
        x_TRFH=torch.from_numpy(x_TRFH),
        stats_TFJ=torch.from_numpy(stats_TFJ),
        y_TS=torch.from_numpy(y_TS),
        y_TQ=torch.from_numpy(y_TQ),
        column_mask_TF=torch.from_numpy(column_mask_TF),
        row_mask_TR=torch.from_numpy(row_mask_TR),
        way_mask_TW=torch.from_numpy(way_mask_TW),
        shots_TW=torch.from_numpy(shots_TW),
        fit_rows_T=torch.from_numpy(fit_rows_T),
        visible_TR=torch.from_numpy(visible_TR),
        basis_TFC=None if basis_TFC is None else torch.from_numpy(basis_TFC),
    )

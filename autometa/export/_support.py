"""The rows that a classifier is fitted on, as the task that a learner adapts to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from autometa.episodes import Episode, EpisodeBatch, EpisodeInputs, assemble, principal_axes
from autometa.errors import RunError
from autometa.learners import Adapted
from autometa.tables import Scaling
from autometa.typing import FloatArray, IntArray

MAX_FURTHER_ROWS = 5000
"""Rows besides the support rows that the encoding is fitted on, where columns are few."""

_MAX_FURTHER_CELLS = 2_500_000

MAX_REFERENCE_ROWS = 100
"""Rows besides the support rows that learners compare rows by."""

_AXES_ROWS = 1000
_MAX_CHUNK_ROWS = 2048
_MAX_CHUNK_CELLS = 1_000_000


def chunk_rows(columns: int) -> int:
    """Returns how many rows of so many encoded columns are predicted at once."""
    return max(1, min(_MAX_CHUNK_ROWS, _MAX_CHUNK_CELLS // max(1, columns)))


def with_further_rows(
    support: pd.DataFrame, further: list[pd.DataFrame], rng: np.random.Generator
) -> pd.DataFrame:
    """Returns the support rows followed by a sample of further rows."""
    sizes = [len(rows) for rows in further]
    room = min(MAX_FURTHER_ROWS, _MAX_FURTHER_CELLS // support.shape[1])
    parts = [support]
    # Rows are picked before they are joined, so that millions of them are never copied.
    picked = np.sort(rng.permutation(sum(sizes))[:room])
    for rows, end, size in zip(further, np.cumsum(sizes), sizes, strict=True):
        inside = picked[(picked >= end - size) & (picked < end)] - (end - size)
        if len(inside):
            parts.append(rows.iloc[inside])
    if len(parts) == 1:
        return support.reset_index(drop=True)
    return pd.concat(parts, ignore_index=True)


def support_batch(
    x_RFH: FloatArray, codes_S: IntArray, scaling: Scaling, components: int | None
) -> EpisodeBatch:
    """Returns the task of the support rows, which come first, and further rows without labels."""
    support, further = len(codes_S), len(x_RFH) - len(codes_S)
    step = max(1, -(-further // MAX_REFERENCE_ROWS))
    references = np.arange(support, len(x_RFH), step)
    episode = Episode(
        support_rows_S=np.arange(support),
        support_labels_S=codes_S,
        # Rows whose cells may be looked at; nobody reads labels of theirs.
        query_rows_Q=references,
        query_labels_Q=np.zeros(len(references), np.int64),
        ways=int(codes_S.max()) + 1,
    )
    inputs = EpisodeInputs(
        x_RFH=np.concatenate([x_RFH[:support], x_RFH[references]]),
        stats_FJ=scaling.stats_FJ,
        usable_F=scaling.usable_F,
        fit_rows=len(x_RFH),
    )
    bases = []
    if components is not None:
        step = max(1, len(x_RFH) // _AXES_ROWS)
        bases = [principal_axes(x_RFH[::step, :, 0], components)]
    return assemble([episode], [inputs], bases).to("cpu", torch.float64)


def require_finite(adapted: Adapted) -> None:
    for value in adapted.values():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise RunError(
                "adaptation must give finite numbers; on these rows it diverged: use another "
                "export, one with a smaller inner_lr"
            )


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order, so that results do not depend on the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

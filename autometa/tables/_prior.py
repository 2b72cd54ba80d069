"""Random tables: a prior over classification tasks, from which meta-training draws.

In the spirit of the prior of TabPFN (Hollmann et al., ICLR 2023, arXiv 2207.01848, section 4):
labels and features are nodes of one random mechanism. A table has C classes (2 to 5) and D raw
columns (2 to 20, log-uniform), and is one of

- 62 %: a structural causal model shaped as an MLP. 2 to 10 causes (normal, uniform or clustered)
  feed 1 to 4 layers of 6 to 32 nodes with sparse random weights, random activations and noise on
  every node; features are random nodes, and the label is another node cut into classes (0.3 of the
  time with repeating intervals), or the largest of C nodes;
- 23 %: Gaussian mixtures of 1 to 3 components per class in 1 to 12 latent dimensions, projected;
- 15 %: a random decision tree of depth 1 to 4 on up to 5 columns.

Then 35 % get irrelevant columns, 35 % have up to 30 % of their labels redrawn, and columns are
warped: exponentials, rounding, powers, cut-offs, and categories that become indicators or ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autometa.typing import BoolArray, FloatArray, IntArray

PRIOR_VERSION = 1
N_ROWS = 224
MIN_CLASS_ROWS = 25  # 10 shots and 15 queries
MAX_ENCODED_COLUMNS = 40
_MIN_COLUMNS, _MAX_COLUMNS = 2.5, 20.5  # rounded to 2 (a half rounds to even) and 20
_CLASSES = (2, 2, 2, 3, 3, 4, 5)
_SCM_SHARE, _MIXTURE_SHARE = 0.62, 0.23
_TINY = 1e-9

_ACTIVATIONS: tuple[Callable[[FloatArray], FloatArray], ...] = (
    np.tanh,
    lambda x: np.maximum(x, 0),
    np.sin,
    lambda x: x,
    np.abs,
    np.square,
    lambda x: np.sign(x) * np.sqrt(np.abs(x)),
    lambda x: (x > 0).astype(np.float64),
    lambda x: np.exp(-np.square(x)),
)


@dataclass(frozen=True)
class RandomTable:
    """One draw of the prior.

    Attributes:
        values_RF: cells, float32, none missing.
        is_indicator_F: True for columns that hold 0 or 1.
        source_column_F: raw column of each encoded column, int32.
        y_R: class codes, int64, every class at least ``MIN_CLASS_ROWS`` times.
        raw_columns: number of raw columns.
    """

    values_RF: FloatArray
    is_indicator_F: BoolArray
    source_column_F: IntArray
    y_R: IntArray
    raw_columns: int


def random_table(seed: int, index: int) -> RandomTable:
    """Returns table ``index`` of the sequence that a seed stands for; a pure function of both."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
    while True:
        table = _draw(rng)
        if table is not None:
            return table


def _draw(rng: np.random.Generator) -> RandomTable | None:
    classes = int(rng.choice(_CLASSES))
    columns = round(float(np.exp(rng.uniform(np.log(_MIN_COLUMNS), np.log(_MAX_COLUMNS)))))
    kind = rng.random()
    if kind < _SCM_SHARE:
        x_RD, y_R = _causal_model(rng, classes, columns)
    elif kind < _SCM_SHARE + _MIXTURE_SHARE:
        x_RD, y_R = _gaussian_mixtures(rng, classes, columns)
    else:
        x_RD, y_R = _decision_tree(rng, classes, columns)
    if rng.random() < 0.35:
        irrelevant = rng.normal(size=(N_ROWS, rng.integers(1, max(2, columns))))
        x_RD = np.concatenate([x_RD, irrelevant], axis=1)
    if rng.random() < 0.35:
        is_noisy_R = rng.random(N_ROWS) < rng.uniform(0, 0.3)
        y_R = np.where(is_noisy_R, rng.integers(0, classes, N_ROWS), y_R)
    if np.bincount(y_R, minlength=classes).min() < MIN_CLASS_ROWS:
        return None
    y_R = rng.permutation(classes)[y_R].astype(np.int64)
    return _as_cells(rng, x_RD, y_R)


def _standardised(x: FloatArray) -> FloatArray:
    return np.asarray((x - x.mean(0)) / (x.std(0) + _TINY))


def _causal_model(
    rng: np.random.Generator, classes: int, columns: int
) -> tuple[FloatArray, IntArray]:
    causes, width, layers = rng.integers(2, 11), rng.integers(6, 33), rng.integers(1, 5)
    layer = _causes(rng, int(causes))
    nodes = [layer]
    is_alike, activation = rng.random() < 0.5, int(rng.integers(len(_ACTIVATIONS)))
    noise = np.exp(rng.uniform(np.log(0.02), np.log(0.7)))
    dropped = rng.uniform(0, 0.8)
    for _ in range(layers):
        weights = rng.normal(size=(layer.shape[1], width))
        weights *= rng.random(weights.shape) > dropped
        hidden = _standardised(layer @ weights)
        if is_alike:
            hidden = _ACTIVATIONS[activation](hidden)
        else:
            chosen = rng.integers(len(_ACTIVATIONS), size=width)
            for which in np.unique(chosen):
                own = chosen == which
                hidden[:, own] = _ACTIVATIONS[which](hidden[:, own])
        hidden = _standardised(hidden)
        layer = hidden + noise * rng.normal(size=hidden.shape) * rng.random(width)
        nodes.append(layer)
    has_all = rng.random() < 0.7
    x_RM = np.concatenate(nodes if has_all else [nodes[0], nodes[-1]], axis=1)
    count = x_RM.shape[1]
    # Half of the time the label is an effect: a node of the last layer.
    candidates = np.arange(count - width if rng.random() < 0.5 else 0, count)
    if rng.random() < 0.5:
        used = rng.choice(candidates, size=1)
        y_R = _cut(rng, x_RM[:, used[0]], classes)
    else:
        used = rng.choice(candidates, size=min(classes, len(candidates)), replace=False)
        votes = x_RM[:, used]
        if rng.random() < 0.5 or len(used) < classes:
            votes = votes @ rng.normal(size=(len(used), classes))
        y_R = _standardised(votes).argmax(1)
    rest = rng.permutation(np.setdiff1d(np.arange(count), used))
    # Narrow mechanisms repeat nodes.
    return x_RM[:, np.resize(rest, columns)], y_R


def _causes(rng: np.random.Generator, causes: int) -> FloatArray:
    kind = rng.integers(3)
    if kind == 0:
        x = rng.normal(size=(N_ROWS, causes))
    elif kind == 1:
        x = rng.uniform(-1, 1, size=(N_ROWS, causes))
    else:
        centres = rng.normal(size=(rng.integers(2, 9), causes))
        x = centres[rng.integers(len(centres), size=N_ROWS)]
        x = x + 0.5 * rng.normal(size=(N_ROWS, causes))
    return _standardised(x) * np.exp(0.5 * rng.normal(size=causes))


def _cut(rng: np.random.Generator, node_R: FloatArray, classes: int) -> IntArray:
    """Returns intervals of a node as classes; sometimes each class owns several intervals."""
    node_R = node_R + 1e-3 * rng.normal(size=N_ROWS)
    if rng.random() < 0.3:
        bounds = np.sort(rng.choice(node_R, size=2 * classes - 1, replace=False))
        return np.searchsorted(bounds, node_R, side="right") % classes
    shares = np.cumsum(rng.dirichlet(np.full(classes, 6.0)))[:-1]
    return np.searchsorted(_quantiles(node_R, shares), node_R, side="right")


def _gaussian_mixtures(
    rng: np.random.Generator, classes: int, columns: int
) -> tuple[FloatArray, IntArray]:
    latent, parts = int(rng.integers(1, min(columns, 12) + 1)), int(rng.integers(1, 4))
    y_R = rng.integers(0, classes, size=N_ROWS)
    part_R = rng.integers(0, parts, size=N_ROWS)
    distance = 1.5 * np.exp(rng.uniform(np.log(0.5), np.log(3))) / np.sqrt(latent)
    centres = distance * rng.normal(size=(classes, parts, latent))
    spread = np.exp(0.4 * rng.random() * rng.normal(size=(classes, latent)))
    z = centres[y_R, part_R] + spread[y_R] * rng.normal(size=(N_ROWS, latent))
    if rng.random() < 0.3:
        projection = np.eye(latent, columns)  # further columns are noise
    else:
        projection = rng.normal(size=(latent, columns))
        projection *= rng.random(projection.shape) > rng.uniform(0, 0.8)
    x_RD = _standardised(z @ projection)
    noise = np.exp(rng.uniform(np.log(0.05), np.log(1.5)))
    return x_RD + noise * rng.normal(size=x_RD.shape), y_R


def _decision_tree(
    rng: np.random.Generator, classes: int, columns: int
) -> tuple[FloatArray, IntArray]:
    x_RD = rng.normal(size=(N_ROWS, columns))
    if rng.random() < 0.6:
        mixing = rng.normal(size=(columns, columns)) * rng.random() / np.sqrt(columns)
        x_RD = x_RD @ (np.eye(columns) + mixing)
    depth = int(rng.integers(1, 5))
    relevant = rng.permutation(columns)[: rng.integers(1, min(columns, 5) + 1)]
    node_R = np.zeros(N_ROWS, np.int64)
    for level in range(depth):
        split = rng.choice(relevant, size=2**level)
        bound = 0.6 * rng.normal(size=2**level)
        is_right = x_RD[np.arange(N_ROWS), split[node_R]] > bound[node_R]
        node_R = 2 * node_R + is_right
    return x_RD, rng.integers(0, classes, size=2**depth)[node_R]


def _as_cells(rng: np.random.Generator, x_RD: FloatArray, y_R: IntArray) -> RandomTable | None:
    """Warps the columns and cuts some into categories."""
    raw_columns = x_RD.shape[1]
    x_RD = _standardised(x_RD)
    share = rng.random() ** 2 if rng.random() < 0.6 else 0.0
    is_category = np.less(rng.random(raw_columns), share)
    _warp(rng, x_RD)
    columns: list[FloatArray] = []
    flags: list[bool] = []
    sources: list[int] = []
    for source in range(raw_columns):
        cells, are_flags = x_RD[:, source, None], False
        if is_category[source]:
            cells, are_flags = _categories(rng, x_RD[:, source])
        columns.append(cells)
        flags += [are_flags] * cells.shape[1]
        sources += [source] * cells.shape[1]
    values_RF = np.concatenate(columns, axis=1)
    # Constant columns, and indicators of hardly any or nearly all rows, say nothing.
    mean_F = values_RF.mean(0)
    is_flag_F = np.array(flags)
    is_rare_F = is_flag_F & ((mean_F < 0.01) | (mean_F > 0.99))
    kept = np.flatnonzero(~is_rare_F & (values_RF.std(0) > 1e-6))
    if len(kept) > MAX_ENCODED_COLUMNS:
        kept = np.sort(rng.choice(kept, size=MAX_ENCODED_COLUMNS, replace=False))
    if len(kept) == 0:
        return None
    return RandomTable(
        values_RF=values_RF[:, kept].astype(np.float32),
        is_indicator_F=is_flag_F[kept],
        source_column_F=np.array(sources, np.int32)[kept],
        y_R=y_R,
        raw_columns=raw_columns,
    )


def _warp(rng: np.random.Generator, x_RD: FloatArray) -> None:
    """Warps 36 % of the columns in place."""
    kind, by = rng.random((2, x_RD.shape[1]))
    own = kind < 0.15
    x_RD[:, own] = np.exp(x_RD[:, own] * (0.3 + 0.9 * by[own]))
    own = (kind >= 0.15) & (kind < 0.25)
    x_RD[:, own] = np.round(x_RD[:, own] * (0.7 + 3.3 * by[own]))
    own = (kind >= 0.25) & (kind < 0.3)
    x_RD[:, own] = np.sign(x_RD[:, own]) * np.abs(x_RD[:, own]) ** (1.3 + 1.2 * by[own])
    own = (kind >= 0.3) & (kind < 0.36)
    x_RD[:, own] = np.maximum(x_RD[:, own], 0.7 * rng.normal(size=int(own.sum())))


def _categories(rng: np.random.Generator, x_R: FloatArray) -> tuple[FloatArray, bool]:
    """Returns a column cut into 2 to 6 levels, as indicators or, ordered, as one number."""
    levels = int(rng.choice((2, 2, 2, 3, 3, 4, 5, 6)))
    shares = np.cumsum(rng.dirichlet(np.full(levels, 2.0)))[:-1]
    x_R = x_R + 1e-4 * rng.normal(size=N_ROWS)
    level_R = np.searchsorted(_quantiles(x_R, shares), x_R, side="right")
    if levels > 2 and rng.random() < 0.5:
        level_R = rng.permutation(levels)[level_R]
    if levels > 2 and rng.random() < 0.3:
        return level_R[:, None].astype(np.float64), False
    shown = np.arange(levels if levels > 2 else 1)
    return (level_R[:, None] == shown).astype(np.float64), True


def _quantiles(x_R: FloatArray, shares: FloatArray) -> FloatArray:
    """Returns cells below which given shares of the column lie; much cheaper than np.quantile."""
    places = np.minimum((shares * len(x_R)).astype(np.int64), len(x_R) - 1)
    return np.asarray(np.sort(x_R)[places])

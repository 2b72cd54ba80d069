"""The classical baselines on one episode, all on the same rows and columns as the learners.

They are the yardstick of every score, so they are kept strong: ``tests/learners`` fails where one
drops below a stored sheet of plain scikit-learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from autometa.errors import UserError
from autometa.learners import _baseline_models as models
from autometa.typing import FloatArray, IntArray, Setting

BASELINE_VERSION = 2
"""Counts up whenever a change alters a baseline's probabilities; part of every cache key."""

BASELINES: tuple[str, ...] = (
    "logistic_regression",
    "lda",
    "random_forest",
    "extra_trees",
    "svm_rbf",
    "knn",
    "soft_vote",
)
"""Baselines that need labelled rows only."""

SEMI_SUPERVISED_BASELINES: tuple[str, ...] = ("label_spreading", "self_training")
"""Baselines that also use rows without labels, the query rows among them."""

VOTERS: tuple[str, ...] = ("logistic_regression", "lda", "random_forest", "extra_trees")
"""Members of the soft vote."""

_SUPERVISED: dict[str, Callable[[FloatArray, IntArray, FloatArray, int, int], FloatArray]] = {
    "logistic_regression": models.logistic_regression,
    "lda": models.lda,
    "random_forest": models.random_forest,
    "extra_trees": models.extra_trees,
    "svm_rbf": models.svm_rbf,
    "knn": models.knn,
}
_SEMI_SUPERVISED: dict[
    str, Callable[[FloatArray, IntArray, FloatArray, FloatArray, int], FloatArray]
] = {
    "label_spreading": models.label_spreading,
    "self_training": models.self_training,
}


def baselines_of(setting: Setting) -> tuple[str, ...]:
    """Returns the names of the baselines that a setting allows, in the order of reports.

    >>> baselines_of("inductive")[:3]
    ('logistic_regression', 'lda', 'random_forest')
    >>> [name for name in baselines_of("unlabelled") if name not in baselines_of("inductive")]
    ['label_spreading', 'self_training']
    """
    return BASELINES if setting == "inductive" else BASELINES + SEMI_SUPERVISED_BASELINES


def baseline_probabilities(
    x_support_SF: FloatArray,
    y_S: IntArray,
    x_query_QF: FloatArray,
    *,
    ways: int,
    seed: int,
    x_unlabelled_UF: FloatArray | None = None,
    names: Sequence[str] = BASELINES,
) -> dict[str, FloatArray]:
    """Returns the class probabilities that each baseline gives to the query rows.

    The answer depends on the arguments alone. Where the labelled rows are all
    equal, every baseline answers with the class frequencies of the support rows.

    Args:
        x_support_SF: cells of the labelled rows, z-scores, finite.
        y_S: their classes 0..ways-1. A class without a row gets probability 0.
        x_query_QF: cells of the rows to be predicted, scaled alike, finite.
        ways: number of classes W.
        seed: seed of the methods that draw random numbers, 0 to 2^32 - 1.
        x_unlabelled_UF: rows without labels for the semi-supervised baselines. The query rows may
            lead them, as ``episodes.unlabelled_rows`` returns them; they are used once either way.
        names: the baselines to run, of ``BASELINES`` and ``SEMI_SUPERVISED_BASELINES``. Members
            of the soft vote are fitted once.

    Returns:
        For each name, in the order given, probabilities of shape (Q, W), float64; rows sum to 1.

    Raises:
        UserError: a name is not a baseline.
        ValueError: cells are not finite, a label lies outside 0..ways-1, there is no labelled row,
            or a semi-supervised baseline is asked for without unlabelled rows.

    >>> x_SF, y_S = np.array([[-1.0], [1.0]]), np.array([0, 1])
    >>> found = baseline_probabilities(
    ...     x_SF, y_S, np.array([[0.9]]), ways=2, seed=0, names=["knn", "lda"]
    ... )
    >>> {name: values_QW.round(2).tolist() for name, values_QW in found.items()}
    {'knn': [[0.25, 0.75]], 'lda': [[0.14, 0.86]]}
    """
    import sklearn

    x_SF = np.ascontiguousarray(x_support_SF, np.float64)
    x_QF = np.ascontiguousarray(x_query_QF, np.float64)
    y_S = np.asarray(y_S, np.int64)
    x_UF: FloatArray | None = None
    if x_unlabelled_UF is not None:
        x_UF = np.ascontiguousarray(x_unlabelled_UF, np.float64)
    _check(x_SF, y_S, x_QF, x_UF, ways=ways, names=names)

    # The models see the classes that have a row; what they return is spread out again.
    present, dense_S = np.unique(y_S, return_inverse=True)
    x_UF = None if x_UF is None else _without_query_rows(x_UF, x_QF)
    is_trivial = len(present) < 2 or len(x_QF) == 0 or bool((x_SF == x_SF[0]).all())
    found: dict[str, FloatArray] = {}

    def probabilities_of(name: str) -> FloatArray:
        if name not in found:
            if is_trivial:
                frequency_W = np.bincount(dense_S) / len(dense_S)
                found[name] = np.tile(frequency_W, (len(x_QF), 1))
            elif name == "soft_vote":
                found[name] = np.mean([probabilities_of(voter) for voter in VOTERS], axis=0)
            elif name in _SUPERVISED:
                found[name] = _SUPERVISED[name](x_SF, dense_S, x_QF, len(present), seed)
            else:
                assert x_UF is not None
                found[name] = _SEMI_SUPERVISED[name](x_SF, dense_S, x_QF, x_UF, len(present))
        return found[name]

    results: dict[str, FloatArray] = {}
    # Cells were checked above, and settings are constants: scikit-learn need not check them again
    # in each of the hundreds of trees.
    with (
        sklearn.config_context(assume_finite=True, skip_parameter_validation=True),
        warnings.catch_warnings(),
    ):
        # One or two rows of each of many classes look like a regression to scikit-learn.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        for name in names:
            results[name] = np.zeros((len(x_QF), ways))
            results[name][:, present] = probabilities_of(name)
    return results


def _check(
    x_SF: FloatArray,
    y_S: IntArray,
    x_QF: FloatArray,
    x_UF: FloatArray | None,
    *,
    ways: int,
    names: Sequence[str],
) -> None:
    known = BASELINES + SEMI_SUPERVISED_BASELINES
    for name in names:
        if name not in known:
            raise UserError(
                f"A baseline must be one of {', '.join(known)}; got {name!r}: choose from these."
            )
        if name in SEMI_SUPERVISED_BASELINES and x_UF is None:
            raise ValueError(f"{name} needs x_unlabelled_UF; got None")
    if len(y_S) == 0 or len(y_S) != len(x_SF):
        raise ValueError(f"one label per labelled row is needed; got {len(y_S)} for {len(x_SF)}")
    if y_S.min() < 0 or y_S.max() >= ways:
        raise ValueError(f"labels must lie in 0..{ways - 1}; got {y_S.min()}..{y_S.max()}")
    for x in (x_SF, x_QF, x_UF):
        if x is not None and not np.isfinite(x).all():
            raise ValueError("cells must be finite; got NaN or infinity")


def _without_query_rows(x_UF: FloatArray, x_QF: FloatArray) -> FloatArray:
    """Returns the unlabelled rows that follow the query rows, where the query rows lead them."""
    leading = min(len(x_UF), len(x_QF))
    leads = np.array_equal(x_UF[:leading], x_QF[:leading])
    return x_UF[leading:] if leads else x_UF

"""Would a classical model do better here? Cross-validation on a user's own labelled rows.

With a handful of rows the answer is uncertain, which the standard error says; all methods see the
same rows, encoded alike.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autometa.errors import AutometaWarning, UserError
from autometa.export._classifier import FewShotClassifier
from autometa.export._frames import Columns, classes_and_codes
from autometa.learners import BASELINES, baseline_probabilities
from autometa.tables import FrameEncoder, Scaling
from autometa.typing import FloatArray, IntArray

OWN = "autometa"
"""Name of the few-shot classifier among the methods."""

_MOST_FOLDS = 10
_LEAST_PROBABILITY = 1e-3


def compare(
    X: Any,
    y: Any,
    X_unlabelled: Any = None,
    *,
    export: str | Path | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Returns how well the few-shot classifier and classical models foretell rows left out.

    Stratified cross-validation, in as many folds as the smallest class has rows, ten at most. Rows
    that are left out serve as unlabelled ones, as they do in use.

    Args:
        X: labelled rows, as for ``FewShotClassifier.fit``.
        y: their classes.
        X_unlabelled: further rows of the same table.
        export: folder of an export; the pretrained one of the package where None.
        seed: of the folds and of the models that draw random numbers.

    Returns:
        A row per method, the most accurate first: ``accuracy`` between 0 and 1 with
        ``standard_error`` over the rows, and ``log_loss`` in nats, of probabilities not below 1e-3.

    Raises:
        UserError: a class has a single row, or what ``fit`` refuses.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> table = compare(X[::25], y[::25])
    >>> sorted(table.columns)
    ['accuracy', 'log_loss', 'standard_error']
    >>> "autometa" in table.index
    True
    """
    # Here, because it brings much along that a prediction does not need.
    from sklearn.model_selection import StratifiedKFold

    columns, frame = Columns.of(X)
    classes, codes = classes_and_codes(y, len(frame))
    fewest = int(np.bincount(codes).min())
    if fewest < 2:
        rare = classes[int(np.bincount(codes).argmin())]
        raise UserError(
            f"to compare, each class needs two labelled rows; {str(rare)!r} has one: label another "
            "row of it"
        )
    further = None if X_unlabelled is None else columns.matched(X_unlabelled, estimator=OWN)
    folds = StratifiedKFold(min(_MOST_FOLDS, fewest), shuffle=True, random_state=seed)
    found = {name: np.empty((len(frame), len(classes))) for name in (OWN, *BASELINES)}
    for known, left_out in folds.split(frame, codes):
        unlabelled = frame.iloc[left_out]
        if further is not None:
            unlabelled = pd.concat([unlabelled, further], ignore_index=True)
        own = FewShotClassifier(export=export)
        with warnings.catch_warnings():
            # Said once of the whole table by the user's own fit, and not by every fold.
            warnings.simplefilter("ignore", AutometaWarning)
            own.fit(frame.iloc[known], codes[known], X_unlabelled=unlabelled)
        found[OWN][left_out] = own.predict_proba(frame.iloc[left_out])
        classical = _classical(frame, codes, known, left_out, unlabelled, seed=seed)
        for name, probability_QW in classical.items():
            found[name][left_out] = probability_QW
    table = pd.DataFrame({name: _scores(values, codes) for name, values in found.items()}).T
    return table.rename_axis("method").sort_values(
        ["accuracy", "log_loss"], ascending=[False, True], kind="stable"
    )


def verdict(compared: pd.DataFrame) -> str:
    """Returns what a comparison says, in one sentence.

    Args:
        compared: what ``compare`` returned.

    >>> compared = pd.DataFrame(
    ...     {"accuracy": [0.9, 0.7], "standard_error": [0.05, 0.05]}, index=["autometa", "lda"]
    ... )
    >>> verdict(compared)
    'autometa does better on these rows than the best classical model, lda'
    """
    best = compared.drop(index=OWN).iloc[0]
    name = str(best.name)
    own = compared.loc[OWN]
    points = 100 * float(own["accuracy"] - best["accuracy"])
    error = 100 * float(max(own["standard_error"], best["standard_error"]))
    if points < -error:
        return f"{name} does better on these rows, by {-points:.0f} points of accuracy: use it"
    if points > error:
        return f"autometa does better on these rows than the best classical model, {name}"
    return (
        f"autometa and the best classical model, {name}, are within the uncertainty on these rows "
        f"({points:+.0f} points, standard error {error:.0f})"
    )


def _classical(
    frame: pd.DataFrame,
    codes: IntArray,
    known: IntArray,
    left_out: IntArray,
    unlabelled: pd.DataFrame,
    *,
    seed: int,
) -> dict[str, FloatArray]:
    """Returns the probabilities of each classical model on the rows left out."""
    seen = pd.concat([frame.iloc[known], unlabelled], ignore_index=True)
    encoder = FrameEncoder.fit(seen)
    scaling = Scaling.fit(encoder.transform(seen), encoder.is_indicator_F)
    z_RF = scaling.transform(encoder.transform(frame))[..., 0][:, scaling.usable_F]
    return baseline_probabilities(
        z_RF[known], codes[known], z_RF[left_out], ways=int(codes.max()) + 1, seed=seed
    )


def _scores(probability_RW: FloatArray, codes: IntArray) -> dict[str, float]:
    is_right_R = probability_RW.argmax(1) == codes
    told_R = probability_RW[np.arange(len(codes)), codes].clip(_LEAST_PROBABILITY)
    return {
        "accuracy": float(is_right_R.mean()),
        "standard_error": float(is_right_R.std(ddof=1) / len(codes) ** 0.5),
        "log_loss": float(-np.log(told_R).mean()),
    }

"""Which columns an adapted classifier leans on.

A column's influence is how far predictions move when its cells are dealt anew among the rows:
permutation importance (Breiman, Random Forests, 2001, section 10; Fisher, Rudin and Dominici,
JMLR 2019) without labels, which nobody has for new rows.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from autometa.errors import UserError

if TYPE_CHECKING:
    from autometa.export._classifier import FewShotClassifier

_MOST_ROWS = 500


def column_influence(
    classifier: FewShotClassifier, X: Any, *, repeats: int = 5, seed: int = 0
) -> pd.Series[float]:
    """Returns the influence of each column on the predictions of some rows, largest first.

    Args:
        classifier: fitted.
        X: rows, as for ``predict``; of more than 500 a sample is taken.
        repeats: deals of each column's cells.
        seed: of the deals and of the sample.

    Returns:
        Column -> mean total variation between the probabilities before and after, between 0
        (nothing depends on the column) and 1.

    Raises:
        UserError: there are fewer than two rows, ``repeats`` is below 1, or a column is missing.
    """
    if repeats < 1:
        raise UserError(f"repeats must be at least 1; got {repeats}: leave it out for 5")
    frame = classifier._columns.matched(X, estimator=type(classifier).__name__)
    if len(frame) < 2:
        raise UserError(
            f"explain needs at least two rows, whose cells it deals anew; got {len(frame)}: give "
            "more rows, the labelled ones too"
        )
    rng = np.random.default_rng(seed)
    if len(frame) > _MOST_ROWS:
        frame = frame.iloc[np.sort(rng.permutation(len(frame))[:_MOST_ROWS])]
    frame = frame.reset_index(drop=True)
    found = {}
    with warnings.catch_warnings():
        # Said of X already; the columns of an array have got their names since.
        warnings.filterwarnings("ignore", "X has feature names", UserWarning)
        before_QW = classifier.predict_proba(frame)
        for name in frame.columns:
            moved = 0.0
            for _ in range(repeats):
                dealt = frame.copy(deep=False)
                dealt[name] = frame[name].iloc[rng.permutation(len(frame))].reset_index(drop=True)
                after_QW = classifier.predict_proba(dealt)
                moved += float(np.abs(after_QW - before_QW).sum(1).mean()) / 2
            found[name] = moved / repeats
    return pd.Series(found, name="influence", dtype=float).sort_values(
        ascending=False, kind="stable"
    )

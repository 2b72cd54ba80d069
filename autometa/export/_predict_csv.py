"""From two table files to predictions: labelled rows in one, rows to predict in the other."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autometa.errors import AutometaWarning, UserError
from autometa.export._classifier import FewShotClassifier
from autometa.export._compare import compare
from autometa.logging import get_logger
from autometa.tables import read_frame

_logger = get_logger(__name__)
_SHOWN = 10
_FIRST_LINE = 2  # the header is line 1


def predict_csv(
    support_path: str | Path,
    rows_path: str | Path,
    *,
    target: str,
    export: str | Path | None = None,
) -> pd.DataFrame:
    """Returns the predicted class and the class probabilities of every row of a file.

    Files are read as any table file is: CSV with comma, semicolon or tab, Parquet or ARFF. The
    rows to predict also serve as unlabelled rows. A target column among them is ignored, which
    the log says.

    Args:
        support_path: file of the labelled rows.
        rows_path: file of the rows to predict, with the same columns in any order.
        target: name of the column with the classes.
        export: folder of an export; the pretrained one where None.

    Returns:
        One row per row of ``rows_path``, in its order: ``prediction``, then ``p(<class>)`` for
        each class.

    Raises:
        UserError: a file cannot be read, the target or another column is missing, a labelled row
            has no class, there is one class only, or the export cannot be used.

    >>> labelled = pd.DataFrame({"hours": [1, 9] * 3, "passed": ["no", "yes"] * 3})
    >>> labelled.to_csv("labelled.csv", index=False)
    >>> pd.DataFrame({"hours": [8, 2]}).to_csv("new.csv", index=False)
    >>> predicted = predict_csv("labelled.csv", "new.csv", target="passed")
    >>> predicted["prediction"].tolist(), list(predicted.columns)
    (['yes', 'no'], ['prediction', 'p(no)', 'p(yes)'])
    """
    support, labels, rows = _read(support_path, rows_path, target)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AutometaWarning)
        classifier = FewShotClassifier(export=export).fit(support, labels, X_unlabelled=rows)
    for warning in caught:
        _logger.warning("%s", warning.message)
    return _as_frame(classifier.classes_, classifier.predict_proba(rows))


def compare_csv(
    support_path: str | Path,
    rows_path: str | Path,
    *,
    target: str,
    export: str | Path | None = None,
) -> pd.DataFrame:
    """Returns how well the classifier and classical models foretell labelled rows left out.

    Arguments and errors are those of ``predict_csv``, the result and a class with a single row
    those of ``compare``.

    >>> labelled = pd.DataFrame({"hours": [1, 9, 2, 8], "passed": ["no", "yes"] * 2})
    >>> labelled.to_csv("labelled.csv", index=False)
    >>> pd.DataFrame({"hours": [7, 3]}).to_csv("new.csv", index=False)
    >>> table = compare_csv("labelled.csv", "new.csv", target="passed")
    >>> float(table.loc["autometa", "accuracy"])
    1.0
    """
    support, labels, rows = _read(support_path, rows_path, target)
    return compare(support, labels, rows, export=export)


def _read(
    support_path: str | Path, rows_path: str | Path, target: str
) -> tuple[pd.DataFrame, pd.Series[Any], pd.DataFrame]:
    """Returns the labelled rows, their classes, and the rows to predict with the same columns."""
    support = read_frame(Path(support_path))
    rows = read_frame(Path(rows_path))
    if target not in support.columns:
        raise UserError(
            f"the target must be a column of {support_path}; got {target!r}: choose one of "
            f"{_listed(support.columns)}"
        )
    labels = support.pop(target)
    _require_labels(labels, support_path, target)
    missing = [name for name in support.columns if name not in rows.columns]
    if missing:
        raise UserError(
            f"{rows_path} must have the columns of {support_path}; missing: {_listed(missing)}: "
            "add them, with empty cells where nothing is known"
        )
    if target in rows.columns:
        _logger.warning("the column %r of %s is the target and is ignored", target, rows_path)
    return support, labels, rows[list(support.columns)]


def _as_frame(classes: np.ndarray[Any, Any], probability_QW: np.ndarray[Any, Any]) -> pd.DataFrame:
    predictions = pd.DataFrame({"prediction": classes[probability_QW.argmax(1)]})
    names = [f"p({name})" for name in classes]
    return pd.concat([predictions, pd.DataFrame(probability_QW, columns=names)], axis=1)


def _require_labels(labels: pd.Series[Any], path: str | Path, target: str) -> None:
    if labels.empty:
        raise UserError(f"{path} must have labelled rows; got none: add a row of every class")
    missing = np.flatnonzero(labels.isna())
    if len(missing):
        raise UserError(
            f"every row of {path} must have a class in {target!r}; {len(missing)} have none, the "
            f"first on line {missing[0] + _FIRST_LINE}: delete these rows or move them to the rows "
            "to predict"
        )


def _listed(names: Any) -> str:
    shown = ", ".join(repr(str(name)) for name in list(names)[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"

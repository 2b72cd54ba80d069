"""What users pass as ``X`` and ``y`` becomes a frame with text names, and classes with codes.

Messages about shapes begin as scikit-learn's do, so that its users (and its own checks of
estimators) recognise them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import column_or_1d

from autometa.errors import UserError
from autometa.typing import IntArray

_SHOWN = 5


@dataclass(frozen=True)
class Columns:
    """The columns that a classifier was fitted on.

    Attributes:
        names: their names as text, or their positions where ``X`` was an array.
        is_named: ``X`` was a frame.
    """

    names: tuple[str, ...]
    is_named: bool

    @classmethod
    def of(cls, X: Any) -> tuple[Columns, pd.DataFrame]:
        """Returns the columns of ``X`` and ``X`` as a frame with rows numbered from 0.

        Raises:
            UserError: ``X`` has no rows, no columns, two columns of one name, or is no table.
        """
        frame, is_named = _as_frame(X)
        for axis, what in enumerate(("sample(s)", "feature(s)")):
            if frame.shape[axis] == 0:
                raise UserError(
                    f"Found array with 0 {what} (shape={frame.shape}) while a minimum of 1 is "
                    "required: X must have rows and columns"
                )
        return cls(tuple(frame.columns), is_named), frame

    def matched(self, X: Any, *, estimator: str) -> pd.DataFrame:
        """Returns ``X`` as a frame with exactly these columns, in this order.

        Frames are matched by name (further columns are ignored), arrays by position.

        Raises:
            UserError: a column is missing, or an array has another number of columns.
        """
        frame, is_named = _as_frame(X)
        if self.is_named and is_named:
            missing = [name for name in self.names if name not in frame.columns]
            if missing:
                raise UserError(
                    f"X must have the columns that {estimator} was fitted on; missing: "
                    f"{_listed(missing)}: add them, empty if need be"
                )
            return frame[list(self.names)]
        if frame.shape[1] != len(self.names):
            raise UserError(
                f"X has {frame.shape[1]} features, but {estimator} is expecting "
                f"{len(self.names)} features as input: give the same columns as to fit"
            )
        if self.is_named:
            warnings.warn(
                f"X does not have valid feature names, but {estimator} was fitted with feature "
                "names; columns are matched by position",
                UserWarning,
                stacklevel=4,
            )
        elif is_named:
            warnings.warn(
                f"X has feature names, but {estimator} was fitted without feature names; columns "
                "are matched by position",
                UserWarning,
                stacklevel=4,
            )
        return frame.set_axis(list(self.names), axis=1)


def _as_frame(X: Any) -> tuple[pd.DataFrame, bool]:
    if not isinstance(X, pd.DataFrame) and hasattr(X, "to_pandas"):  # polars, arrow
        X = X.to_pandas()
    if isinstance(X, pd.DataFrame):
        names = [str(name) for name in X.columns]
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise UserError(
                f"columns of X must have different names; got {_listed(twice)} more than once: "
                "rename them"
            )
        return X.set_axis(names, axis=1).reset_index(drop=True), True
    if hasattr(X, "tocsr"):
        raise UserError(
            "Sparse data was passed, but dense data is required: give X.toarray() or a DataFrame"
        )
    # Lists become objects first: as one array, [1, "a"] would turn into text.
    cells = X if isinstance(X, np.ndarray) else _object_array(X)
    if cells.ndim != 2:
        raise UserError(
            f"Expected 2D array, got {cells.ndim}D array instead: X must have a row per example "
            "and a column per feature. Reshape your data with X.reshape(-1, 1) if it is one "
            "column or X.reshape(1, -1) if it is one row"
        )
    is_complex = cells.dtype.kind == "c" or (
        cells.dtype == object and any(isinstance(cell, complex) for cell in cells.flat)
    )
    if is_complex:
        raise UserError("Complex data not supported: give real and imaginary parts as columns")
    frame = pd.DataFrame(
        # From nested lists pandas finds a type for every column.
        cells.tolist() if cells.dtype == object else cells,
        columns=range(cells.shape[1]),
        copy=False,  # it is only read
    )
    return frame.set_axis([str(name) for name in frame.columns], axis=1), False


def _object_array(X: Any) -> Any:
    try:
        if hasattr(X, "__array__"):
            return np.asarray(X)
        return np.array(X, dtype=object)
    except ValueError:
        raise UserError(
            "rows of X must have equal lengths; got a ragged list: give every row all columns"
        ) from None


def classes_and_codes(y: Any, rows: int) -> tuple[np.ndarray[Any, Any], IntArray]:
    """Returns the sorted classes of ``y`` and the class code of each row.

    Raises:
        UserError: ``y`` is missing, has gaps, another length than ``X``, numbers that are no
            classes, mixed kinds, or a single class.
    """
    if y is None:
        raise UserError(
            "FewShotClassifier requires y to be passed, but the target y is None: give a label "
            "for every row of X"
        )
    values = _one_dimensional(y)
    if len(values) != rows:
        raise UserError(
            f"Found input variables with inconsistent numbers of samples: [{rows}, {len(values)}]:"
            " X and y must have as many rows as each other"
        )
    missing = np.flatnonzero(pd.isna(values))
    if len(missing):
        raise UserError(
            f"Input y contains NaN: every row of X must have a label, and {len(missing)} have none "
            f"(row {_listed(missing.tolist())}); drop them or pass them as X_unlabelled"
        )
    if values.dtype == object:
        if len({isinstance(value, str) for value in values}) > 1:
            raise UserError(
                "labels must be of one kind; got text and other values mixed: convert y to text"
            )
        values = np.asarray(values.tolist())
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise UserError(
                f"Input y contains infinity or a value too large for {values.dtype!r}: labels "
                "must be classes"
            )
        if (values != np.floor(values)).any():
            raise UserError(
                "Unknown label type: continuous. Labels must be classes; got numbers with "
                "fractions: cut them into classes or use a regression method"
            )
    classes, codes = np.unique(values, return_inverse=True)
    if len(classes) < 2:
        raise UserError(
            "y must have at least two classes; got one class, "
            f"{_listed(classes.tolist())}: add a labelled row of another class"
        )
    return classes, codes.astype(np.int64)


def _one_dimensional(y: Any) -> np.ndarray[Any, Any]:
    if isinstance(y, pd.DataFrame) and y.shape[1] == 1:
        y = y.iloc[:, 0]
    if isinstance(y, pd.Series | pd.Index | pd.Categorical):
        array = np.asarray(y)
        # Nullable and text columns: NumPy has objects for them.
        return array if array.dtype.kind in "biufM" else np.asarray(y, dtype=object)
    # As objects: a NaN among texts would become the text "nan".
    array = y if isinstance(y, np.ndarray) else np.array(y, dtype=object)
    try:
        flat: np.ndarray[Any, Any] = column_or_1d(array, warn=True)
    except ValueError as error:
        raise UserError(f"{error}: y must hold one label per row") from None
    return flat


def balanced_rows(codes: IntArray, limit: int, *, rng: np.random.Generator) -> IntArray:
    """Returns at most ``limit`` rows, ascending, with classes as equal in number as they can be.

    Small classes keep all of their rows; every class keeps at least one, even where there are
    more classes than ``limit``.
    """
    counts = np.bincount(codes)
    quota = 1
    while np.minimum(counts, quota + 1).sum() <= limit and quota < counts.max():
        quota += 1
    spare = limit - int(np.minimum(counts, quota).sum())
    kept = []
    for code in rng.permutation(len(counts)):
        taken = quota
        if spare > 0 and counts[code] > quota:
            taken, spare = quota + 1, spare - 1
        kept.append(rng.permutation(np.flatnonzero(codes == code))[:taken])
    return np.sort(np.concatenate(kept))


def _listed(values: Any) -> str:
    shown = ", ".join(repr(value) for value in np.asarray(values[:_SHOWN], object).tolist())
    return shown if len(values) <= _SHOWN else f"{shown} and {len(values) - _SHOWN} more"

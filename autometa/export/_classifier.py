"""A meta-trained learner as a scikit-learn classifier."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from autometa.config import effective_inner_steps
from autometa.errors import AutometaWarning, UnfamiliarTableWarning, UserError
from autometa.export._familiarity import far_figures
from autometa.export._frames import Columns, balanced_rows, classes_and_codes
from autometa.export._read import read_export
from autometa.export._support import (
    chunk_rows,
    one_thread,
    require_finite,
    support_batch,
    with_further_rows,
)
from autometa.tables import FrameEncoder, Scaling
from autometa.typing import FloatArray, IntArray

MAX_SUPPORT_ROWS = 1000
"""Labelled rows that a learner adapts to; of more, a class-balanced sample is taken."""

STATE_VERSION = 4
"""Counts up when what a fitted classifier keeps changes; pickles of another version are refused."""


class FewShotClassifier(ClassifierMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Classifies rows of a table from a handful of labelled ones.

    A meta-trained learner adapts to the labelled rows in a fraction of a second; nothing is
    tuned. Numbers, texts, categories, booleans, dates and missing cells may be given as they are.
    Classes may have any number of rows, one included, and there may be more classes than in
    meta-training.

    The same export and rows give the same probabilities to 1e-5 on any machine: adaptation runs
    in float64 on one thread and has no random part.

    Args:
        export: folder of an export; the pretrained one of the package where None.

    Attributes:
        classes_: the classes, sorted.
        n_features_in_: number of columns of ``X``.
        feature_names_in_: their names, where ``X`` was a frame with text names.

    As a transformer, for example to stack it below another model, it gives the probabilities as
    columns; ``set_output(transform="pandas")`` names them.

    >>> from sklearn.base import clone
    >>> clone(FewShotClassifier(export="results/runs/quickstart/export")).get_params()
    {'export': 'results/runs/quickstart/export'}
    """

    def __init__(self, export: str | Path | None = None) -> None:
        self.export = export

    def fit(self, X: Any, y: Any, X_unlabelled: Any = None) -> Self:
        """Adapts to labelled rows.

        Args:
            X: labelled rows: a frame (mixed columns, missing cells) or an array or nested list.
                Of more than 1,000 rows a class-balanced sample is adapted to, with a warning.
                A table far from those of meta-training gives an ``UnfamiliarTableWarning``.
            y: the class of each row: texts, whole numbers, booleans or a categorical.
            X_unlabelled: further rows of the same table, such as those to be predicted, which make
                the encoding of the columns better, and tell some learners which rows are alike;
                5,000 of them are looked at, fewer where there are more than 500 columns.

        Raises:
            UserError: the export cannot be used, a label is missing, there is one class only, or
                no column tells rows apart.
            RunError: adaptation gave numbers that are not finite.

        >>> labelled = pd.DataFrame(
        ...     {"length": [5.1, 4.9, 7.0, None], "colour": ["white", "white", "blue", "blue"]}
        ... )
        >>> classifier = FewShotClassifier().fit(labelled, ["a", "a", "b", "b"])
        >>> classifier.classes_.tolist()
        ['a', 'b']
        """
        export = read_export(self.export)
        learner = export.learner()
        columns, frame = Columns.of(X)
        classes, codes = classes_and_codes(y, len(frame))
        rng = np.random.default_rng(0)
        support: IntArray = np.arange(len(frame))
        if len(frame) > MAX_SUPPORT_ROWS:
            support = balanced_rows(codes, MAX_SUPPORT_ROWS, rng=rng)
            warnings.warn(
                f"FewShotClassifier adapts to {MAX_SUPPORT_ROWS} rows at most; got {len(frame)}, "
                f"of which a class-balanced sample of {len(support)} is used: for tables of this "
                "size consider a gradient-boosted forest",
                AutometaWarning,
                stacklevel=2,
            )
        known = frame.iloc[support]
        seen = with_further_rows(
            known, self._further_rows(frame, support, columns, X_unlabelled), rng
        )
        encoder = FrameEncoder.fit(seen)
        values_RF = encoder.transform(seen)
        scaling = Scaling.fit(values_RF, encoder.is_indicator_F)
        if not scaling.usable_F.any():
            reasons = "; ".join(f"{name}: {reason}" for name, reason in encoder.dropped.items())
            raise UserError(
                "X must have a column that tells rows apart; got none "
                f"({reasons or 'every column is constant'}): add a column or further rows"
            )
        far = far_figures(
            export.provenance.get("figures_seen", {}),
            scaling.stats_FJ,
            scaling.usable_F,
            classes=len(classes),
        )
        if far:
            warnings.warn(
                f"this table lies far outside those of meta-training ({'; '.join(far)}): a "
                "classical model may do better, compare them by cross-validation or with "
                "`autometa evaluate`",
                UnfamiliarTableWarning,
                stacklevel=2,
            )
        with one_thread(), torch.no_grad():
            batch = support_batch(
                scaling.transform(values_RF), codes[support], scaling, learner.components
            )
            adapted = learner.adapt(batch)
        require_finite(adapted)

        self._columns, self._encoder, self._scaling = columns, encoder, scaling
        self._learner, self._adapted = learner, adapted
        self._support = None if effective_inner_steps(learner.config) is None else batch
        self.classes_ = classes
        self.n_features_in_ = len(columns.names)
        self.__dict__.pop("feature_names_in_", None)
        if columns.is_named and all(isinstance(name, str) for name in X.columns):
            self.feature_names_in_ = np.array(columns.names, dtype=object)
        return self

    def predict(self, X: Any) -> np.ndarray[Any, Any]:
        """Returns the most probable class of each row.

        Raises:
            UserError: a column is missing.

        >>> classifier = FewShotClassifier().fit([[0.0, 1.0], [1.0, 0.0]] * 3, ["no", "yes"] * 3)
        >>> classifier.predict([[0.1, 0.8], [0.9, 0.2]]).tolist()
        ['no', 'yes']
        """
        best_Q = self._probabilities(X).argmax(1)
        return np.asarray(self.classes_[best_Q])

    def predict_proba(self, X: Any) -> FloatArray:
        """Returns the probability of each class (rows x classes, in the order of ``classes_``).

        Rows are predicted independently of one another, in chunks of bounded memory; nothing is
        fitted again.

        Raises:
            UserError: a column is missing.

        >>> classifier = FewShotClassifier().fit([[0.0, 1.0], [1.0, 0.0]] * 3, ["no", "yes"] * 3)
        >>> classifier.predict_proba([[0.1, 0.8]]).shape
        (1, 2)
        """
        return self._probabilities(X)

    def transform(self, X: Any) -> FloatArray:
        """Returns the same as :meth:`predict_proba`, as features for another model.

        Raises:
            UserError: a column is missing.
        """
        return self._probabilities(X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray[Any, Any]:
        """Returns the names of the columns of ``transform``: one for each class.

        Args:
            input_features: ignored, as the columns are not those of ``X``.
        """
        check_is_fitted(self)
        name = type(self).__name__.lower()
        return np.array([f"{name}_{label}" for label in self.classes_], dtype=object)

    @property
    def adaptation_curve_(self) -> pd.DataFrame:
        """How the inner loop fits the labelled rows (``accuracy``, ``log_loss`` in nats).

        A row for each number of inner steps, from 0 to twice the learner's own; none where the
        learner has no inner loop, as the pretrained one. It is computed when asked for. A loss
        that does not fall says that the steps do not fit these rows; one that is near zero says
        nothing of other rows.
        """
        from autometa.export._own_curve import support_curve

        check_is_fitted(self)
        with one_thread(), torch.no_grad():
            return support_curve(self._learner, self._support)

    def explain(self, X: Any, *, repeats: int = 5) -> pd.Series[float]:
        """Returns how much the predictions of rows lean on each column, largest first.

        Args:
            X: rows, as for ``predict``; of more than 500 a sample is taken.
            repeats: how often each column's cells are dealt anew among the rows.

        Returns:
            Column -> mean change of the probabilities (total variation), between 0 and 1.

        Raises:
            UserError: there are fewer than two rows, a column is missing, or ``repeats`` is
                below 1.

        >>> rows = pd.DataFrame({"tells": [0, 1] * 5, "noise": range(10)})
        >>> classifier = FewShotClassifier().fit(rows, rows["tells"])
        >>> classifier.explain(rows).index[0]
        'tells'
        """
        from autometa.export._explain import column_influence

        check_is_fitted(self)
        return column_influence(self, X, repeats=repeats)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return state | {"_state_version": STATE_VERSION}

    def __setstate__(self, state: dict[str, Any]) -> None:
        version = state.pop("_state_version", 1)
        if "_adapted" in state and version != STATE_VERSION:
            raise UserError(
                f"a pickled classifier must be of this version of autometa; it has state version "
                f"{version}, and this one reads version {STATE_VERSION}: fit it again on its rows"
            )
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _further_rows(
        self, frame: pd.DataFrame, support: IntArray, columns: Columns, X_unlabelled: Any
    ) -> list[pd.DataFrame]:
        further = [frame.drop(index=pd.Index(support))]
        if X_unlabelled is not None:
            further.append(columns.matched(X_unlabelled, estimator=type(self).__name__))
        return [rows for rows in further if len(rows)]

    def _probabilities(self, X: Any) -> FloatArray:
        check_is_fitted(self)
        frame = self._columns.matched(X, estimator=type(self).__name__)
        step = chunk_rows(len(self._scaling.usable_F))
        probability_QW = np.empty((len(frame), len(self.classes_)))
        with one_thread(), torch.no_grad():
            for start in range(0, len(frame), step):
                values_QF = self._encoder.transform(frame.iloc[start : start + step])
                x_TQFH = torch.from_numpy(self._scaling.transform(values_QF)[None]).double()
                logits_TQW = self._learner.predict(self._adapted, x_TQFH)
                probability_QW[start : start + step] = logits_TQW[0].softmax(-1).numpy()
        return probability_QW


def load(path: str | Path | None = None) -> FewShotClassifier:
    """Returns a classifier of an export, which is read and checked at once.

    Args:
        path: the export's folder; the pretrained one of the package where None.

    Raises:
        UserError: the export cannot be used.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> classifier = load().fit(X[::10], y[::10])
    >>> classifier.predict(X[:3]).tolist()
    [0, 0, 0]
    """
    read_export(path)
    return FewShotClassifier(export=path)

"""The classical baselines: strong, robust, and what they claim to be.

``tests/assets/baselines.csv`` holds mean accuracies of plain scikit-learn on the tables that
scikit-learn ships, at 1, 5 and 10 rows per class. It was written by ``write_stored_sheet`` below:
``python tests/learners/test_baselines.py`` makes it again. Nothing of autometa takes part in
it: tables are standardised, episodes drawn and methods fitted by the functions of this file, each
method as a scikit-learn pipeline. Shrunken LDA cannot be fitted to one row per class; there the
nearest row stands for it, as it does for three neighbours.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import Mock

import numpy as np
import pytest

from autometa.learners._baselines import (
    BASELINES,
    SEMI_SUPERVISED_BASELINES,
    VOTERS,
    baseline_probabilities,
    baselines_of,
)

STORED = Path(__file__).parents[1] / "assets" / "baselines.csv"
TABLES = ("iris", "wine", "breast_cancer", "digits")
SHOTS = (1, 5, 10)
EPISODES = 6
METHODS = ("logistic_regression", "lda", "random_forest", "extra_trees", "svm_rbf", "knn")
ALL = BASELINES + SEMI_SUPERVISED_BASELINES
HALF_A_POINT = 0.005


class Drawn(NamedTuple):
    """An episode's cells and labels, and the seed of the methods."""

    x_SF: Any
    y_S: Any
    x_QF: Any
    y_Q: Any
    ways: int
    seed: int


def episodes(shot: int) -> Iterator[Drawn]:
    """Yields the fixed episodes of all tables: at most 5 classes, 15 queries per class."""
    from sklearn import datasets

    for name in TABLES:
        table = getattr(datasets, f"load_{name}")()
        varies = table.data.std(axis=0) > 0
        x_RF = table.data[:, varies]
        x_RF = np.clip((x_RF - x_RF.mean(axis=0)) / x_RF.std(axis=0), -6, 6).astype(np.float32)
        rng = np.random.default_rng([zlib.crc32(name.encode()), shot])
        for seed in range(EPISODES):
            classes = rng.permutation(table.target.max() + 1)[:5]
            drawn = [rng.permutation(np.flatnonzero(table.target == code)) for code in classes]
            support = np.concatenate([rows[:shot] for rows in drawn])
            query = np.concatenate([rows[shot : shot + 15] for rows in drawn])
            ways = len(classes)
            labels_S, labels_Q = np.repeat(np.arange(ways), shot), np.repeat(np.arange(ways), 15)
            yield Drawn(x_RF[support], labels_S, x_RF[query], labels_Q, ways, seed)


def plain_predictions(method: str, drawn: Drawn, shot: int) -> Any:
    """Returns the classes that a plain scikit-learn pipeline predicts."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.svm import SVC

    shrunken = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    estimators = {
        "logistic_regression": LogisticRegression(max_iter=10_000),
        "lda": KNeighborsClassifier(1) if shot == 1 else shrunken,
        "random_forest": RandomForestClassifier(n_estimators=100, random_state=drawn.seed),
        "extra_trees": ExtraTreesClassifier(n_estimators=100, random_state=drawn.seed),
        "svm_rbf": SVC(C=10.0),
        "knn": KNeighborsClassifier(1 if shot == 1 else 3),
    }
    in_double = FunctionTransformer(np.asarray, kw_args={"dtype": np.float64})
    pipeline = make_pipeline(in_double, estimators[method])
    return pipeline.fit(drawn.x_SF, drawn.y_S).predict(drawn.x_QF)


def write_stored_sheet(path: Path) -> None:
    """Writes the mean accuracy of each method at each shot, as measured by plain scikit-learn."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["method", "shot", "accuracy", "episodes"])
        for method in METHODS:
            for shot in SHOTS:
                shares = [
                    float((plain_predictions(method, drawn, shot) == drawn.y_Q).mean())
                    for drawn in episodes(shot)
                ]
                writer.writerow([method, shot, f"{np.mean(shares):.5f}", len(shares)])


@pytest.mark.parametrize("shot", SHOTS)
def test_no_baseline_is_weaker_than_plain_scikit_learn(shot: int) -> None:
    """No method loses more than half a point of accuracy against the stored sheet."""
    with STORED.open(encoding="utf-8") as file:
        stored = {row["method"]: row for row in csv.DictReader(file) if int(row["shot"]) == shot}
    right: dict[str, list[float]] = {method: [] for method in METHODS}

    for drawn in episodes(shot):
        probabilities = baseline_probabilities(
            drawn.x_SF, drawn.y_S, drawn.x_QF, ways=drawn.ways, seed=drawn.seed, names=METHODS
        )
        for method in METHODS:
            hits = probabilities[method].argmax(axis=1) == drawn.y_Q
            right[method].append(float(hits.mean()))

    assert set(stored) == set(METHODS)
    for method in METHODS:
        assert len(right[method]) == int(stored[method]["episodes"])
        assert np.mean(right[method]) >= float(stored[method]["accuracy"]) - HALF_A_POINT, method


def blobs(
    shots: list[int], *, columns: int = 6, queries: int = 20, seed: int = 0
) -> tuple[Any, Any, Any, Any]:
    """Returns support cells, labels, query cells and labels of Gaussian classes."""
    rng = np.random.default_rng(seed)
    ways = len(shots)
    centres = rng.normal(size=(ways, columns))
    y_S, y_Q = np.repeat(np.arange(ways), shots), np.arange(queries) % ways
    x_SF = (centres[y_S] + 0.7 * rng.normal(size=(len(y_S), columns))).astype(np.float32)
    x_QF = (centres[y_Q] + 0.7 * rng.normal(size=(queries, columns))).astype(np.float32)
    return x_SF, y_S, x_QF, y_Q


def assert_probabilities(probabilities: dict[str, Any], queries: int, ways: int) -> None:
    """Fails unless everything is a distribution over the classes."""
    for name, p_QW in probabilities.items():
        assert p_QW.shape == (queries, ways), name
        assert np.isfinite(p_QW).all(), name
        assert (p_QW >= 0).all(), name
        np.testing.assert_allclose(p_QW.sum(axis=1), 1, err_msg=name)


@pytest.mark.parametrize("shots", [[1, 1], [1, 1, 1, 1, 1], [5, 5, 5], [1, 4, 9], [2, 1]])
def test_every_baseline_gives_probabilities(shots: list[int]) -> None:
    """Few and unequal rows per class give one distribution per query row, better than chance."""
    x_SF, y_S, x_QF, y_Q = blobs(shots, queries=60)

    probabilities = baseline_probabilities(
        x_SF, y_S, x_QF, ways=len(shots), seed=0, x_unlabelled_UF=x_QF, names=ALL
    )

    assert tuple(probabilities) == ALL
    assert_probabilities(probabilities, 60, len(shots))
    for name, p_QW in probabilities.items():
        assert (p_QW.argmax(axis=1) == y_Q).mean() > 1 / len(shots), name


def test_the_soft_vote_is_the_mean_of_its_members() -> None:
    """The vote averages the members' probabilities, whether or not they are asked for too."""
    x_SF, y_S, x_QF, _ = blobs([3, 3, 3])
    arguments = {"ways": 3, "seed": 5}

    together = baseline_probabilities(x_SF, y_S, x_QF, **arguments)
    alone = baseline_probabilities(x_SF, y_S, x_QF, **arguments, names=["soft_vote"])

    mean = np.mean([together[name] for name in VOTERS], axis=0)
    np.testing.assert_allclose(together["soft_vote"], mean)
    np.testing.assert_array_equal(alone["soft_vote"], together["soft_vote"])


def test_members_of_the_soft_vote_are_fitted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vote reuses what its members answered."""
    from autometa.learners import _baselines

    spies = {name: Mock(side_effect=fit) for name, fit in _baselines._SUPERVISED.items()}
    monkeypatch.setattr(_baselines, "_SUPERVISED", spies)
    x_SF, y_S, x_QF, _ = blobs([2, 2])

    baseline_probabilities(x_SF, y_S, x_QF, ways=2, seed=0, names=["soft_vote", *VOTERS])

    assert all(spy.call_count == (name in VOTERS) for name, spy in spies.items())


def test_forests_are_those_of_scikit_learn() -> None:
    """Growing the trees by hand gives the probabilities of scikit-learn's forests."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    x_SF, y_S, x_QF, _ = blobs([4, 4, 4])

    ours = baseline_probabilities(
        x_SF, y_S, x_QF, ways=3, seed=7, names=["random_forest", "extra_trees"]
    )

    for name, forest in (
        ("random_forest", RandomForestClassifier),
        ("extra_trees", ExtraTreesClassifier),
    ):
        theirs = forest(n_estimators=100, random_state=7).fit(x_SF, y_S).predict_proba(x_QF)
        np.testing.assert_allclose(ours[name], theirs, atol=1e-12)


@pytest.mark.parametrize("columns", [3, 40])
def test_lda_is_that_of_scikit_learn(columns: int) -> None:
    """With four rows of every class or more, LDA is scikit-learn's, constant columns included."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    x_SF, y_S, x_QF, _ = blobs([4, 5, 9], columns=columns)
    x_SF[:, 1] = x_QF[:, 1] = 0.25
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    theirs = model.fit(x_SF.astype(np.float64), y_S).predict_proba(x_QF.astype(np.float64))

    ours = baseline_probabilities(x_SF, y_S, x_QF, ways=3, seed=0, names=["lda"])["lda"]

    np.testing.assert_allclose(ours, theirs, atol=1e-8)


def test_lda_of_two_rows_per_class_does_not_break_down() -> None:
    """Where scikit-learn's covariance is singular, ours is not, and the accuracy shows it."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    ours, theirs = [], []
    for seed in range(20):
        x_SF, y_S, x_QF, y_Q = blobs([2] * 4, columns=12, queries=60, seed=seed)
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x_SF, y_S)
        theirs.append((model.predict(x_QF) == y_Q).mean())

        p_QW = baseline_probabilities(x_SF, y_S, x_QF, ways=4, seed=0, names=["lda"])["lda"]
        ours.append((p_QW.argmax(axis=1) == y_Q).mean())

    assert np.mean(ours) > np.mean(theirs) + 0.05


@pytest.mark.parametrize("name", ["lda", "knn"])
def test_with_single_rows_the_nearest_wins(name: str) -> None:
    """With one row per class, LDA and neighbours choose the nearest row, not the lowest class."""
    x_SF, y_S, x_QF, _ = blobs([1, 1, 1, 1])

    p_QW = baseline_probabilities(x_SF, y_S, x_QF, ways=4, seed=0, names=[name])[name]

    nearest = ((x_QF[:, None] - x_SF) ** 2).sum(axis=-1).argmin(axis=1)
    np.testing.assert_array_equal(p_QW.argmax(axis=1), nearest)
    assert p_QW.min() > 0


def test_the_seed_decides_the_forests_only() -> None:
    """Equal seeds give equal answers; another seed changes what draws random numbers."""
    x_SF, y_S, x_QF, _ = blobs([3, 3])

    first, again, other = (
        baseline_probabilities(x_SF, y_S, x_QF, ways=2, seed=seed, x_unlabelled_UF=x_QF, names=ALL)
        for seed in (1, 1, 2**32 - 1)
    )

    changed = {name for name in ALL if not np.array_equal(first[name], other[name])}
    assert all(np.array_equal(first[name], again[name]) for name in ALL)
    assert changed == {"random_forest", "extra_trees", "soft_vote"}


def test_no_global_random_state_is_used() -> None:
    """NumPy's global generator is neither read nor advanced."""
    x_SF, y_S, x_QF, _ = blobs([2, 2])
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not move

    baseline_probabilities(x_SF, y_S, x_QF, ways=2, seed=0, x_unlabelled_UF=x_QF, names=ALL)

    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("name", SEMI_SUPERVISED_BASELINES)
def test_unlabelled_rows_help_where_classes_are_clusters(name: str) -> None:
    """With one labelled row at the edge of each of two clusters, unlabelled rows put it right."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    x_UF = np.stack([6 * labels - 3, np.zeros(200)], axis=1) + 0.6 * rng.normal(size=(200, 2))
    x_SF = np.array([[-2.0, 2.5], [2.0, -2.5]])

    arguments = {"ways": 2, "seed": 0, "x_unlabelled_UF": x_UF, "names": [name]}
    p_QW = baseline_probabilities(x_SF, np.array([0, 1]), x_UF[:50], **arguments)[name]

    assert (p_QW.argmax(axis=1) == labels[:50]).mean() >= 0.95


@pytest.mark.parametrize("name", SEMI_SUPERVISED_BASELINES)
def test_query_rows_count_once_among_the_unlabelled(name: str) -> None:
    """It makes no difference whether the query rows lead the unlabelled rows or not."""
    x_SF, y_S, x_QF, _ = blobs([2, 2])
    x_UF = blobs([2, 2], queries=30, seed=1)[2]
    arguments = {"ways": 2, "seed": 0, "names": [name]}

    with_them, without, none_left = (
        baseline_probabilities(x_SF, y_S, x_QF, x_unlabelled_UF=rows, **arguments)[name]
        for rows in (np.concatenate([x_QF, x_UF]), x_UF, x_UF[:0])
    )

    np.testing.assert_array_equal(with_them, without)
    assert_probabilities({name: none_left}, len(x_QF), 2)


def test_hard_cells_break_nothing() -> None:
    """Constant, repeated, collinear and extreme cells give distributions and no warning."""
    x_SF, y_S, x_QF, _ = blobs([4, 4, 4], columns=5)
    x_SF[:, 0] = x_QF[:, 0] = 6.0
    x_SF[:, 2], x_QF[:, 2] = x_SF[:, 1], x_QF[:, 1]
    x_SF[y_S == 0] = x_SF[0]
    x_SF[:, 3] = np.where(y_S == 1, 6.0, -6.0)

    probabilities = baseline_probabilities(
        x_SF, y_S, x_QF, ways=3, seed=0, x_unlabelled_UF=x_QF, names=ALL
    )

    assert_probabilities(probabilities, len(x_QF), 3)


def test_classes_that_repeat_one_row_each_break_nothing() -> None:
    """Without any variance within the classes, LDA is the nearest centroid."""
    x_SF = np.repeat([[0.0, 1.0], [1.0, 0.0]], 3, axis=0)

    probabilities = baseline_probabilities(
        x_SF,
        np.repeat([0, 1], 3),
        np.array([[0.2, 0.9], [0.9, 0.2]]),
        ways=2,
        seed=0,
        x_unlabelled_UF=x_SF,
        names=ALL,
    )

    assert_probabilities(probabilities, 2, 2)
    assert probabilities["lda"].argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize("columns", [0, 3])
def test_equal_rows_give_the_class_frequencies(columns: int) -> None:
    """Where cells tell nothing, or there is no column, the answer is the class frequencies."""
    probabilities = baseline_probabilities(
        np.ones((4, columns)),
        np.array([0, 1, 1, 1]),
        np.zeros((2, columns)),
        ways=2,
        seed=0,
        x_unlabelled_UF=np.zeros((5, columns)),
        names=ALL,
    )

    for name in ALL:
        np.testing.assert_allclose(probabilities[name], [[0.25, 0.75]] * 2, err_msg=name)


def test_a_class_without_rows_has_probability_zero() -> None:
    """Classes keep their place although one was never seen, also where nothing is asked."""
    x_SF, y_S, x_QF, _ = blobs([3, 3])

    probabilities = baseline_probabilities(x_SF, y_S * 2, x_QF, ways=3, seed=0)
    single = baseline_probabilities(x_SF[:3], y_S[:3] + 1, x_QF, ways=3, seed=0)
    nothing = baseline_probabilities(x_SF, y_S, x_QF[:0], ways=3, seed=0)

    assert_probabilities(probabilities, len(x_QF), 3)
    assert all((p_QW[:, 1] == 0).all() for p_QW in probabilities.values())
    assert all((p_QW[:, 1] == 1).all() for p_QW in single.values())
    assert all(p_QW.shape == (0, 3) for p_QW in nothing.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_S": np.array([0, 0, 1])}, "one label per labelled row is needed; got 3 for 4"),
        ({"y_S": np.array([0, 0, 1, 2])}, r"must lie in 0\.\.1; got 0\.\.2"),
        ({"y_S": np.array([0, 0, 1, -1])}, r"must lie in 0\.\.1; got -1\.\.1"),
        ({"x_query_QF": np.full((1, 6), np.nan)}, "must be finite"),
        ({"names": ["self_training"]}, "self_training needs x_unlabelled_UF"),
        ({"names": ["xgboost"]}, r"one of logistic_regression, .* got 'xgboost'"),
    ],
)
def test_wrong_inputs_are_refused(changes: dict[str, Any], message: str) -> None:
    """The message says what was expected and what came."""
    x_SF, y_S, x_QF, _ = blobs([2, 2])
    arguments = {"x_support_SF": x_SF, "y_S": y_S, "x_query_QF": x_QF, "ways": 2, "seed": 0}

    with pytest.raises(ValueError, match=message):
        baseline_probabilities(**arguments | changes)


def test_the_inductive_setting_has_no_semi_supervised_baseline() -> None:
    """Baselines that need unlabelled rows take part where there are some."""
    assert baselines_of("inductive") == BASELINES
    assert baselines_of("transductive") == baselines_of("unlabelled") == ALL


if __name__ == "__main__":
    write_stored_sheet(STORED)


def test_one_row_of_many_classes_is_no_regression() -> None:
    """More than twenty rows, each a class of its own, are fitted without a warning."""
    x_SF, y_S, x_QF, _ = blobs([1] * 30, columns=3)

    probabilities = baseline_probabilities(
        x_SF, y_S, x_QF, ways=30, seed=0, x_unlabelled_UF=x_QF, names=ALL
    )

    assert_probabilities(probabilities, len(x_QF), 30)

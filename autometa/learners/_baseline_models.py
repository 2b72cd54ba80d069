"""The classical methods behind the baselines: labelled rows in, probabilities of query rows out.

Every function takes ``(x_SF, y_S, x_QF, ways, seed)`` and returns probabilities QW; the
semi-supervised ones take further unlabelled rows. Cells are z-scores in float64, every class
0..ways-1 has at least one row, and there is at least one column: ``_baselines.py`` sees to it.

Settings are those that did best, over several tables, at 1 to 10 rows per class; where a
scikit-learn default did as well, it was kept.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from autometa.typing import FloatArray, IntArray

TREES = 100
_NEIGHBOURS = 3
_SVM_C = 10.0
_ROWS_FOR_OWN_COVARIANCE = 4
# Three rounds of pseudo-labels at 90 % certainty, which together weigh less than a third of the
# labelled rows: full weight and more rounds cost accuracy and log-loss at every shot.
_CERTAINTY = 0.9
_ROUNDS = 3
_PSEUDO_SHARE = 0.3
_SPREADING = 0.5
_SPREADING_NEIGHBOUR = 7


def softmax(logits_QW: FloatArray) -> FloatArray:
    """Returns the softmax over the last axis, without overflow."""
    shifted = np.exp(logits_QW - logits_QW.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def _fitted_logistic_regression(x_SF: FloatArray, y_S: IntArray, weight_S: Any = None) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # L-BFGS may end its line search on rounding errors at the optimum of separable rows and
        # reports that like a failure; the coefficients are then exact to the last few digits.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=1.0, max_iter=1000).fit(x_SF, y_S, sample_weight=weight_S)


def logistic_regression(
    x_SF: FloatArray, y_S: IntArray, x_QF: FloatArray, ways: int, seed: int
) -> FloatArray:
    """Multinomial logistic regression, ridge penalty with C = 1."""
    return np.asarray(_fitted_logistic_regression(x_SF, y_S).predict_proba(x_QF))


def lda(x_SF: FloatArray, y_S: IntArray, x_QF: FloatArray, ways: int, seed: int) -> FloatArray:
    """Linear discriminant analysis with Ledoit-Wolf shrinkage (``shrinkage="auto"``).

    With four rows of every class or more, it is scikit-learn's (solver ``lsqr``). Without any
    spread within the classes (one row each, or equal rows), every column gets the same variance,
    D for D columns: the nearest class centroid, with probabilities that stay as soft on wide
    tables as on narrow ones.
    """
    counts_W = np.bincount(y_S, minlength=ways)
    means_WF = np.stack([x_SF[y_S == way].mean(axis=0) for way in range(ways)])
    covariance_FF = _covariance_within(x_SF - means_WF[y_S], y_S, counts_W)
    if np.trace(covariance_FF) < 1e-9:
        covariance_FF = np.eye(x_SF.shape[1]) * x_SF.shape[1]
    weights_FW = np.linalg.lstsq(covariance_FF, means_WF.T, rcond=None)[0]
    offsets_W = np.log(counts_W / counts_W.sum()) - 0.5 * (means_WF.T * weights_FW).sum(axis=0)
    return softmax(x_QF @ weights_FW + offsets_W)


def _covariance_within(residuals_SF: FloatArray, y_S: IntArray, counts_W: IntArray) -> FloatArray:
    """Returns the shrunken covariance (FF) of rows around the mean of their class.

    scikit-learn shrinks each class by itself and averages. With two rows per class the shrinkage
    is then 0 and the covariance singular, which costs ten points of accuracy; so below four rows
    the residuals of all classes are shrunk together.

    Source: Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance
    matrices", 2004.
    """
    from sklearn.covariance import ledoit_wolf

    rows, ways = len(y_S), len(counts_W)
    if counts_W.min() < _ROWS_FOR_OWN_COVARIANCE:
        parts = [(residuals_SF, 1 / max(1, rows - ways))]
    else:
        parts = [(residuals_SF[y_S == way], 1 / rows) for way in range(ways)]
    covariance_FF = np.zeros((residuals_SF.shape[1],) * 2)
    for part_SF, share in parts:
        scale_F = part_SF.std(axis=0)
        scale_F[scale_F < 1e-9] = 1.0
        shrunk_FF, _ = ledoit_wolf(part_SF / scale_F, assume_centered=True)
        covariance_FF += share * len(part_SF) * shrunk_FF * np.outer(scale_F, scale_F)
    return covariance_FF


def random_forest(
    x_SF: FloatArray, y_S: IntArray, x_QF: FloatArray, ways: int, seed: int
) -> FloatArray:
    """A random forest of 100 trees: the probabilities of scikit-learn's, tree by tree.

    Growing the trees here instead of in ``RandomForestClassifier`` draws the same random numbers
    and saves its scheduling, which is half of the time with so few rows.
    """
    from sklearn.tree import DecisionTreeClassifier

    x_SF, x_QF = x_SF.astype(np.float32), x_QF.astype(np.float32)
    seeds = np.random.RandomState(seed)
    rows = len(y_S)
    probabilities_QW = np.zeros((len(x_QF), ways))
    for _ in range(TREES):
        tree_seed = int(seeds.randint(np.iinfo(np.int32).max))
        bootstrap = np.random.RandomState(tree_seed).randint(0, rows, rows)
        weight_S = np.bincount(bootstrap, minlength=rows).astype(np.float64)
        tree = DecisionTreeClassifier(max_features="sqrt", random_state=tree_seed)
        tree.fit(x_SF, y_S, sample_weight=weight_S, check_input=False)
        probabilities_QW += tree.predict_proba(x_QF, check_input=False)
    return np.asarray(probabilities_QW / TREES)


def extra_trees(
    x_SF: FloatArray, y_S: IntArray, x_QF: FloatArray, ways: int, seed: int
) -> FloatArray:
    """Extremely randomised trees, 100 of them: the probabilities of scikit-learn's."""
    from sklearn.tree import ExtraTreeClassifier

    x_SF, x_QF = x_SF.astype(np.float32), x_QF.astype(np.float32)
    seeds = np.random.RandomState(seed)
    probabilities_QW = np.zeros((len(x_QF), ways))
    for _ in range(TREES):
        tree_seed = int(seeds.randint(np.iinfo(np.int32).max))
        tree = ExtraTreeClassifier(max_features="sqrt", random_state=tree_seed)
        tree.fit(x_SF, y_S, check_input=False)
        probabilities_QW += tree.predict_proba(x_QF, check_input=False)
    return np.asarray(probabilities_QW / TREES)


def svm_rbf(x_SF: FloatArray, y_S: IntArray, x_QF: FloatArray, ways: int, seed: int) -> FloatArray:
    """A support vector machine (RBF kernel, C = 10), softmax of its decision values.

    Platt scaling needs folds within the support rows, which one row per class does not have.
    """
    from sklearn.svm import SVC

    # The seed has no effect, but without one the global generator would be advanced.
    model = SVC(C=_SVM_C, gamma="scale", random_state=seed).fit(x_SF, y_S)
    decision = model.decision_function(x_QF)
    if ways == 2:
        decision = np.stack([-decision, decision], axis=1)
    return softmax(decision)


def knn(x_SF: FloatArray, y_S: IntArray, x_QF: FloatArray, ways: int, seed: int) -> FloatArray:
    """Three nearest neighbours, votes smoothed by half a vote per class.

    One neighbour where a class has a single row, which could never win two votes of three. A
    nearer neighbour's vote weighs one percent more, which only breaks ties.
    """
    distance_QS = squared_distances(x_QF, x_SF)
    neighbours = min(_NEIGHBOURS, 2 * int(np.bincount(y_S, minlength=ways).min()) - 1)
    nearest = np.argsort(distance_QS, axis=1, kind="stable")[:, :neighbours]
    votes_QW = np.full((len(x_QF), ways), 0.5)
    for rank in range(neighbours):
        votes_QW[np.arange(len(x_QF)), y_S[nearest[:, rank]]] += 1 - 0.01 * rank
    return np.asarray(votes_QW / votes_QW.sum(axis=1, keepdims=True))


def squared_distances(a_RF: FloatArray, b_RF: FloatArray) -> FloatArray:
    """Returns the squared Euclidean distances between the rows of two arrays."""
    products = a_RF @ b_RF.T
    squares = (a_RF**2).sum(axis=1)[:, None] + (b_RF**2).sum(axis=1)
    return np.asarray(np.maximum(squares - 2 * products, 0.0))


def label_spreading(
    x_SF: FloatArray, y_S: IntArray, x_QF: FloatArray, x_UF: FloatArray, ways: int
) -> FloatArray:
    """Label spreading over a graph of labelled, query and unlabelled rows, in closed form.

    F = (I - a S)^-1 Y with S the normalised affinities. Affinities are exp(-d² / (s_i s_j)) with
    s_i the distance to the seventh neighbour, so that no kernel width has to be chosen.

    Source: Zhou et al., "Learning with local and global consistency", 2003, section 2; local
    scaling: Zelnik-Manor and Perona, "Self-tuning spectral clustering", 2004, equation 1.
    """
    x_RF = np.concatenate([x_SF, x_QF, x_UF])
    rows = len(x_RF)
    distance_RR = squared_distances(x_RF, x_RF)
    np.fill_diagonal(distance_RR, 0.0)
    neighbour = min(_SPREADING_NEIGHBOUR, rows - 1)
    width_R = np.sqrt(np.partition(distance_RR, neighbour, axis=1)[:, neighbour]) + 1e-6
    affinity_RR = np.exp(-distance_RR / np.outer(width_R, width_R))
    np.fill_diagonal(affinity_RR, 0.0)
    root_R = 1 / np.sqrt(affinity_RR.sum(axis=1) + 1e-12)
    spread_RR = _SPREADING * affinity_RR * np.outer(root_R, root_R)
    known_RW = np.zeros((rows, ways))
    known_RW[np.arange(len(y_S)), y_S] = 1.0
    mass_RW = np.linalg.solve(np.eye(rows) - spread_RR, known_RW)
    # A row that no label reaches gets an equal share of every class.
    mass_QW = np.maximum(mass_RW[len(y_S) : len(y_S) + len(x_QF)], 1e-12)
    return np.asarray(mass_QW / mass_QW.sum(axis=1, keepdims=True))


def self_training(
    x_SF: FloatArray, y_S: IntArray, x_QF: FloatArray, x_UF: FloatArray, ways: int
) -> FloatArray:
    """Logistic regression that is refitted on its own confident predictions of unlabelled rows.

    Query rows serve as unlabelled rows as well.
    """
    x_UF = np.concatenate([x_QF, x_UF])
    model = _fitted_logistic_regression(x_SF, y_S)
    seen = b""
    for _ in range(_ROUNDS):
        guess_UW = model.predict_proba(x_UF)
        confident_U = guess_UW.max(axis=1) >= _CERTAINTY
        labels = guess_UW.argmax(axis=1)[confident_U]
        state = confident_U.tobytes() + labels.tobytes()
        if len(labels) == 0 or state == seen:
            break
        seen = state
        weight = min(1.0, _PSEUDO_SHARE * len(y_S) / len(labels))
        model = _fitted_logistic_regression(
            np.concatenate([x_SF, x_UF[confident_U]]),
            np.concatenate([y_S, labels]),
            np.concatenate([np.ones(len(y_S)), np.full(len(labels), weight)]),
        )
    return np.asarray(model.predict_proba(x_QF))

"""Probabilities of a learner with and without what may be added to it, on the episodes of a task.

Pseudo-labels: the learner predicts up to 200 rows without labels, and adapts again with the rows
that it is surest of, as many of each class as it has labelled ones.

Fusion: the learner and classical experts each predict labelled rows that are left out (folds that
hold a row of each class, five at most), and count in a mixture of their probabilities by the
likelihood of those rows. With one labelled row per class nothing can be left out, and the learner
stands alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold

from autometa.episodes import Episode, episode_inputs, pack
from autometa.evaluation import EvaluationTask
from autometa.learners import AbstractLearner, baseline_probabilities
from autometa.typing import FloatArray, IntArray

EXPERTS = ("logistic_regression", "lda", "extra_trees")
UNLABELLED_ROWS = 200

_FOLDS = 5
_FLOOR = 0.01
"""Least probability that a left-out row's class is taken to have had."""


def learner_probabilities(
    learner: AbstractLearner, task: EvaluationTask, episodes: Sequence[Episode]
) -> list[FloatArray]:
    """Returns the probabilities (QW) of each episode's query rows."""
    many = len(episodes)
    batch = pack(
        episodes, [task.table] * many, [task.setting] * many, components=learner.components
    )
    with torch.no_grad():
        found_TQW = learner(batch).softmax(-1).double().numpy()
    return [
        found_QW[: len(episode.query_rows_Q), : episode.ways]
        for found_QW, episode in zip(found_TQW, episodes, strict=True)
    ]


def with_pseudo_labels(learner: AbstractLearner, task: EvaluationTask) -> list[FloatArray]:
    """Returns the probabilities after adapting to sure rows as well."""
    rng = np.random.default_rng([task.seed, zlib.crc32(task.table.sha256.encode()), task.shot])
    pools = [_unlabelled(task, episode, rng) for episode in task.episodes]
    asked = [
        _with_queries(episode, rows_U) for episode, rows_U in zip(task.episodes, pools, strict=True)
    ]
    believed = learner_probabilities(learner, task, asked)
    enlarged = [
        _enlarged(episode, rows_U, found_UW)
        for episode, rows_U, found_UW in zip(task.episodes, pools, believed, strict=True)
    ]
    return learner_probabilities(learner, task, enlarged)


def with_experts(
    learner: AbstractLearner, task: EvaluationTask, alone: Sequence[FloatArray]
) -> list[FloatArray]:
    """Returns mixtures of the learner's probabilities and those of the experts.

    Args:
        learner: the learner.
        task: its episodes.
        alone: what the learner says by itself.
    """
    if min(int(np.bincount(e.support_labels_S).min()) for e in task.episodes) < 2:
        return list(alone)
    mixed = []
    for number, (episode, own_QW) in enumerate(zip(task.episodes, alone, strict=True)):
        seed = zlib.crc32(f"{task.table.sha256} {task.shot} {number}".encode())
        parts = _left_out(episode, seed=seed)
        left_out = learner_probabilities(learner, task, parts)
        likelihood_M = np.zeros(1 + len(EXPERTS))
        for part, own_LW in zip(parts, left_out, strict=True):
            members = [own_LW, *_experts(task, part, seed=seed)]
            rows_L = np.arange(len(part.query_labels_Q))
            likelihood_M += [
                np.log(np.maximum(said_LW[rows_L, part.query_labels_Q], _FLOOR)).sum()
                for said_LW in members
            ]
        weight_M = np.exp(likelihood_M - likelihood_M.max())
        weight_M /= weight_M.sum()
        members = [own_QW, *_experts(task, episode, seed=seed)]
        mixed.append(np.tensordot(weight_M, np.stack(members), 1))
    return mixed


def _experts(task: EvaluationTask, episode: Episode, *, seed: int) -> list[FloatArray]:
    x_SF, x_QF = episode_inputs(task.table, episode, task.setting)
    found = baseline_probabilities(
        x_SF, episode.support_labels_S, x_QF, ways=episode.ways, seed=seed, names=EXPERTS
    )
    return [found[name] for name in EXPERTS]


def _left_out(episode: Episode, *, seed: int) -> list[Episode]:
    """Returns episodes on the labelled rows alone, each of which is asked about once."""
    labels_S = episode.support_labels_S
    folds = StratifiedKFold(
        min(_FOLDS, int(np.bincount(labels_S).min())), shuffle=True, random_state=seed
    )
    rows_S = episode.support_rows_S
    return [
        Episode(rows_S[kept], labels_S[kept], rows_S[out], labels_S[out], episode.ways)
        for kept, out in folds.split(rows_S, labels_S)
    ]


def _unlabelled(task: EvaluationTask, episode: Episode, rng: np.random.Generator) -> IntArray:
    """Returns the query rows and further rows of the table, as the self-training baseline has."""
    taken = np.concatenate([episode.support_rows_S, episode.query_rows_Q])
    others = np.setdiff1d(np.arange(len(task.table.y_R)), taken, assume_unique=True)
    return np.concatenate([episode.query_rows_Q, rng.permutation(others)])[:UNLABELLED_ROWS]


def _with_queries(episode: Episode, rows_U: IntArray) -> Episode:
    """Returns an episode that asks about other rows, whose labels nobody reads."""
    unread_U = np.zeros(len(rows_U), np.int64)
    return Episode(episode.support_rows_S, episode.support_labels_S, rows_U, unread_U, episode.ways)


def _enlarged(episode: Episode, rows_U: IntArray, believed_UW: FloatArray) -> Episode:
    """Returns an episode whose support also holds the surest rows of each class."""
    rows, labels = [episode.support_rows_S], [episode.support_labels_S]
    likeliest_U = believed_UW.argmax(1)
    for way, count in enumerate(np.bincount(episode.support_labels_S, minlength=episode.ways)):
        own = np.flatnonzero(likeliest_U == way)
        surest = own[np.argsort(-believed_UW[own, way], kind="stable")[:count]]
        rows.append(rows_U[surest])
        labels.append(np.full(len(surest), way, np.int64))
    return Episode(
        np.concatenate(rows),
        np.concatenate(labels),
        episode.query_rows_Q,
        episode.query_labels_Q,
        episode.ways,
    )

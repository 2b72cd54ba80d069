"""How the steps of the inner loop fit the labelled rows that a classifier adapts to."""

from __future__ import annotations

import pandas as pd
import torch

from autometa.episodes import EpisodeBatch
from autometa.evaluation import by_inner_steps
from autometa.learners import AbstractLearner

_COLUMNS = ["accuracy", "log_loss"]


def support_curve(learner: AbstractLearner, batch: EpisodeBatch | None) -> pd.DataFrame:
    """Returns accuracy and log-loss of a task's support rows by the number of inner steps.

    Args:
        learner: a meta-trained learner; it is left as it is.
        batch: one task, without padding; None for a learner without an inner loop.

    Returns:
        A row per number of steps, 0 to twice the learner's own; none without an inner loop.
    """
    rows: dict[int, tuple[float, float]] = {}
    if batch is not None:
        for steps, changed in by_inner_steps(learner):
            logits_SW = changed.predict(changed.adapt(batch), batch.x_support_TSFH)[0]
            is_right_S = logits_SW.argmax(1) == batch.y_TS[0]
            loss = torch.nn.functional.cross_entropy(logits_SW, batch.y_TS[0])
            rows[steps] = float(is_right_S.double().mean()), float(loss)
    curve = pd.DataFrame(list(rows.values()), columns=_COLUMNS, index=list(rows), dtype=float)
    return curve.rename_axis("inner_steps")

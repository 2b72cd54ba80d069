"""How accuracy grows with the steps of the inner loop.

The curve of MAML (Finn et al., ICML 2017, figures 2 and 3): the weights stay as they are, and
only the number of inner steps changes, to beyond the one that they were trained with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autometa.config import effective_inner_steps
from autometa.evaluation._evaluate import score_learner
from autometa.evaluation._tasks import EvaluationTask

if TYPE_CHECKING:
    from autometa.learners import AbstractLearner

_MOST_STEPS_FACTOR = 2


@dataclass(frozen=True)
class AdaptationPoint:
    """The scores of a learner after some steps of its inner loop.

    Attributes:
        inner_steps: steps taken; 0 is the learner before it adapts.
        accuracy: mean over families and cells, between 0 and 1.
        log_loss: likewise, in nats.

    >>> point = AdaptationPoint(inner_steps=4, accuracy=0.81, log_loss=0.52)
    >>> f"{point.accuracy:.0%} after {point.inner_steps} inner steps"
    '81% after 4 inner steps'
    """

    inner_steps: int
    accuracy: float
    log_loss: float


def adaptation_curve(
    learner: AbstractLearner, tasks: Sequence[EvaluationTask]
) -> list[AdaptationPoint]:
    """Returns a learner's scores after 0, 1, 2, 4, ... inner steps, up to twice its own number.

    Args:
        learner: a meta-trained learner; it is left as it is.
        tasks: what to score on.

    Returns:
        One point for each number of steps, its own among them; nothing for a learner whose inner
        steps have no effect.

    >>> from autometa.config import MamlConfig
    >>> from autometa.evaluation import evaluation_tasks
    >>> from autometa.learners import build_learner
    >>> from autometa.tables import load_source, parse_source
    >>> tables, _ = load_source(parse_source("sklearn:iris"))
    >>> tasks = evaluation_tasks(tables, shots=[5], episodes=2)
    >>> curve = adaptation_curve(build_learner(MamlConfig(inner_steps=2), seed=0), tasks)
    >>> [point.inner_steps for point in curve], curve[-1].log_loss < curve[0].log_loss
    ([0, 1, 2, 4], True)
    """
    curve = []
    for steps, changed in by_inner_steps(learner):
        sheet = score_learner(changed, tasks, method="learner")
        curve.append(
            AdaptationPoint(
                steps, sheet.mean("accuracy", "learner"), sheet.mean("log_loss", "learner")
            )
        )
    return curve


def by_inner_steps(learner: AbstractLearner) -> Iterator[tuple[int, AbstractLearner]]:
    """Yields a learner with 0, 1, 2, 4, ... inner steps, up to twice its own number.

    Args:
        learner: it is left as it is.

    Yields:
        The steps, its own number among them, and a copy that takes so many; nothing for a learner
        whose inner steps have no effect.

    >>> from autometa.config import MamlConfig
    >>> from autometa.learners import build_learner
    >>> learner = build_learner(MamlConfig(inner_steps=3), seed=0)
    >>> [(steps, changed.config.inner_steps) for steps, changed in by_inner_steps(learner)]
    [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]
    """
    own = effective_inner_steps(learner.config)
    if own is not None:
        for steps in _step_counts(own):
            yield steps, _with_steps(learner, steps)


def _step_counts(own: int) -> list[int]:
    """Returns 0, the powers of two up to twice a learner's own number of steps, and that number."""
    counts, step = {0, own}, 1
    while step <= max(1, _MOST_STEPS_FACTOR * own):
        counts.add(step)
        step *= 2
    return sorted(counts)


def _with_steps(learner: AbstractLearner, steps: int) -> AbstractLearner:
    from autometa.learners import build_learner

    config = learner.config.model_copy(update={"inner_steps": steps})
    changed = build_learner(config, seed=0)
    changed.load_state_dict(learner.state_dict())
    return changed.to(next(learner.parameters()).dtype).eval()

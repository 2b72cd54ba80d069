"""Parallel coordinates: axes as the study file has them, trials of one learner."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.trial import TrialState

from autometa.config import Choices, FloatRange, IntRange, StudySpec
from autometa.report import Evidence, gather, pictures, report_html
from autometa.report._parallel import _marks, _scale, drawn_learner
from autometa.search import StudyData, prepare_study
from autometa.search._space import suggest


@pytest.fixture
def evidence(little_study: Callable[..., StudySpec]) -> Evidence:
    """A study of two learners, with the values of its trials made up."""
    spec = little_study(
        learner={},
        space={
            "learner": {
                "choices": {
                    "maml": {
                        "inner_lr": {"low": 0.1, "high": 10.0, "log": True},
                        "inner_steps": {"low": 1, "high": 20},
                    },
                    "column_kernel": {
                        "head": {"choices": ["ridge", "descent"]},
                        "inner_steps": {"low": 1, "high": 10},
                    },
                }
            }
        },
    )
    study, _ = prepare_study(spec, StudyData.load(spec))
    learners = ["maml", "column_kernel"]
    for number in range(14):
        if number >= len(learners):
            study.enqueue_trial({"learner": learners[number % 5 > 1]})
        trial = study.ask()
        suggest(trial, spec)
        trial.report(0.01 * number, step=spec.training.rungs[0])
        study.tell(trial, state=TrialState.PRUNED)
    return gather(study)


def test_one_learner_is_drawn_without_its_prefix(evidence: Evidence) -> None:
    """Where no trial has won it is the most frequent one, and the caption names it."""
    figure = pictures(evidence)["parallel"]

    assert drawn_learner(evidence) == "column_kernel"
    assert len(figure.data) == len(evidence.reached("column_kernel")) > 7
    texts = {note.text: note for note in figure.layout.annotations}
    names = [texts[f"<b>{name}</b>"] for name in ("head", "inner_steps", "value at 2")]
    assert names[0].y == names[2].y != names[1].y
    assert {"ridge", "descent"} <= texts.keys()
    page = report_html(evidence)
    assert "Every trial of column_kernel that reached the first rung" in page
    few = len(evidence.reached("maml"))
    assert 2 < few < 8
    assert f"less than 8, to tell for maml ({few})." in page


def test_a_trial_that_did_not_draw_a_meta_parameter_is_at_its_foot(evidence: Evidence) -> None:
    """Inner steps do nothing beside the ridge head."""
    frame = evidence.reached("column_kernel")
    figure = pictures(evidence)["parallel"]

    idle = int((frame["params.column_kernel.head"] == "ridge").sum())
    assert idle > 0
    assert sum(line.y[1] == 0 for line in figure.data) == idle
    assert "not drawn" in {note.text for note in figure.layout.annotations}


def test_axes_follow_the_dimension() -> None:
    """Logarithms, whole numbers and lists are drawn as they are searched."""
    share_of, marks = _scale(FloatRange(low=0.1, high=10.0, log=True))
    assert share_of(1.0) == pytest.approx(0.5)
    assert marks == pytest.approx([0.1, 10**-0.5, 1.0, 10**0.5, 10.0])
    assert _scale(FloatRange(low=0.0, high=4.0))[0](1.0) == pytest.approx(0.25)
    for item in (
        IntRange(low=1, high=20),
        IntRange(low=2, high=20, step=3),
        IntRange(low=1, high=3),
    ):
        marks = _marks(item)
        assert all(isinstance(mark, int) and item.clip(mark) == mark for mark in marks)
        assert (marks[0], marks[-1]) == (item.low, item.high)
    share_of, marks = _scale(Choices(choices=(64, 16)))
    assert marks == [16, 64]
    assert (share_of(16), share_of(64)) == (0.25, 0.75)

"""What adaptation may read, what it changes, and what it must not depend on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from _pytest.mark.structures import ParameterSet

from autometa.episodes import Episode, EpisodeBatch, EpisodeInputs
from autometa.learners import AbstractLearner, cross_entropy

MakeLearner = Callable[..., AbstractLearner]
Task = tuple[Episode, EpisodeInputs]

Fields = dict[str, str]


def _named(learners: list[tuple[str, Fields]]) -> list[ParameterSet]:
    return [
        pytest.param(name, fields, id="-".join([name, *map(str, fields.values())]))
        for name, fields in learners
    ]


DESCENDING = _named(
    [
        ("maml", {"inputs": "columns", "head": "prototype"}),
        ("maml", {"inputs": "padded", "head": "prototype"}),
        ("maml", {"inputs": "projected", "head": "zero"}),
        ("fomaml", {"inputs": "projected", "head": "prototype"}),
        ("fomaml", {"inputs": "padded", "head": "zero"}),
        ("anil", {"inputs": "projected", "head": "zero"}),
        ("proto_maml", {"inputs": "projected"}),
        ("reptile", {"inputs": "padded"}),
        ("column_kernel", {"adapt": "head", "head": "descent"}),
        ("column_kernel", {"adapt": "head+scales"}),
        ("column_kernel", {"adapt": "head+scales", "head": "descent", "gate": False}),
    ]
)
ONE_PASS = _named(
    [
        ("protonet", {"inputs": "projected"}),
        ("in_context", {"inputs": "columns"}),
        ("in_context", {"inputs": "padded"}),
        ("column_kernel", {"adapt": "head"}),
        ("column_kernel", {"adapt": "head", "smoothing": True}),
        ("column_kernel", {"head": "descent", "gate": False, "smoothing": True}),
    ]
)
every_learner = pytest.mark.parametrize(("name", "fields"), DESCENDING + ONE_PASS)


def support_loss(learner: AbstractLearner, batch: EpisodeBatch) -> torch.Tensor:
    """Returns the loss (T) of the support rows under the adapted state."""
    with torch.no_grad():
        return cross_entropy(
            learner.predict(learner.adapt(batch), batch.x_support_TSFH), batch.y_TS
        )


@every_learner
def test_logits_have_one_finite_entry_per_query_row_and_present_way(
    name: str, fields: dict[str, str], batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Absent ways get no probability, and nothing is infinite or NaN."""
    logits_TQW = make_learner(name, **fields)(batch)

    assert logits_TQW.shape == (*batch.y_TQ.shape, batch.ways)
    assert torch.isfinite(logits_TQW).all()
    absent = ~batch.way_mask_TW[:, None].expand_as(logits_TQW)
    assert logits_TQW.softmax(-1)[absent].max() == 0


@pytest.mark.parametrize(("name", "fields"), DESCENDING)
def test_predictions_use_the_adapted_state(
    name: str, fields: dict[str, str], batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """The query loss after five inner steps is not that after none."""
    start = make_learner(name, inner_lr=0.1, inner_steps=0, **fields)(batch)

    adapted = make_learner(name, inner_lr=0.1, inner_steps=5, **fields)(batch)

    losses = [cross_entropy(logits, batch.y_TQ) for logits in (start, adapted)]
    assert ((losses[0] - losses[1]).abs() > 1e-3).all()


@pytest.mark.parametrize(("name", "fields"), DESCENDING[:-2])
def test_small_steps_lower_the_support_loss(
    name: str, fields: dict[str, str], batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """At a small inner rate every further step lowers the support loss of each task."""
    losses = []

    for inner_steps in (0, 2, 5):
        learner = make_learner(name, inner_lr=0.01, inner_steps=inner_steps, **fields)
        with torch.no_grad():
            # The temperature sharpens predictions but has no part in the inner loss.
            for parameter_name, value in learner.named_parameters():
                if parameter_name.endswith("log_temperature"):
                    value.zero_()
        losses.append(support_loss(learner, batch))

    assert (losses[1] < losses[0]).all()
    assert (losses[2] < losses[1]).all()


@every_learner
def test_adaptation_never_reads_query_rows_or_labels(
    name: str, fields: dict[str, str], batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Poisoned labels and masks, and cells out of sight, leave the adapted state as it was."""
    learner = make_learner(name, **fields)
    visible_TR = batch.visible_TR.clone()
    visible_TR[:, batch.support_rows + 2 :] = False
    batch = dataclasses.replace(batch, visible_TR=visible_TR)
    x_TRFH, row_mask_TR = batch.x_TRFH.clone(), batch.row_mask_TR.clone()
    x_TRFH[:, batch.support_rows + 2 :] = float("nan")
    row_mask_TR[:, batch.support_rows :] = False
    poisoned = dataclasses.replace(
        batch, x_TRFH=x_TRFH, row_mask_TR=row_mask_TR, y_TQ=torch.full_like(batch.y_TQ, 10**6)
    )

    clean, adapted = learner.adapt(batch), learner.adapt(poisoned)

    assert clean.keys() == adapted.keys()
    for key, value in clean.items():
        torch.testing.assert_close(adapted[key], value, rtol=0, atol=0)


@every_learner
def test_evaluation_gives_the_logits_of_training(
    name: str, fields: dict[str, str], batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Adapting with and without outer gradients is the same function."""
    learner = make_learner(name, inner_lr=0.3, inner_steps=4, **fields)

    trained = learner(batch).detach()
    with torch.no_grad():
        evaluated = learner(batch)

    torch.testing.assert_close(evaluated, trained, rtol=0, atol=1e-12)


@every_learner
def test_tasks_of_a_batch_are_independent_and_padding_is_inert(
    name: str,
    fields: dict[str, str],
    tasks: list[Task],
    pack_: Callable[..., EpisodeBatch],
    make_learner: MakeLearner,
) -> None:
    """A task has the same logits alone as beside tasks that pad its rows, columns and ways."""
    learner = make_learner(name, inner_lr=0.3, inner_steps=4, **fields)
    together = learner(pack_(tasks))

    for index, task in enumerate(tasks):
        alone = learner(pack_([task]))[0]

        rows, ways = alone.shape
        torch.testing.assert_close(together[index, :rows, :ways], alone, rtol=0, atol=1e-9)


@every_learner
def test_padding_is_inert_where_columns_outnumber_the_inputs(
    name: str,
    fields: dict[str, str],
    draw_: Callable[..., Task],
    pack_: Callable[..., EpisodeBatch],
    make_learner: MakeLearner,
) -> None:
    """A wide neighbour in the batch does not change a narrow task, whatever the network's width."""
    learner = make_learner(name, **fields)
    narrow, wide = draw_([2, 2], 3, seed=1), draw_([2, 3, 1], 19, seed=2)

    alone, beside = learner(pack_([narrow]))[0], learner(pack_([narrow, wide]))[0]

    torch.testing.assert_close(beside[: len(alone), :2], alone, rtol=0, atol=1e-9)


def relabelled(task: Task, order: np.ndarray) -> Task:
    """Returns a task whose class ``w`` is called ``order[w]``."""
    episode, inputs = task
    episode = dataclasses.replace(
        episode,
        support_labels_S=order[episode.support_labels_S],
        query_labels_Q=order[episode.query_labels_Q],
    )
    return episode, inputs


@every_learner
def test_renaming_the_classes_renames_the_logits(
    name: str,
    fields: dict[str, str],
    tasks: list[Task],
    pack_: Callable[..., EpisodeBatch],
    make_learner: MakeLearner,
) -> None:
    """The order of an episode's classes is arbitrary and has no effect."""
    learner = make_learner(name, inner_lr=0.3, inner_steps=4, **fields)
    order = np.array([2, 0, 1])

    logits_QW = learner(pack_([tasks[1]]))[0]
    renamed_QW = learner(pack_([relabelled(tasks[1], order)]))[0]

    torch.testing.assert_close(renamed_QW[:, order], logits_QW, rtol=0, atol=1e-9)


@every_learner
def test_the_order_of_support_rows_has_no_effect(
    name: str, fields: dict[str, str], batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Shuffled support rows, padding among them, give the same logits."""
    learner = make_learner(name, inner_lr=0.3, inner_steps=4, **fields)
    order = torch.randperm(batch.support_rows, generator=torch.Generator().manual_seed(0))
    rows = torch.cat([order, torch.arange(batch.support_rows, batch.x_TRFH.shape[1])])
    shuffled = dataclasses.replace(
        batch,
        x_TRFH=batch.x_TRFH[:, rows],
        y_TS=batch.y_TS[:, order],
        row_mask_TR=batch.row_mask_TR[:, rows],
        visible_TR=batch.visible_TR[:, rows],
    )

    torch.testing.assert_close(learner(shuffled), learner(batch), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("column_kernel", {"adapt": "head", "head": "descent"}),
        ("column_kernel", {"adapt": "head+scales"}),
        ("column_kernel", {"smoothing": True}),
        ("maml", {"inputs": "columns"}),
        ("maml", {"inputs": "projected"}),
        ("in_context", {"inputs": "columns"}),
    ],
)
def test_the_order_of_columns_has_no_effect(
    name: str, fields: dict[str, str], batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Shuffled columns, padding among them, give the same logits."""
    learner = make_learner(name, inner_lr=0.3, inner_steps=4, **fields)
    order = torch.randperm(batch.x_TRFH.shape[2], generator=torch.Generator().manual_seed(0))
    shuffled = dataclasses.replace(
        batch,
        x_TRFH=batch.x_TRFH[:, :, order],
        stats_TFJ=batch.stats_TFJ[:, order],
        column_mask_TF=batch.column_mask_TF[:, order],
        basis_TFC=batch.basis_TFC[:, order],
    )

    torch.testing.assert_close(learner(shuffled), learner(batch), rtol=0, atol=1e-9)


@every_learner
def test_predicts_any_rows_after_one_adaptation(
    name: str, fields: dict[str, str], batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Rows predicted one at a time get the logits of the whole query set."""
    learner = make_learner(name, **fields)
    adapted = learner.adapt(batch)

    one_by_one = [learner.predict(adapted, x_T1FH) for x_T1FH in batch.x_query_TQFH.split(1, 1)]

    torch.testing.assert_close(torch.cat(one_by_one, 1), learner(batch), rtol=0, atol=1e-9)


@every_learner
def test_single_row_classes_and_extreme_shots_are_finite(
    name: str,
    fields: dict[str, str],
    draw_: Callable[..., Task],
    pack_: Callable[..., EpisodeBatch],
    make_learner: MakeLearner,
) -> None:
    """One row per class, one long class and a table of one usable column all train."""
    learner = make_learner(name, **fields)
    odd = pack_([draw_([1, 1], 3, seed=1), draw_([60, 1, 1], 4, seed=2), draw_([1, 2], 2, seed=3)])

    loss = cross_entropy(learner(odd), odd.y_TQ).mean()
    loss.backward()

    assert torch.isfinite(loss)
    for parameter in learner.parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()


@pytest.mark.parametrize("inputs", ["columns", "projected"])
def test_a_learner_that_projects_refuses_batches_without_axes(
    inputs: str, batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Forgetting the principal axes is an error of the caller, not a silent fallback."""
    learner = make_learner("maml", inputs=inputs)

    with pytest.raises(ValueError, match="components"):
        learner(dataclasses.replace(batch, basis_TFC=None))


def test_a_task_whose_columns_are_all_constant_is_finite(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Support rows that are all alike leave nothing to compare, and still give logits."""
    blank = dataclasses.replace(
        batch,
        x_TRFH=torch.zeros_like(batch.x_TRFH),
        column_mask_TF=torch.zeros_like(batch.column_mask_TF),
    )

    for name in ("maml", "column_kernel"):
        learner = make_learner(name)
        loss = cross_entropy(learner(blank), blank.y_TQ).mean()
        loss.backward()

        assert torch.isfinite(loss)
        for parameter in learner.parameters():
            assert parameter.grad is None or torch.isfinite(parameter.grad).all()


def test_cross_entropy_is_the_mean_over_the_rows_that_exist() -> None:
    """Padding (label -1) is left out of each task's mean, and an empty task costs nothing."""
    logits_TQW = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0))
    y_TQ = torch.tensor([[1, 0, -1], [-1, -1, -1]])

    loss_T = cross_entropy(logits_TQW, y_TQ)

    log_p = logits_TQW.log_softmax(-1)
    torch.testing.assert_close(loss_T[0], -(log_p[0, 0, 1] + log_p[0, 1, 0]) / 2)
    assert loss_T[1] == 0

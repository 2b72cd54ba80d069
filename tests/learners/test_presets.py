"""What makes each named learner that learner: its paper's defining line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autometa.config import learner_fields
from autometa.episodes import EpisodeBatch
from autometa.learners import AbstractLearner
from autometa.learners._in_context import InContext
from autometa.learners._maml import Maml
from autometa.learners._mlp_inputs import inputs_of

MakeLearner = Callable[..., AbstractLearner]


def moved_layers(learner: AbstractLearner, batch: EpisodeBatch) -> dict[str, bool]:
    """Returns for every adapted quantity whether the inner loop has moved it."""
    still = type(learner)(
        learner.config.model_copy(update={"inner_steps": 0}), generator=torch.Generator()
    ).double()
    still.load_state_dict(learner.state_dict())
    with torch.no_grad():
        before, after = still.adapt(batch), learner.adapt(batch)
    names = [name for name in after if "weight" in name or "bias" in name]
    return {name: not torch.equal(before[name], after[name]) for name in names}


def test_anil_moves_the_head_alone(batch: EpisodeBatch, make_learner: MakeLearner) -> None:
    """The body is reused as it is (Raghu et al., section 4); MAML moves it as well."""
    anil = moved_layers(make_learner("anil", depth=2), batch)
    maml = moved_layers(make_learner("maml", depth=2), batch)

    assert {name for name, has in anil.items() if has} == {
        "head_weight",
        "skip_weight",
        "head_bias",
    }
    assert all(maml.values())


def squared_distances(learner: Maml, batch: EpisodeBatch) -> Tensor:
    """Returns the squared distances of query rows to class prototypes, of the features (TQW)."""
    adapted = learner.adapt(batch)
    inputs_TSC = inputs_of(batch.x_support_TSFH, adapted)
    weights = [learner.weights[0][: inputs_TSC.shape[-1]].T]
    weights += [weight.T for weight in learner.weights[1:]]
    support_TSP = learner._features(weights, inputs_TSC)
    query_TQP = learner._features(weights, inputs_of(batch.x_query_TQFH, adapted))
    return torch.cdist(query_TQP, batch.averaging_TWS @ support_TSP).square()


@pytest.mark.parametrize(("name", "fields"), [("protonet", {}), ("proto_maml", {"inner_steps": 0})])
def test_prototypes_are_the_nearest_prototype_rule(
    name: str, fields: dict[str, int], batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Probabilities fall with the squared distance alone (Snell et al., equation 2)."""
    learner = make_learner(name, **fields)
    assert isinstance(learner, Maml)
    with torch.no_grad():
        learner.log_gain.zero_()
        learner.log_temperature.zero_()
        logits_TQW = learner(batch)
        expected_TQW = (-0.5 * squared_distances(learner, batch)).masked_fill(
            ~batch.way_mask_TW[:, None], float("-inf")
        )

    torch.testing.assert_close(
        logits_TQW.softmax(2), expected_TQW.softmax(2), rtol=0, atol=1e-9, check_stride=False
    )


def test_proto_maml_goes_on_from_the_prototypes(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """It starts from prototypes, and then every weight adapts."""
    assert all(moved_layers(make_learner("proto_maml"), batch).values())


def test_a_prototypical_network_has_no_inner_loop() -> None:
    """Nothing of an inner loop can be fixed or searched."""
    assert not {"inner_lr", "inner_steps", "head", "adapt"} & set(learner_fields("protonet"))
    assert {"inner_lr", "inner_steps"} <= set(learner_fields("proto_maml"))


def test_reptile_moves_towards_the_adapted_weights(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Its gradient is the mean displacement over the rate, by steps on all rows of the tasks."""
    reptile, fomaml = (
        make_learner(name, inputs="padded", head="zero", inner_lr=0.2, inner_steps=3)
        if name == "fomaml"
        else make_learner(name, inputs="padded", inner_lr=0.2, inner_steps=3)
        for name in ("reptile", "fomaml")
    )
    fomaml.load_state_dict(reptile.state_dict())
    names = ["weights.0", "biases.0", "weights.1", "biases.1"]

    def gradients(learner: AbstractLearner) -> dict[str, Tensor]:
        parameters = [learner.get_parameter(name) for name in names]
        return dict(
            zip(names, torch.autograd.grad(learner.outer_loss(batch), parameters), strict=True)
        )

    found = gradients(reptile)

    everything = batch.all_labelled()
    assert everything.support_rows == batch.support_rows + batch.y_TQ.shape[1]
    with torch.no_grad():
        adapted = fomaml.adapt(everything)
    for layer in range(2):
        weight = reptile.get_parameter(f"weights.{layer}")
        ended = adapted[f"weight{layer}"].mean(0).T
        expected = torch.zeros_like(weight)
        expected[: len(ended)] = (weight[: len(ended)] - ended) / 0.2
        torch.testing.assert_close(found[f"weights.{layer}"], expected, rtol=0, atol=1e-12)
        bias = reptile.get_parameter(f"biases.{layer}")
        displacement = (bias - adapted[f"bias{layer}"].mean(0)) / 0.2
        torch.testing.assert_close(found[f"biases.{layer}"], displacement, rtol=0, atol=1e-12)
    assert (gradients(fomaml)["weights.1"] - found["weights.1"]).abs().max() > 1e-3


def test_an_in_context_learner_reads_the_labels(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """Labels come in with the rows (TabPFN, section 3): without them no class is told apart."""
    learner = make_learner("in_context")
    assert isinstance(learner, InContext)

    read = learner(batch).softmax(2)
    with torch.no_grad():
        learner.known[1] = learner.known[0]
    unread = learner(batch).softmax(2)

    ways_T1 = batch.way_mask_TW.sum(1, keepdim=True).double()
    uniform = (batch.way_mask_TW / ways_T1)[:, None]
    torch.testing.assert_close(unread, uniform.expand_as(unread), rtol=0, atol=1e-9)
    assert (read - uniform).abs().max() > 0.01


def test_an_in_context_learner_attends_to_the_labelled_rows(
    batch: EpisodeBatch, make_learner: MakeLearner
) -> None:
    """All that is known of a task comes by attention, and no weight adapts."""
    learner = make_learner("in_context")
    assert isinstance(learner, InContext)
    assert not {"inner_lr", "inner_steps", "head", "adapt"} & set(learner_fields("in_context"))

    with torch.no_grad():
        for name, parameter in learner.named_parameters():
            if ".attended." in name:
                parameter.zero_()
    blind = learner(batch).softmax(2)

    ways_T1 = batch.way_mask_TW.sum(1, keepdim=True).double()
    uniform = (batch.way_mask_TW / ways_T1)[:, None]
    torch.testing.assert_close(blind, uniform.expand_as(blind), rtol=0, atol=1e-9)


def test_all_labelled_rows_count(batch: EpisodeBatch) -> None:
    """Every row that exists is a support row of its class."""
    everything = batch.all_labelled()

    assert everything.y_TQ.shape == (batch.tasks, 0)
    assert torch.equal((everything.y_TS >= 0), batch.row_mask_TR)
    queries_TW = torch.stack([(batch.y_TQ == way).sum(1) for way in range(batch.ways)], 1)
    assert torch.equal(everything.shots_TW, batch.shots_TW + queries_TW)

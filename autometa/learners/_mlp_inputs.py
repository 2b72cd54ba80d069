"""How the cells of any table become the inputs of an MLP.

Columns have no meaning in common from table to table, so that a network needs an input form:

    padded      the columns as they come, those beyond the network's inputs folded onto the first
    projected   their principal components
    columns     the same rotation of columns that were scaled first, each by what a meta-learned
                network says of it

Each is a mixture of a cell's two channels, followed by a linear map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autometa.episodes import EpisodeBatch
from autometa.learners._base import Adapted
from autometa.learners._column_network import mixture

FEATURE_NORM = 1.5
"""Length of a row's inputs, and of its hidden units, in the order of magnitude: it makes an inner
rate of one fit a softmax head whatever the numbers of columns and units."""

SAID_AT_START = (0.0, 0.0)
"""What is said of a column before training: its log-scale, and the logit of its mixture."""

_INPUT_STEP = 16
"""Inputs beyond a batch's columns are left out, all but those up to a multiple of this: products
with odd numbers of columns are slow, and so is to see new shapes all the time."""


def input_form(
    batch: EpisodeBatch, *, columns: int, is_padded: bool, said_TFO: Tensor | None
) -> Adapted:
    """Returns the mixture of channels (``mix``, TF) and then the map (``projection``, TFC).

    Args:
        batch: the tasks.
        columns: inputs of the network.
        is_padded: whether columns are taken as they come.
        said_TFO: what the column network says of each column; None without one.

    Raises:
        ValueError: the batch was packed without the axes that the form needs.
    """
    present_TF = batch.present_TF
    inputs = min(columns, -(-present_TF.shape[1] // _INPUT_STEP) * _INPUT_STEP)
    # Each task is scaled by its own columns: a batch's padding must not change it.
    scale_TF = FEATURE_NORM * present_TF / batch.columns_T1.sqrt()
    mix_TF = torch.ones_like(present_TF)
    if is_padded:
        slots_F = torch.arange(present_TF.shape[1], device=present_TF.device) % columns
        map_FC = nn.functional.one_hot(slots_F, inputs).to(present_TF.dtype)
        return {"mix": mix_TF, "projection": scale_TF[..., None] * map_FC}
    if batch.basis_TFC is None:
        raise ValueError("this input form needs batches packed with the learner's components")
    if said_TFO is not None:
        scale_TF = scale_TF * said_TFO[..., 0].exp()
        mix_TF = said_TFO[..., 1].sigmoid()
    return {"mix": mix_TF, "projection": scale_TF[..., None] * batch.basis_TFC[..., :inputs]}


def inputs_of(x_TRFH: Tensor, form: Adapted) -> Tensor:
    """Returns the network's inputs (TRC) of any rows."""
    return mixture(x_TRFH, form["mix"]) @ form["projection"]

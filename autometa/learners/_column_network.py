"""The column network: what a table's columns look like decides how much each of them counts.

One small MLP is applied to the statistics of every column alike, so that what it says does not
depend on the order of columns, and a table may have any number of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from autometa.episodes import COLUMN_STATISTICS


def column_network(
    start: Sequence[float], *, width: int, depth: int, generator: torch.Generator
) -> nn.Sequential:
    """Returns an MLP from column statistics (TFJ) to a few quantities of each column.

    Its last layer is zero but for the bias, so that training starts at a plain model that treats
    all columns alike.

    Args:
        start: what it says of every column before training; its length is the number of outputs.
        width: units of each hidden layer.
        depth: layers, the last one included.
        generator: source of the initial weights.
    """
    sizes = [COLUMN_STATISTICS] + [width] * (depth - 1) + [len(start)]
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layer = nn.Linear(fan_in, fan_out)
        bound = fan_in**-0.5
        with torch.no_grad():
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-bound, bound, generator=generator)
        layers += [layer, nn.GELU()]
    last = layers[-2]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor(list(start)))
    return nn.Sequential(*layers[:-1])


def mixture(x_TRFH: Tensor, mix_TF: Tensor) -> Tensor:
    """Returns mix * z-score + (1 - mix) * rank-gauss of every cell (TRF)."""
    return torch.lerp(x_TRFH[..., 1], x_TRFH[..., 0], mix_TF[:, None])

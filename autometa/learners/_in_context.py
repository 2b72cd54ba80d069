"""In-context learning: a transformer reads the labelled rows, and no weight adapts.

Hollmann et al., "TabPFN", ICLR 2023, arXiv 2207.01848, section 3: rows are tokens, labelled ones
carry their label, every row attends to the labelled rows alone, and one forward pass gives the
predictions. TabPFN's labels are numbers of a fixed set. Here a row has a token for each class that
says whether the row is of it, and all classes share all weights, so that any number of classes
fits and their order changes nothing (Arbel et al., "EquiTabPFN", NeurIPS 2025, arXiv 2502.06684).
Tokens of a row learn of each other by their mean over the classes.

Rows come in one of the input forms of ``_mlp_inputs.py``. What adaptation leaves behind are the
keys and values of the labelled rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autometa.config import InContextConfig
from autometa.episodes import EpisodeBatch
from autometa.learners._base import AbstractLearner, Adapted, without_absent_ways
from autometa.learners._column_network import column_network
from autometa.learners._mlp_inputs import SAID_AT_START, input_form, inputs_of

_HEAD_UNITS = 16
_FEEDFORWARD = 2


def _linear(
    fan_in: int, fan_out: int, *, generator: torch.Generator, gain: float = 1.0
) -> nn.Linear:
    layer = nn.Linear(fan_in, fan_out)
    with torch.no_grad():
        layer.weight.normal_(0.0, gain * fan_in**-0.5, generator=generator)
        layer.bias.zero_()
    return layer


class _Block(nn.Module):
    """Attention of the tokens of a class to those of the labelled rows, then a feed-forward part.

    Args:
        width: units of a token.
        gain: size of what the block adds at the start.
        generator: source of the initial weights.
    """

    def __init__(self, width: int, *, gain: float, generator: torch.Generator) -> None:
        super().__init__()
        self.heads = max(1, width // _HEAD_UNITS)
        units = self.heads * _HEAD_UNITS
        self.attention_norm = nn.LayerNorm(width)
        self.query = _linear(width, units, generator=generator)
        self.key_value = _linear(width, 2 * units, generator=generator)
        self.attended = _linear(units, width, generator=generator, gain=gain)
        self.row_norm = nn.LayerNorm(width)
        self.widen = _linear(2 * width, _FEEDFORWARD * width, generator=generator)
        self.narrow = _linear(_FEEDFORWARD * width, width, generator=generator, gain=gain)

    def keys_values(self, z_TWSD: Tensor) -> Tensor:
        """Returns the keys and values of the labelled rows, for each class (TWSD)."""
        key_value_TWSD: Tensor = self.key_value(self.attention_norm(z_TWSD))
        return key_value_TWSD

    def forward(
        self, z_TWRD: Tensor, key_value_TWSD: Tensor, row_mask_TS: Tensor, way_mask_TW: Tensor
    ) -> Tensor:
        """Returns the tokens of rows after the block (TWRD)."""
        tasks, ways, rows, _ = z_TWRD.shape
        query_TWRD = self.query(self.attention_norm(z_TWRD))
        key_TWSD, value_TWSD = key_value_TWSD.chunk(2, -1)
        mask_N11S = row_mask_TS[:, None, None].expand(-1, ways, -1, -1).flatten(0, 1)[:, None]
        attended_NHRD = F.scaled_dot_product_attention(
            self._by_head(query_TWRD),
            self._by_head(key_TWSD),
            self._by_head(value_TWSD),
            attn_mask=mask_N11S,
        )
        attended_TWRD = attended_NHRD.transpose(1, 2).reshape(tasks, ways, rows, -1)
        z_TWRD = z_TWRD + self.attended(attended_TWRD)
        own_TWRD = self.row_norm(z_TWRD)
        ways_T1 = way_mask_TW.sum(1, keepdim=True).to(own_TWRD.dtype)
        share_TW11 = (way_mask_TW / ways_T1)[..., None, None]
        mean_T1RD = (own_TWRD * share_TW11).sum(1, keepdim=True)
        both_TWRD = torch.cat([own_TWRD, mean_T1RD.expand_as(own_TWRD)], -1)
        narrowed_TWRD: Tensor = self.narrow(F.gelu(self.widen(both_TWRD)))
        return z_TWRD + narrowed_TWRD

    def _by_head(self, z_TWRD: Tensor) -> Tensor:
        """Returns the units of each head apart, tasks and ways in one axis (NHRD)."""
        tasks, ways, rows, _ = z_TWRD.shape
        return z_TWRD.reshape(tasks * ways, rows, self.heads, _HEAD_UNITS).transpose(1, 2)


class InContext(AbstractLearner):
    """A transformer over rows and classes.

    Args:
        config: width, depth, inputs and columns.
        generator: source of the initial weights.
    """

    def __init__(self, config: InContextConfig, *, generator: torch.Generator) -> None:
        super().__init__()
        self.config: InContextConfig = config
        self.components = None if config.inputs == "padded" else config.columns
        self.row = _linear(config.columns, config.width, generator=generator)
        # What a token knows of its row: of this class, of another one, to be predicted.
        self.known = nn.Parameter(torch.randn(3, config.width, generator=generator))
        self.blocks = nn.ModuleList(
            _Block(config.width, gain=config.depth**-0.5, generator=generator)
            for _ in range(config.depth)
        )
        self.last_norm = nn.LayerNorm(config.width)
        self.logit = _linear(config.width, 1, generator=generator)
        if config.inputs == "columns":
            self.column_network = column_network(
                SAID_AT_START, width=config.width, depth=config.depth, generator=generator
            )

    def adapt(self, batch: EpisodeBatch) -> Adapted:
        """Reads the labelled rows; what stays are their keys and values in each block."""
        has_network = self.config.inputs == "columns"
        adapted = input_form(
            batch,
            columns=self.config.columns,
            is_padded=self.config.inputs == "padded",
            said_TFO=self.column_network(batch.column_statistics_TFJ) if has_network else None,
        )
        adapted |= {"way_mask": batch.way_mask_TW, "support_mask": batch.y_TS >= 0}
        rows_T1SD = self._rows(batch.x_support_TSFH, adapted)
        labels_TWS1 = batch.labels_TWS[..., None]
        z_TWSD = rows_T1SD + torch.lerp(self.known[1], self.known[0], labels_TWS1)
        for number, block in enumerate(self._blocks()):
            adapted[f"key_value{number}"] = key_value_TWSD = block.keys_values(z_TWSD)
            if number + 1 < len(self.blocks):
                z_TWSD = block(z_TWSD, key_value_TWSD, adapted["support_mask"], adapted["way_mask"])
        return adapted

    def predict(self, adapted: Adapted, x_TQFH: Tensor) -> Tensor:
        """Lets query rows attend to the labelled ones."""
        ways = adapted["way_mask"].shape[1]
        z_TWQD = (self._rows(x_TQFH, adapted) + self.known[2]).expand(-1, ways, -1, -1)
        for number, block in enumerate(self._blocks()):
            z_TWQD = block(
                z_TWQD,
                adapted[f"key_value{number}"],
                adapted["support_mask"],
                adapted["way_mask"],
            )
        logits_TWQ = self.logit(self.last_norm(z_TWQD)).squeeze(-1)
        return without_absent_ways(logits_TWQ.mT, adapted["way_mask"])

    def _blocks(self) -> Iterator[_Block]:
        for block in self.blocks:
            assert isinstance(block, _Block)
            yield block

    def _rows(self, x_TRFH: Tensor, adapted: Adapted) -> Tensor:
        """Returns the embedding of rows, the same for all classes (T1RD)."""
        inputs_TRC = inputs_of(x_TRFH, adapted)
        weight_DC = self.row.weight[:, : inputs_TRC.shape[-1]]
        return F.linear(inputs_TRC, weight_DC, self.row.bias)[:, None]

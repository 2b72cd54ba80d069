"""Kernels that compare rows by their likeness to rows without labels.

Two rows are alike where they are like the same other rows. With a likeness k of rows and reference
rows u_1 .. u_V whose labels nobody reads, a row is described by phi(x) = (k(x, u_v))_v, centred
over the reference rows, and compared by

    phi(x) . phi(x')          the square of k's spectrum on the reference rows
    phi(x) . M phi(x')        its third power, M the centred likeness between reference rows

so that directions in which the rows of a table vary together count more, and those in which single
columns go their own way count less (cluster kernels: Chapelle, Weston, Schoelkopf, NIPS 2002,
section 3; polynomial transfer functions). It is what few labelled rows cannot tell themselves.

Both are scaled to a mean of two on the diagonal of the reference rows, the size of the others.

Axes beside the usual: V reference rows, N the two kernels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

KERNELS = 2
_DIAGONAL = 2.0
_LEAST = 1e-9


class Smoothing(NamedTuple):
    """How any row is compared with the support rows by way of the reference rows.

    Attributes:
        centre_T1V: what a description is centred by.
        visible_TV: 1 where a row is a reference row, else 0.
        maps_TNVS: from descriptions to each kernel with the support rows.
    """

    centre_T1V: Tensor
    visible_TV: Tensor
    maps_TNVS: Tensor


def smoothing_of(
    likeness_TVV: Tensor, is_visible_TV: Tensor, *, support: int
) -> tuple[Smoothing, Tensor]:
    """Returns how rows are compared, and both kernels between the support rows (TNSS).

    Args:
        likeness_TVV: likeness between the reference rows, the support rows first; symmetric.
        is_visible_TV: True where a row may be looked at; others are no reference rows.
        support: number of support rows S, padding included.
    """
    visible_TV = is_visible_TV.to(likeness_TVV.dtype)
    rows_T11 = visible_TV.sum(1)[:, None, None]
    seen_TVV = likeness_TVV * (visible_TV[:, :, None] * visible_TV[:, None])
    centre_T1V = seen_TVV.sum(1, keepdim=True) / rows_T11
    described_TVV = (seen_TVV - centre_T1V * visible_TV[:, :, None]) * visible_TV[:, None]
    mean_TV1 = described_TVV.sum(2, keepdim=True) / rows_T11
    between_TVV = described_TVV - mean_TV1 * visible_TV[:, None]
    applied_TVV = described_TVV @ between_TVV
    squares_T11 = described_TVV.square().sum((1, 2), keepdim=True)
    cubes_T11 = (described_TVV * applied_TVV).sum((1, 2), keepdim=True)
    maps_TNVS = torch.stack(
        [
            described_TVV[:, :support].mT * (rows_T11 / squares_T11.clamp_min(_LEAST)),
            applied_TVV[:, :support].mT * (rows_T11 / cubes_T11.clamp_min(_LEAST)),
        ],
        1,
    )
    smoothing = Smoothing(centre_T1V, visible_TV, _DIAGONAL * maps_TNVS)
    return smoothing, described_TVV[:, None, :support] @ smoothing.maps_TNVS


def folded(smoothing: Smoothing, weights_TN: Tensor, alpha_TWS: Tensor) -> dict[str, Tensor]:
    """Returns what of the comparison the logits need, named for an adapted state.

    Logits are linear in a kernel, and a kernel in the descriptions of rows: weights of the kernels
    and dual weights of the head become dual weights on the reference rows.

    Args:
        smoothing: how rows are compared.
        weights_TN: how much each of both kernels counts.
        alpha_TWS: dual weights of the head.
    """
    map_TVS = (smoothing.maps_TNVS * weights_TN[..., None, None]).sum(1)
    dual_TWV = (alpha_TWS @ map_TVS.mT) * smoothing.visible_TV[:, None]
    return {
        "smoothing_dual": dual_TWV,
        "smoothing_bias": -(dual_TWV @ smoothing.centre_T1V.mT),
    }


def smoothed_logits(adapted: Mapping[str, Tensor], likeness_TRV: Tensor) -> Tensor:
    """Returns what both kernels add to the logits of any rows (TWR).

    Args:
        adapted: what ``folded`` returned, beside others.
        likeness_TRV: likeness of the rows with the reference rows.
    """
    return torch.baddbmm(adapted["smoothing_bias"], adapted["smoothing_dual"], likeness_TRV.mT)

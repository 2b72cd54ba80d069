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

from typing import TypeAlias

import torch
from torch import Tensor

Smoothing: TypeAlias = dict[str, Tensor]
"""What compares a row with the support rows by way of the reference rows."""

KERNELS = 2
_DIAGONAL = 2.0
_LEAST = 1e-9


def smoothing_of(likeness_TVV: Tensor, is_visible_TV: Tensor, *, support: int) -> Smoothing:
    """Returns what ``smoothed`` needs.

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
    mean_T1V = described_TVV.sum(2)[:, None] / rows_T11
    between_TVV = (described_TVV - mean_T1V.mT * visible_TV[:, None]) * visible_TV[:, :, None]
    applied_TVV = described_TVV @ between_TVV
    squares_T = described_TVV.square().sum((1, 2))
    cubes_T = (described_TVV * applied_TVV).sum((1, 2))
    rows_T = rows_T11[:, 0, 0]
    weight_TN = _DIAGONAL * torch.stack(
        [rows_T / squares_T.clamp_min(_LEAST), rows_T / cubes_T.clamp_min(_LEAST)], 1
    )
    maps_TNVS = torch.stack([described_TVV[:, :support].mT, applied_TVV[:, :support].mT], 1)
    return {
        "smoothing_centre": centre_T1V,
        "smoothing_visible": visible_TV,
        "smoothing_maps": maps_TNVS * weight_TN[..., None, None],
    }


def smoothed(likeness_TRV: Tensor, smoothing: Smoothing) -> Tensor:
    """Returns both kernels of any rows with the support rows (TNRS).

    Args:
        likeness_TRV: likeness of the rows with the reference rows.
        smoothing: what ``smoothing_of`` returned.
    """
    described_TRV = likeness_TRV - smoothing["smoothing_centre"]
    described_TRV = described_TRV * smoothing["smoothing_visible"][:, None]
    return described_TRV[:, None] @ smoothing["smoothing_maps"]

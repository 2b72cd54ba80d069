"""Axis letters used in the names of arrays and tensors, and shared aliases.

A name such as ``x_TRFH`` lists its axes in order:

    T  tasks of one batch              F  encoded columns (features)
    S  support rows of a task          H  channels of a column (z-score, rank-gauss)
    Q  query rows of a task            J  statistics of a column
    R  rows = S + Q, support first     W  ways (classes of a task)
    P  parameters                      C  components of a projection
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
IntArray: TypeAlias = NDArray[np.integer[Any]]
BoolArray: TypeAlias = NDArray[np.bool_]

Setting: TypeAlias = Literal["inductive", "transductive", "unlabelled"]
"""Which rows an unsupervised encoding may see: the support rows only; support and query rows;
further unlabelled rows of the same table."""

SETTINGS: tuple[Setting, ...] = ("inductive", "transductive", "unlabelled")

Counts: TypeAlias = Literal["equal", "unequal", "natural"]
"""Support rows of the classes of an evaluation episode: the same of each; 1 to 2 * shot - 1 at
random; in proportion to how frequent the classes are."""

COUNTS: tuple[Counts, ...] = ("equal", "unequal", "natural")

Ways: TypeAlias = int | Literal["all"]
"""Classes of an episode at most."""

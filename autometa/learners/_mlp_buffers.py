"""The tensors of one pass of an MLP over rows, and of its parameters, laid out for bmm.

Everything has a leading task axis. Hidden units are rows-major (T, R, units), as their products
want them; the few logits are ways-major (T, W, R): on a CPU a softmax over a last axis of five
takes ten times as long as the other way round, and a product with five columns up to twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from autometa.learners._workspace import Take, aligned


class Rows:
    """Units of every row in the forms that products ask for, which all share their memory.

    Attributes:
        stack: (T, R, units), contiguous.
    """

    def __init__(self, stack: Tensor) -> None:
        self.stack = stack

    @cached_property
    def turned(self) -> Tensor:
        """(T, units, R)."""
        return self.stack.mT

    @cached_property
    def flat(self) -> Tensor:
        """(T * R, units), for products with weights that all tasks share."""
        return self.stack.view(-1, self.stack.shape[-1])

    @cached_property
    def flat_turned(self) -> Tensor:
        """(units, T * R)."""
        return self.flat.T


class Sizes(NamedTuple):
    """Sizes of a network and of the batch it sees.

    Attributes:
        tasks: number of tasks T.
        inputs: number of inputs F.
        hidden: units of each hidden layer.
        ways: number of outputs W.
        has_skip: whether the head sees the inputs too.
        is_head_shared: whether all tasks start from the same head.
    """

    tasks: int
    inputs: int
    hidden: tuple[int, ...]
    ways: int
    has_skip: bool
    is_head_shared: bool

    @property
    def depth(self) -> int:
        """Number of hidden layers."""
        return len(self.hidden)

    @property
    def weights(self) -> int:
        """Number of blocks that are weights; the others are biases."""
        return self.depth + 1 + self.has_skip

    def shapes(self) -> list[tuple[int, int]]:
        """Returns the shapes (out, in) of all blocks of parameters.

        First the weights of the hidden layers, of the head on the last of them, and of the head on
        the inputs where there is such a path; then the biases of the hidden layers as rows and of
        the head as a column, which is how they are added to units and logits.
        """
        fan_out = (*self.hidden, self.ways)
        fan_in = (self.inputs, *self.hidden)
        skip = [(self.ways, self.inputs)] * self.has_skip
        biases = [*((1, out) for out in self.hidden), (self.ways, 1)]
        return [*zip(fan_out, fan_in, strict=True), *skip, *biases]

    def is_shared(self, block: int) -> bool:
        """Says whether all tasks start from the same values of a block."""
        is_head = self.depth <= block < self.weights or block == self.weights + self.depth
        return self.is_head_shared or not is_head


class Parameters:
    """Parameters of every task, or a tangent or gradient of each.

    Attributes:
        blocks: all of them in the order of ``Sizes.shapes``, each with a leading T.
        biases: the hidden layers' biases (T, 1, out).
        head: the head's weight on the last hidden layer.
        skip: its weight on the inputs, or None.
        head_bias: its bias.
        flat: all blocks as one vector, with gaps; None where they lie apart.
        shared: the blocks without tasks, where the hidden layers of all tasks are the same.
    """

    def __init__(
        self,
        blocks: Sequence[Tensor],
        sizes: Sizes,
        *,
        flat: Tensor | None = None,
        shared: list[Tensor] | None = None,
    ) -> None:
        depth = sizes.depth
        self.blocks = list(blocks)
        self.biases = self.blocks[-depth - 1 : -1]
        self.head = self.blocks[depth]
        self.skip = self.blocks[depth + 1] if sizes.has_skip else None
        self.head_bias = self.blocks[-1]
        self.flat = flat
        self.shared = shared

    @cached_property
    def turned(self) -> list[Tensor]:
        """The hidden layers' weights as (T, in, out)."""
        return [block.mT for block in self.blocks[: len(self.biases)]]

    @classmethod
    def taken(cls, take: Take, sizes: Sizes) -> Parameters:
        """Returns parameters that lie behind one another, so that one call can move them all."""
        tasks, shapes = sizes.tasks, sizes.shapes()
        starts = [0]
        for out, inn in shapes:
            starts.append(starts[-1] + aligned(tasks * out * inn))
        flat = take(starts[-1])
        blocks = [
            flat[start : start + tasks * out * inn].view(tasks, out, inn)
            for start, (out, inn) in zip(starts[:-1], shapes, strict=True)
        ]
        return cls(blocks, sizes, flat=flat)

    @classmethod
    def started(cls, take: Take, sizes: Sizes) -> Parameters:
        """Returns memory for a start, and with it every task's view of that."""
        own = [
            take(*shape) if sizes.is_shared(block) else take(sizes.tasks, *shape)
            for block, shape in enumerate(sizes.shapes())
        ]
        blocks = [block.expand(sizes.tasks, *block.shape[-2:]) for block in own]
        return cls(blocks, sizes, shared=own)


def outside(blocks: Sequence[Tensor], sizes: Sizes) -> list[Tensor]:
    """Returns blocks as callers know them: biases without the axis of length one."""
    *rows, column = blocks[sizes.weights :]
    return [*blocks[: sizes.weights], *(row.squeeze(-2) for row in rows), column.squeeze(-1)]


class Pass:
    """Activations and derivatives of one pass over R rows, or the tangents of all of them.

    Attributes:
        hidden: the units of each hidden layer.
        units: the inputs and the units of each hidden layer; of a tangent, the latter only.
        deltas: derivative of the loss with respect to each hidden layer before its ReLU.
        logits: outputs (T, W, R), then what the loss leaves of them.
        errors: derivative of the loss with respect to the outputs (T, W, R).
        scale: factor of the hidden units that the head sees.
        lefts: for each block of parameters the left factor of its gradient, which is
            ``factor * left @ right``.
        rights: the right factors.
        factors: the scalar factors.

    Args:
        take: where its memory comes from.
        sizes: sizes of the network.
        x: the inputs; of a tangent, in which they do not move, only their shape counts.
        scale: factor of the hidden units that the head sees.
    """

    def __init__(self, take: Take, sizes: Sizes, x: Rows, *, scale: float) -> None:
        (tasks, rows, _), depth = x.stack.shape, sizes.depth
        self.hidden = [Rows(take(tasks, rows, size)) for size in sizes.hidden]
        self.units = [x, *self.hidden]
        self.deltas = [Rows(take(tasks, rows, size)) for size in sizes.hidden]
        self.logits = take(tasks, sizes.ways, rows)
        self.errors = take(tasks, sizes.ways, rows)
        self.errors_turned = self.errors.mT
        self.scale = scale
        ones_T1R = self.logits.new_ones(1, 1, rows).expand(tasks, 1, rows)
        skip = sizes.has_skip
        turned = [delta.turned for delta in self.deltas]
        self.lefts = [*turned, *[self.errors] * (1 + skip), *[ones_T1R] * depth, self.errors]
        stacks = [units.stack for units in self.units]
        deltas = [delta.stack for delta in self.deltas]
        self.rights = [*stacks, *[x.stack] * skip, *deltas, ones_T1R.mT]
        self.factors = [1.0] * len(self.lefts)
        self.factors[depth] = scale

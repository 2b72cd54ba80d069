"""Another implementation of the kernel learner, from a folder that is given, as a contender.

The folder holds ``mkpool.py`` (random tables), ``train4.py`` (``Sampler``, ``loss_fn``) and
``scales.py`` (``Net``, the tables ``RT``): the same learner in plain PyTorch under autograd, with
episodes drawn and augmented table by table.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from autometa.config import ColumnKernelConfig
from autometa.episodes import EpisodeBatch
from autometa.learners import AbstractLearner, build_learner

_POOL_SEED, _POOL_TABLES = "11", "2000"
_RATE = 2e-3


class Reference:
    """The implementation in a folder.

    Args:
        folder: where its modules are.
        tables: folder of real tables with an ``index.csv``.
    """

    def __init__(self, folder: Path, tables: Path) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        os.environ |= {"OUT": self._scratch.name, "TABLES": str(tables.resolve())}
        sys.path.insert(0, str(folder.resolve()))
        sys.dont_write_bytecode = True
        Path(self._scratch.name, "cache").mkdir()
        pool = [sys.executable, str(folder.resolve() / "mkpool.py"), _POOL_SEED, _POOL_TABLES]
        subprocess.run(pool, check=True, stdout=subprocess.DEVNULL)
        import scales
        import train4

        self._scales: Any = scales
        self._train: Any = train4

    def net(self, config: ColumnKernelConfig) -> Any:
        """Returns a network of a configuration's width, depth and steps."""
        moves_scales = config.adapt == "head+scales"
        return self._scales.Net(
            width=config.width,
            depth=config.depth,
            T=config.head_steps if moves_scales else config.inner_steps,
            lr=config.head_lr if moves_scales else config.inner_lr,
            Ts=config.inner_steps if moves_scales else 0,
            lrs=config.inner_lr,
        )

    def stepper(self, config: ColumnKernelConfig, *, is_lean: bool) -> Callable[[], None]:
        """Returns a function that trains one outer step on batches that it draws.

        Args:
            config: the learner's meta-parameters.
            is_lean: leave out the kernels that are packed for other learners than this one.
        """
        net = self.net(config).train()
        sampler = self._train.Sampler(self._scales.RT, seed=1, p_synth=0.7, p_aug=0.3)
        optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE, betas=(0.9, 0.99))

        def step() -> None:
            with self._lean() if is_lean else patch.dict({}):
                batch = sampler.batch(8)
            loss = self._train.loss_fn(net, batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()

        return step

    def losses(self, config: ColumnKernelConfig, batch: EpisodeBatch) -> tuple[float, float]:
        """Returns the loss of autometa and of the reference, of the same weights on one batch.

        Args:
            config: the learner's meta-parameters.
            batch: tasks of equal ways and counts, which is what the reference can take.
        """
        learner = build_learner(config, seed=0)
        net = self.net(config).eval()
        _scatter(learner)
        _copy_weights(learner, net)
        ways = batch.ways
        theirs = {
            "X": batch.x_TRFH,
            "st": batch.stats_TFJ,
            "cm": batch.column_mask_TF.float(),
            "ys": batch.y_TS,
            "Y": batch.labels_TSW.contiguous(),
            "yq": batch.y_TQ,
            "S": batch.support_rows,
            "N": ways,
            "K": batch.support_rows // ways,
        }
        with torch.no_grad():
            logits: Tensor = net(theirs)
            their_loss = torch.nn.functional.cross_entropy(
                logits.reshape(-1, ways), batch.y_TQ.reshape(-1), ignore_index=-1
            )
            our_loss = torch.nn.functional.cross_entropy(
                learner(batch).reshape(-1, ways), batch.y_TQ.reshape(-1), ignore_index=-1
            )
        return float(our_loss), float(their_loss)

    @contextmanager
    def _lean(self) -> Iterator[None]:
        pack = self._train.pack
        with patch.object(self._train, "pack", lambda *a, **k: pack(*a, **k | {"kw": False})):
            yield


def _scatter(learner: AbstractLearner) -> None:
    """Moves fresh weights away from the zeros that would hide a difference."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


def _copy_weights(learner: AbstractLearner, net: Any) -> None:
    """Gives the reference the learner's weights; those that it lacks become neutral."""
    ours = dict(learner.named_parameters())
    with torch.no_grad():
        # The reference does not read the number of rows that the scaling saw.
        ours["column_network.0.weight"][:, -1] = 0
        ours["log_temperature"][2:] = 0
        for name, parameter in net.f.named_parameters():
            source = ours[f"column_network.{name}"]
            parameter.copy_(source[:, : parameter.shape[1]] if source.ndim > 1 else source)
        net.w.copy_(ours["log_kernel_weights"])
        net.g.copy_(ours["head.log_gain"])
        net.logd.copy_(ours["head.log_decay"])
        net.tau.copy_(ours["log_temperature"][:2])
        if "log_scale_gain" in ours:
            net.lgs.copy_(ours["log_scale_gain"] - math.log(2))
            net.share.copy_(ours["laplace_share"])

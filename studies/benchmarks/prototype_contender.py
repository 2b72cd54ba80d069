"""Another few-shot learner for tables, from a folder that is given, on the same episodes.

The folder holds ``mkpool.py`` (random tables), ``models4.py`` (``K2``, ``SetEnc``, ``table_stats``,
``pack``) and ``train4.py`` (``Sampler``, ``fit``): a sum of seven kernels with a gate, a set
encoder among them, trained by its own recipe. It reads whole tables, so that it is scored in the
unlabelled setting alone, and cuts them at 100 columns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autometa.evaluation import EvaluationTask, ScoreSheet, score_probabilities
from autometa.evaluation._tasks import sheet_row
from autometa.tables import ScaledTable

NAME = "prototype"
_ROWS = 6000
_MOST_COLUMNS = 100


class Prototype:
    """The learner in a folder.

    Args:
        folder: where its modules are.
    """

    def __init__(self, folder: Path) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        os.environ |= {"OUT": self._scratch.name, "TABLES": self._scratch.name}
        sys.path.insert(0, str(folder.resolve()))
        sys.dont_write_bytecode = True
        pool = [sys.executable, str(folder.resolve() / "mkpool.py"), "11", "2000"]
        subprocess.run(pool, check=True, stdout=subprocess.DEVNULL)
        import models4
        import train4

        self._models: Any = models4
        self._train: Any = train4

    def trained(self, tables: Sequence[ScaledTable], *, seconds: float) -> Any:
        """Returns the network, trained for so many seconds of CPU time."""
        real = {table.name: self._converted(table, rows=_ROWS) for table in tables}
        torch.manual_seed(0)
        net = self._models.K2(white=True, enc=self._models.SetEnc(raw=False))
        sampler = self._train.Sampler(real, seed=1, p_synth=0.5, p_aug=0.3)
        self._train.fit(net, sampler, seconds, log=10**9)
        return net.eval()

    def scores(self, net: Any, tasks: Sequence[EvaluationTask]) -> ScoreSheet:
        """Returns the scores of a network on unlabelled tasks."""
        rows = []
        for task in tasks:
            table = self._converted(task.table, rows=len(task.table.y_R))
            episodes = [
                (e.support_rows_S, e.query_rows_Q, e.support_labels_S, e.query_labels_Q, e.ways)
                for e in task.episodes
            ]
            batch = self._models.pack(episodes, [table] * len(episodes), Dcap=_MOST_COLUMNS)
            with torch.no_grad():
                probabilities_TQW = net(batch).softmax(-1).double().numpy()
            for number, episode in enumerate(task.episodes):
                probabilities_QW = probabilities_TQW[number, : len(episode.query_rows_Q)]
                scores = score_probabilities(probabilities_QW, episode.query_labels_Q)
                rows.append(sheet_row(task, number, NAME, scores))
        return ScoreSheet.from_rows(rows)

    def _converted(self, table: ScaledTable, *, rows: int) -> Any:
        usable = np.flatnonzero(table.usable_F)
        return self._models.table_stats(
            {
                "Z": np.ascontiguousarray(table.x_RFH[:rows, usable, 0]),
                "G": np.ascontiguousarray(table.x_RFH[:rows, usable, 1]),
                "info": np.asarray(table.stats_FJ[usable, :4]),
                "src": np.asarray(table.source_column_F)[usable],
                "y": np.asarray(table.y_R[:rows]),
            }
        )

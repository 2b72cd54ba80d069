"""The batches of a study with default settings, for benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from autometa.config import (
    SKLEARN_NAMES,
    FilesSource,
    SklearnSource,
    SyntheticSource,
    TrainingSpec,
)
from autometa.episodes import TrainingEpisodes
from autometa.tables import ScaledTable, load_source

TRAINING = TrainingSpec()
"""What a study file says of training where it says nothing."""


def training_streams(
    folder: Path | None, components: Iterable[int | None], *, kept_bytes: int
) -> dict[int | None, TrainingEpisodes]:
    """Returns the batches of a study, by the number of principal axes that learners ask for.

    Args:
        folder: tables with an ``index.csv``, of which those with role ``train`` are taken; the
            embedded ones of scikit-learn where None. 2,000 random tables are added.
        components: numbers of principal axes.
        kept_bytes: memory for batches that are kept.
    """
    embedded = SklearnSource(names=SKLEARN_NAMES)
    files = None if folder is None else FilesSource(path=str(folder.resolve()), roles="index")
    real, _ = load_source(files or embedded, role="train")
    synthetic, _ = load_source(SyntheticSource(count=2000))
    return {
        number: stream(real, synthetic, seed=0, components=number, kept_bytes=kept_bytes)
        for number in components
    }


def stream(
    real: Sequence[ScaledTable],
    synthetic: Sequence[ScaledTable],
    *,
    seed: int,
    components: int | None,
    reuse: int = 1,
    kept_bytes: int = 0,
    meta_batch: int = TRAINING.meta_batch,
) -> TrainingEpisodes:
    """Returns batches of tables as a study draws them that says nothing of its training."""
    return TrainingEpisodes(
        real,
        synthetic,
        seed=seed,
        meta_batch=meta_batch,
        ways=5,
        synthetic_share=TRAINING.synthetic_share,
        augmented_share=TRAINING.augmented_share,
        components=components,
        reuse=reuse,
        kept_bytes=kept_bytes,
    )

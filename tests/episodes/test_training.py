"""The stream of meta-training batches."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from autometa.episodes import EpisodeBatch, TrainingEpisodes, _training
from autometa.episodes._rolling_pool import POOL
from autometa.errors import UserError
from autometa.tables import ScaledTable, load_scaled, synthetic_table

MakeTable = Callable[..., ScaledTable]
SHARES = {"synthetic_share": 0.5, "augmented_share": 0.4}
SETUP = {"seed": 0, "meta_batch": 4, "ways": 5, "components": 3} | SHARES


@pytest.fixture
def real(make_table: MakeTable) -> list[ScaledTable]:
    """Two tables with true labels."""
    return [
        make_table([80, 60, 40], columns=6, seed=1, name="three"),
        make_table([100, 90], columns=50, seed=2, name="wide"),
    ]


@pytest.fixture
def synthetic(make_table: MakeTable) -> list[ScaledTable]:
    """Two tables that stand for the random prior."""
    return [make_table([50] * 5, seed=seed, name=f"synthetic{seed}") for seed in (3, 4)]


def equal(left: EpisodeBatch, right: EpisodeBatch) -> bool:
    """Whether two batches hold the same tensors."""
    pairs = [(getattr(left, f.name), getattr(right, f.name)) for f in dataclasses.fields(left)]
    return all(a is b is None or torch.equal(a, b) for a, b in pairs)


def test_a_batch_is_a_function_of_seed_and_step(
    real: list[ScaledTable], synthetic: list[ScaledTable]
) -> None:
    """The order of calls, other instances and repeats make no difference."""
    forward, backward = (TrainingEpisodes(real, synthetic, **SETUP) for _ in range(2))
    steps = [0, 1, 5, 11]

    ascending = {step: forward.batch(step) for step in steps}
    descending = {step: backward.batch(step) for step in reversed(steps)}

    assert all(equal(ascending[step], descending[step]) for step in steps)
    assert all(equal(forward.batch(step), ascending[step]) for step in (5, 0))


def test_seeds_and_steps_give_different_batches(
    real: list[ScaledTable], synthetic: list[ScaledTable]
) -> None:
    """No two steps repeat, within a group of batches or across, nor do two seeds."""
    episodes = TrainingEpisodes(real, synthetic, **SETUP)
    batches = [episodes.batch(step) for step in range(6)]
    batches.append(TrainingEpisodes(real, synthetic, **SETUP | {"seed": 1}).batch(0))

    sums = {float(batch.x_TRFH.double().abs().sum()) for batch in batches}

    assert len(sums) == len(batches)


def test_batches_cover_what_evaluation_will_ask(
    real: list[ScaledTable], synthetic: list[ScaledTable]
) -> None:
    """All ways and several shots occur, half of the batches are unequal, columns are limited."""
    episodes = TrainingEpisodes(real, synthetic, **SETUP)

    batches = [episodes.batch(step) for step in range(0, 240, 4)]

    unequal, shots = 0, set()
    for batch in batches:
        assert batch.tasks == 4
        assert batch.x_TRFH.shape[2] <= 40
        assert torch.isfinite(batch.x_TRFH).all()
        assert (batch.shots_TW[batch.way_mask_TW] >= 1).all()
        queries_TW = torch.nn.functional.one_hot(batch.y_TQ + 1, 6).sum(1)[:, 1 : 1 + batch.ways]
        assert (queries_TW[batch.way_mask_TW] >= 4).all()
        assert queries_TW.max() <= 10
        counts = [row[mask] for row, mask in zip(batch.shots_TW, batch.way_mask_TW, strict=True)]
        unequal += any(len(count.unique()) > 1 for count in counts)
        shots |= {float(count.mean()) for count in counts if len(count.unique()) == 1}
    # One shot cannot be unequal, so that the share lies below one half.
    assert 0.2 < unequal / len(batches) < 0.6
    assert shots >= {1, 3, 5, 10, 20}
    assert {batch.ways for batch in batches} >= {2, 3, 4, 5}
    assert max(batch.x_TRFH.shape[2] for batch in batches) == 40


def test_all_three_settings_occur(make_table: MakeTable) -> None:
    """A quarter inductive, a quarter transductive, half unlabelled."""
    table = make_table([300, 300], seed=1)
    episodes = TrainingEpisodes([table], [], **SETUP | {"augmented_share": 0.0})
    share = np.zeros(3)

    for step in range(0, 160, 4):
        batch = episodes.batch(step)
        seen_T = batch.fit_rows_T
        share += [
            float((seen_T == batch.shots_TW.sum(1)).sum()),
            float((seen_T == batch.row_mask_TR.sum(1)).sum()),
            float((seen_T == 600).sum()),
        ]

    assert share.sum() == 160
    np.testing.assert_allclose(share / 160, [0.25, 0.25, 0.5], atol=0.12)


def test_unequal_counts_keep_the_mean(make_table: MakeTable) -> None:
    """Unequal counts lie between 1 and twice the shots, so that their mean is the shots."""
    episodes = TrainingEpisodes([make_table([200, 200])], [], **SETUP | {"augmented_share": 0.0})

    batches = [episodes.batch(step) for step in range(0, 400, 4)]

    counts = torch.cat([batch.shots_TW for batch in batches])
    unequal = counts[counts[:, 0] != counts[:, 1]]
    assert unequal.min() == 1
    assert unequal.max() <= 39
    assert 6 < unequal.mean() < 13  # the shots 3, 5, 10 and 20 have a mean of 9.5


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, {"three", "wide"}), (1.0, {"synthetic3", "synthetic4"})]
)
def test_shares_choose_the_sources(
    real: list[ScaledTable], synthetic: list[ScaledTable], share: float, expected: set[str]
) -> None:
    """A share of 0 or 1 leaves one side out."""
    episodes = TrainingEpisodes(
        real, synthetic, **SETUP | {"synthetic_share": share, "augmented_share": 0.0}
    )
    rng = np.random.default_rng(0)

    drawn = {episodes._draw_table(rng).name for _ in range(60)}

    assert drawn == expected


def test_tables_are_drawn_uniformly_whatever_their_rows(make_table: MakeTable) -> None:
    """A table of 2000 rows is drawn as often as one of 100."""
    tables = [make_table([1000, 1000], name="large"), make_table([50, 50], name="small")]
    episodes = TrainingEpisodes(tables, [], **SETUP | {"augmented_share": 0.0})
    rng = np.random.default_rng(0)

    drawn = [episodes._draw_table(rng).name for _ in range(400)]

    assert 0.4 < drawn.count("large") / 400 < 0.6


def test_one_kind_of_table_is_enough(real: list[ScaledTable], synthetic: list[ScaledTable]) -> None:
    """The share of a side that is empty goes to the other."""
    assert TrainingEpisodes(real, [], **SETUP).batch(0).tasks == 4
    assert TrainingEpisodes([], synthetic, **SETUP).batch(0).tasks == 4


def test_no_table_at_all_is_refused() -> None:
    """The message names the key and what to add."""
    with pytest.raises(UserError, match=r"tables\.train must hold .* add a source"):
        TrainingEpisodes([], [], **SETUP)


def test_tables_without_two_usable_classes_are_refused(make_table: MakeTable) -> None:
    """A shelf on which no task can be drawn is an error, not an endless loop."""
    episodes = TrainingEpisodes([make_table([60, 3, 2])], [], **SETUP | {"augmented_share": 0.0})

    with pytest.raises(UserError, match=r"two classes of at least 5 rows"):
        episodes.batch(0)


def test_rare_classes_do_not_exclude_a_table(make_table: MakeTable) -> None:
    """Classes of fewer than five rows are dropped, and the others make a task."""
    table = make_table([60, 50, 3, 2])
    episodes = TrainingEpisodes([table], [], **SETUP | {"augmented_share": 0.0})

    ways = {int(episodes.batch(step).way_mask_TW.sum(1).max()) for step in range(0, 40, 4)}

    assert ways == {2}


def test_small_classes_lower_the_shots(make_table: MakeTable) -> None:
    """Where the classes cannot afford the shots, the support shrinks and four queries stay."""
    episodes = TrainingEpisodes([make_table([9, 8])], [], **SETUP | {"augmented_share": 0.0})

    batches = [episodes.batch(step) for step in range(0, 80, 4)]

    assert max(float(batch.shots_TW.max()) for batch in batches) == 4


def test_ways_are_limited_by_the_study(synthetic: list[ScaledTable]) -> None:
    """A study of three ways trains on two and three."""
    episodes = TrainingEpisodes([], synthetic, **SETUP | {"ways": 3})

    assert {episodes.batch(step).ways for step in range(0, 48, 4)} == {2, 3}


def test_training_ways_stay_below_six_where_ways_are_all(synthetic: list[ScaledTable]) -> None:
    """A study that is scored on all classes trains as one that has no limit below five."""
    unlimited = TrainingEpisodes([], synthetic, **SETUP | {"ways": "all"})
    usual = TrainingEpisodes([], synthetic, **SETUP | {"ways": 5})

    assert all(
        torch.equal(unlimited.batch(step).x_TRFH, usual.batch(step).x_TRFH) for step in (0, 4, 8)
    )


def test_batches_of_a_group_are_sorted_by_width(
    make_table: MakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four batches are drawn at once so that wide tasks share a batch and pad less."""
    monkeypatch.setattr(_training, "_SETTING_BOUNDS", (0.0, 0.0))
    tables = [make_table([50, 50], columns=columns) for columns in (3, 8, 15, 25)]
    episodes = TrainingEpisodes([], tables, **SETUP)

    for group in range(4):
        widths = [
            episodes.batch(4 * group + position).column_mask_TF.sum(1) for position in range(4)
        ]

        ordered = sorted(widths, key=lambda width_T: (int(width_T.min()), int(width_T.max())))
        for narrower, wider in itertools.pairwise(ordered):
            assert narrower.max() <= wider.min()


def test_tables_from_the_cache_make_batches(tmp_path: Path) -> None:
    """Read-only, memory-mapped tables can be drawn from, relabelled and packed."""
    tables = [load_scaled(synthetic_table(0, index), tmp_path) for index in range(3)]
    assert not tables[0].x_RFH.flags.writeable

    batch = TrainingEpisodes(tables, tables, **SETUP | {"augmented_share": 0.9}).batch(0)

    assert torch.isfinite(batch.x_TRFH).all()
    assert torch.isfinite(batch.stats_TFJ).all()
    assert batch.basis_TFC is not None
    assert torch.isfinite(batch.basis_TFC).all()


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The groups that streams draw, in order."""
    drawn: list[int] = []
    draw = TrainingEpisodes._draw_group

    def counted(self: TrainingEpisodes, group: int) -> list[EpisodeBatch]:
        drawn.append(group)
        return draw(self, group)

    monkeypatch.setattr(TrainingEpisodes, "_draw_group", counted)
    return drawn


def test_kept_batches_are_drawn_once(
    real: list[ScaledTable],
    synthetic: list[ScaledTable],
    draws: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second candidate gets the very batches of the first, as far as memory allows."""
    monkeypatch.setattr(_training, "_PASSING", 1)
    size = sum(TrainingEpisodes(real, synthetic, **SETUP).batch(step).nbytes for step in range(8))
    episodes = TrainingEpisodes(real, synthetic, **SETUP, kept_bytes=size)
    draws.clear()

    first, second = ([episodes.batch(step) for step in range(16)] for _ in range(2))

    assert all(equal(*pair) for pair in zip(first, second, strict=True))
    assert first[0] is second[0]
    # Two groups of four batches fit; the others are drawn for each candidate.
    assert draws == [0, 1, 2, 3, 2, 3]


def test_a_candidate_draws_no_batch_twice(synthetic: list[ScaledTable], draws: list[int]) -> None:
    """What the pool may still ask for is held, even where nothing is kept."""
    episodes = TrainingEpisodes([], synthetic, **SETUP, reuse=5)
    every = TrainingEpisodes([], synthetic, **SETUP)

    batches = [episodes.batch(step) for step in range(220)]

    assert len(draws) == len(set(draws))
    assert len({id(batch) for batch in batches}) == POOL + math.ceil((220 - POOL) / 5)
    assert len(episodes._passing) <= POOL // 4 + 1
    assert all(equal(every.batch(step), batches[step]) for step in (0, POOL - 1, POOL))

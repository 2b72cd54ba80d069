"""The page of ``surface.py``: how far groups of families agree, and what that is worth.

Regret: how much the log-loss of a configuration is above the group's lowest one, in units of the
distance from the group's median to its lowest, at most 3; of the means of both seeds after the last
rung. Choices:

- ``default``: the package's configuration.
- ``best elsewhere, k``: the k configurations that together have the lowest mean regret on the other
  groups, added one by one; the best of them here.
- ``best of one other group``: the mean over the other groups.
- ``random, k``: the expected best of k Sobol points.
- ``best at the first rung``: of this group's own results.

A group's own lowest value is partly luck of its two seeds, so that no regret of a choice from
elsewhere can be expected to be zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from benchmark_page import RESULTS, origin, table
from picture import picture_lines, save_picture
from scipy.stats import spearmanr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from autometa.typing import FloatArray

_MOST_REGRET = 3.0
_SIZES = (1, 2, 4, 8)
_BOOTSTRAPS = 2000


def page(
    frame: pd.DataFrame, parameters: Sequence[str], *, is_quick: bool
) -> tuple[list[str], dict[str, Any]]:
    """Returns the page's lines and the figures.

    Args:
        frame: rows as ``surface.py`` keeps them.
        parameters: names of the meta-parameters.
        is_quick: whether to leave the picture out.
    """
    losses_GSCR = _losses(frame)
    groups, seeds = losses_GSCR.shape[:2]
    last_GC = losses_GSCR[..., -1].mean(axis=1)
    between_GG = _correlations(last_GC)
    pairs = between_GG[np.triu_indices(groups, 1)]
    agreement = {
        "groups, both seeds": pairs,
        "groups, one seed": _single_seeds(losses_GSCR),
        "rungs of a training": _rungs(losses_GSCR, shift=0),
    }
    if seeds > 1:
        agreement["seeds of a group"] = np.array(
            [_rank_correlation(*losses_GSCR[group, :2, :, -1]) for group in range(groups)]
        )
        agreement["rungs, other seed"] = _rungs(losses_GSCR, shift=1)
    choices = _choices(losses_GSCR)
    names = sorted(set(frame["rung"]))
    agreement_rows = [
        [name, f"{found.mean():.2f}", f"{np.quantile(found, 0.1):.2f}", f"{found.min():.2f}"]
        for name, found in agreement.items()
    ]
    choice_rows = [
        [name, f"{found_G.mean():.2f}", _interval(found_G), f"{found_G.max():.2f}"]
        for name, found_G in choices.items()
    ]
    lines = [
        "# What meta-parameters are worth on twelve groups of tables",
        "",
        f"{origin('surface')} {groups} groups, {losses_GSCR.shape[2]} configurations of "
        f"{len(parameters)} meta-parameters ({', '.join(parameters)}), {seeds} seeds, scored after "
        f"{' and '.join(map(str, names))} outer steps. `surface.parquet` has every row.",
        "",
        "Rank correlation of the log-loss over the configurations, after the last rung where "
        "nothing else is said:",
        "",
        *table(["between", "mean", "lowest tenth", "lowest"], agreement_rows),
        "",
        "Regret of a choice, in distances from a group's median to its lowest log-loss, with a "
        "95 % interval by bootstrap over groups; `surface_page.py` says how each is made:",
        "",
        *table(["choice", "regret", "interval", "worst group"], choice_rows),
        "",
        _verdict(pairs, agreement.get("seeds of a group"), choices),
    ]
    if not is_quick:
        problem = save_picture(
            RESULTS / "surface.png",
            (10.0, 4.2),
            lambda figure: _draw(figure, between_GG, choices),
        )
        lines += picture_lines("surface", "Agreement of groups, and regret of choices", problem)
    figures = {
        "agreement": {name: float(found.mean()) for name, found in agreement.items()},
        "regret": {name: float(found_G.mean()) for name, found_G in choices.items()},
        "seconds": float(frame["seconds"].sum()),
    }
    return lines, figures


def _losses(frame: pd.DataFrame) -> FloatArray:
    """Returns log-losses (GSCR); those that are missing are above all others of their group."""
    shape = [frame[name].nunique() for name in ("group", "seed", "configuration", "rung")]
    ordered = frame.sort_values(["group", "seed", "configuration", "rung"])
    losses_GSCR = ordered["log_loss"].to_numpy().reshape(shape)
    worst_G = np.nanmax(losses_GSCR, axis=(1, 2, 3), keepdims=True)
    return np.where(np.isnan(losses_GSCR), worst_G + 1.0, losses_GSCR)


def _rank_correlation(first_C: FloatArray, second_C: FloatArray) -> float:
    return float(spearmanr(first_C, second_C).statistic)


def _correlations(values_GC: FloatArray) -> FloatArray:
    groups = len(values_GC)
    return np.array(
        [
            [_rank_correlation(values_GC[one], values_GC[other]) for other in range(groups)]
            for one in range(groups)
        ]
    )


def _single_seeds(losses_GSCR: FloatArray) -> FloatArray:
    groups, seeds = losses_GSCR.shape[:2]
    return np.array(
        [
            _rank_correlation(losses_GSCR[one, seed, :, -1], losses_GSCR[other, seed, :, -1])
            for seed in range(seeds)
            for one in range(groups)
            for other in range(one)
        ]
    )


def _rungs(losses_GSCR: FloatArray, *, shift: int) -> FloatArray:
    """Returns correlations of first and last rung, of the same seed or of one further on."""
    groups, seeds = losses_GSCR.shape[:2]
    return np.array(
        [
            _rank_correlation(
                losses_GSCR[group, seed, :, 0], losses_GSCR[group, (seed + shift) % seeds, :, -1]
            )
            for group in range(groups)
            for seed in range(seeds)
        ]
    )


def _choices(losses_GSCR: FloatArray) -> dict[str, FloatArray]:
    """Returns the regret of each choice in each group (G)."""
    last_GC = losses_GSCR[..., -1].mean(axis=1)
    lowest_G1 = last_GC.min(axis=1, keepdims=True)
    unit_G1 = np.median(last_GC, axis=1, keepdims=True) - lowest_G1
    regret_GC = np.minimum((last_GC - lowest_G1) / unit_G1, _MOST_REGRET)
    groups = len(regret_GC)
    found = {"default": regret_GC[:, 0]}
    portfolios = [_portfolio(np.delete(regret_GC, group, 0)) for group in range(groups)]
    for size in _SIZES:
        found[f"best elsewhere, {size}"] = np.array(
            [regret_GC[group, portfolios[group][:size]].min() for group in range(groups)]
        )
    best_G = regret_GC.argmin(axis=1)
    found["best of one other group"] = np.array(
        [regret_GC[group, np.delete(best_G, group)].mean() for group in range(groups)]
    )
    for size in (*_SIZES, 32):
        found[f"random, {size}"] = np.array([_expected_best(row[1:], size) for row in regret_GC])
    first_G = losses_GSCR[..., 0].mean(axis=1).argmin(axis=1)
    found["best at the first rung"] = regret_GC[np.arange(groups), first_G]
    return found


def _portfolio(regret_GC: FloatArray) -> list[int]:
    """Returns configurations, each the one that lowers the mean of the lowest regrets most."""
    chosen: list[int] = []
    lowest_G = np.full(len(regret_GC), np.inf)
    for _ in range(max(_SIZES)):
        chosen.append(int(np.minimum(lowest_G[:, None], regret_GC).mean(axis=0).argmin()))
        lowest_G = np.minimum(lowest_G, regret_GC[:, chosen[-1]])
    return chosen


def _expected_best(values_C: FloatArray, size: int) -> float:
    """Returns the expected lowest of so many values that are drawn without replacement."""
    ordered_C = np.sort(values_C)
    count = len(ordered_C)
    size = min(size, count)
    # The lowest one is that of rank i where the others are among the count - i - 1 above it.
    shares_C = [math.comb(count - rank - 1, size - 1) for rank in range(count)]
    return float(np.dot(ordered_C, shares_C) / math.comb(count, size))


def _interval(found_G: FloatArray) -> str:
    places = np.random.default_rng(0).integers(len(found_G), size=(_BOOTSTRAPS, len(found_G)))
    low, high = np.quantile(found_G[places].mean(axis=1), [0.025, 0.975])
    return f"{low:.2f} to {high:.2f}"


def _verdict(pairs: FloatArray, seeds_G: FloatArray | None, choices: dict[str, FloatArray]) -> str:
    """Returns what the figures say of priors."""
    noise = "" if seeds_G is None else f", and two seeds of one group by {seeds_G.mean():.2f}"
    portfolio, one = choices["best elsewhere, 4"].mean(), choices["best elsewhere, 1"].mean()
    random = choices["random, 32"].mean()
    enough = (
        "a portfolio is enough: four configurations that were good elsewhere are as good as 32 "
        "random ones"
        if portfolio <= random
        else "a portfolio is a start, and searching on still pays: 32 random configurations are "
        "better than four that were good elsewhere"
    )
    return (
        f"Groups agree by {pairs.mean():.2f}{noise}. With regrets of {one:.2f} (one configuration "
        f"from elsewhere), {portfolio:.2f} (four) and {random:.2f} (the best of 32 random ones), "
        f"{enough}."
    )


def _draw(figure: Figure, between_GG: FloatArray, choices: dict[str, FloatArray]) -> None:
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.2])
    image = left.imshow(between_GG, vmin=0, vmax=1, cmap="viridis")
    left.set_xlabel("group of families")
    left.set_ylabel("group of families")
    left.set_title("rank correlation of configurations", fontsize=10)
    figure.colorbar(image, ax=left, shrink=0.85)
    for name, label in (("best elsewhere", "good elsewhere"), ("random", "random")):
        sizes = [size for size in (*_SIZES, 32) if f"{name}, {size}" in choices]
        means = [choices[f"{name}, {size}"].mean() for size in sizes]
        right.plot(sizes, means, "o-", label=label)
    right.axhline(choices["default"].mean(), color="0.4", linestyle=":", label="default")
    right.set_xscale("log", base=2)
    right.set_xticks([1, 2, 4, 8, 16, 32], labels=["1", "2", "4", "8", "16", "32"])
    right.set_ylim(bottom=0)
    right.set_xlabel("configurations tried")
    right.set_ylabel("regret of the best of them")
    right.legend(fontsize=8)

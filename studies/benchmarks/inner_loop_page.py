"""What the factorial experiment on the inner loop reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from benchmark_page import origin, table
from paired_tests import holm

_KEYS = ["backbone", "reads", "adapts", "inner_steps", "inner_lr"]


def page(found: Sequence[dict[str, Any]]) -> tuple[list[str], dict[str, Any]]:
    """Returns the lines of the page and the figures.

    Args:
        found: of every learner its factors, whether it diverged, and its accuracy by family.
    """
    frame = _as_frame(found)
    means = frame.groupby(_KEYS, as_index=False)["accuracy"].mean()
    spread = frame.groupby([*_KEYS, "seed"])["accuracy"].mean().groupby(_KEYS).std().mean()
    rows = []
    for kind, group in means.groupby(["backbone", "reads", "adapts"], sort=False):
        by_loop = group.set_index(["inner_lr", "inner_steps"])["accuracy"]
        rows.append([*map(str, kind), *(f"{value:.1f}" for value in by_loop)])
    loops = [f"{steps} at {rate:g}" for rate, steps in by_loop.index]
    shares = _explained(means)
    effects = {
        "columns over projected (MLP)": _effect(frame, {"reads": ("columns", "projected")}),
        "projected over padded (MLP)": _effect(frame, {"reads": ("projected", "padded")}),
        "all over head (MLP)": _effect(frame, {"adapts": ("all", "head")}),
        "head+scales over head (kernel)": _effect(
            frame, {"adapts": ("head+scales", "head")}, backbone="kernel"
        ),
        "kernel over MLP (columns, head)": _effect(
            frame[(frame["reads"] == "columns") & (frame["adapts"] == "head")],
            {"backbone": ("kernel", "mlp")},
            backbone=None,
        ),
    }
    lines = [
        "# Is it the inner loop or the representation?",
        "",
        f"{origin('inner_loop')} {len(found)} learners, {frame['family'].nunique()} families; "
        f"{frame.groupby(_KEYS)['is_diverged'].any().sum()} diverged.",
        "",
        "Accuracy in %, mean over families and K = 1, 5, 10, by inner steps at a rate:",
        "",
        *table(["backbone", "reads", "adapts", *loops], rows),
        "",
        f"Standard deviation between the seeds of a learner: {spread:.2f} points.",
        "",
        "Main effects in points, with a 95 % interval over families:",
        "",
        *table(["effect", "points"], [[name, text] for name, text in effects.items()]),
        "",
        "Share of the variance between the MLP learners that a factor explains alone: "
        + ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
        + ".",
    ]
    figures = {"means": means.to_dict("records"), "explained": shares, "effects": effects}
    return lines, figures


def _as_frame(found: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Returns one row per learner, seed and family, accuracy in %."""
    rows = [
        {key: value for key, value in one.items() if key != "accuracy"}
        | {"family": family, "accuracy": np.nan if value is None else 100 * value}
        for one in found
        for family, value in one["accuracy"].items()
    ]
    frame = pd.DataFrame(rows)
    lowest = frame.groupby("family")["accuracy"].transform("min")
    return frame.assign(accuracy=frame["accuracy"].fillna(lowest))


def _explained(means: pd.DataFrame) -> dict[str, float]:
    """Returns the share of the variance between MLP learners that each factor explains alone."""
    mlp = means[means["backbone"] == "mlp"]
    total = float(((mlp["accuracy"] - mlp["accuracy"].mean()) ** 2).sum())
    shares = {}
    for factor in ("reads", "adapts", "inner_steps", "inner_lr"):
        by_level = mlp.groupby(factor)["accuracy"].transform("mean")
        shares[factor] = float(((by_level - mlp["accuracy"].mean()) ** 2).sum() / max(total, 1e-12))
    return shares


def _effect(
    frame: pd.DataFrame, levels: dict[str, tuple[str, str]], *, backbone: str | None = "mlp"
) -> str:
    [(factor, (better, worse))] = levels.items()
    chosen = frame if backbone is None else frame[frame["backbone"] == backbone]
    by_family = chosen.groupby([factor, "family"])["accuracy"].mean()
    [compared] = holm([(by_family[better] - by_family[worse]).to_numpy()])
    return f"{compared.mean:+.1f} ({compared.plain_low:+.1f} to {compared.plain_high:+.1f})"

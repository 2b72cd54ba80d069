"""What the factorial experiment on the inner loop reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from benchmark_page import origin, table
from paired_tests import holm
from picture import picture_lines, save_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KEYS = ["backbone", "reads", "adapts", "inner_steps", "inner_lr"]


def page(found: Sequence[dict[str, Any]], picture: Path | None) -> tuple[list[str], dict[str, Any]]:
    """Returns the lines of the page and the figures.

    Args:
        found: of every learner its factors, whether it diverged, and its accuracy by family.
        picture: where to draw; nothing is drawn where None.
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
    if picture is not None:
        problem = save_picture(picture, (10.0, 4.2), lambda figure: draw(figure, means))
        lines += picture_lines(picture.stem, "Accuracy of every learner by what it reads", problem)
    figures = {"means": means.to_dict("records"), "explained": shares, "effects": effects}
    return lines, figures


def draw(figure: Figure, means: pd.DataFrame) -> None:
    """Draws a dot for every learner: by what it reads, what adapts, and the steps and their rate.

    Args:
        figure: to draw on.
        means: a row per learner, accuracy in %.
    """
    axes = figure.subplots()
    kinds = list(means.groupby(["backbone", "reads", "adapts"], sort=False).groups)
    most = means["inner_steps"].max()
    for place, kind in enumerate(kinds):
        chosen = means[(means[["backbone", "reads", "adapts"]] == list(kind)).all(axis=1)]
        for rate, marker in zip(sorted(means["inner_lr"].unique()), "os", strict=False):
            of_rate = chosen[chosen["inner_lr"] == rate].sort_values("inner_steps")
            shift = 0.3 * np.log1p(of_rate["inner_steps"]) / np.log1p(most)
            axes.scatter(
                place - 0.15 + shift,
                of_rate["accuracy"],
                marker=marker,
                color=f"C{['head', 'head+scales', 'all'].index(kind[2])}",
                label=f"inner rate {rate:g}" if place == 0 else None,
                alpha=0.8,
            )
    axes.set_xticks(range(len(kinds)), ["\n".join(kind) for kind in kinds], fontsize=8)
    axes.set_ylabel("accuracy (%)")
    axes.set_title("Colour: what adapts. From left to right in a group: more inner steps")
    axes.legend(fontsize=8)


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

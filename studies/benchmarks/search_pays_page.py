"""What the benchmark of the search reports: gains over other uses of the compute, importances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from benchmark_page import RESULTS, origin, table
from paired_tests import Comparison, holm
from picture import picture_lines, save_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from search_pays import Division

_OURS = "search"
_RIVALS = ("default, long", "default, ensemble", "maml", "default")


def page(divisions: Sequence[Division], *, is_quick: bool) -> tuple[list[str], dict[str, Any]]:
    """Returns the lines of the page and the figures."""
    frame = pd.concat([division.frame for division in divisions])
    accuracy, loss = (_by_family(frame, column) for column in ("accuracy", "log_loss"))
    gains = {
        name: (
            _compared(100 * (accuracy[_OURS] - accuracy[name])),
            _compared(loss[name] - loss[_OURS]),
        )
        for name in _RIVALS
    }
    rows = [[_OURS, f"{100 * accuracy[_OURS].mean():.2f}", f"{loss[_OURS].mean():.4f}", "", ""]]
    for name, (points, nats) in gains.items():
        rows.append(
            [
                name,
                f"{100 * accuracy[name].mean():.2f}",
                f"{loss[name].mean():.4f}",
                f"{points.mean:+.2f} ({points.plain_low:+.2f} to {points.plain_high:+.2f})",
                f"{nats.mean:+.4f} ({nats.plain_low:+.4f} to {nats.plain_high:+.4f})",
            ]
        )
    averages = {
        learner: pd.DataFrame([division.importances[learner] for division in divisions]).fillna(0.0)
        for learner in divisions[0].importances
    }
    lines = [
        "# Does the search pay?",
        "",
        f"{origin('search_pays')} {len(divisions)} divisions, {frame['family'].nunique()} families "
        "were read. Studies took "
        + ", ".join(f"{division.seconds:.0f}" for division in divisions)
        + " s; that bought "
        + ", ".join(str(division.notes["members"]) for division in divisions)
        + " members of the ensembles, and "
        + ", ".join(f"{division.notes['long steps']:,}" for division in divisions)
        + " outer steps of the long trainings.",
        "",
        *table(
            ["", "accuracy, %", "log-loss, nats", "search: points above", "search: nats below"],
            rows,
        ),
        "",
        "The search against other uses of the same compute: "
        + "; ".join(
            f"`{name}`: {'it pays' if gains[name][1].plain_low > 0 else 'no proof that it pays'}"
            for name in _RIVALS[:3]
        )
        + ".",
        "",
        "## Winners",
        "",
        *_winner_lines(divisions),
        "",
        "## Which meta-parameters matter",
        "",
        "Share of the variance of the value at the first rung (fANOVA), mean of the divisions, "
        "with the least and the largest:",
        "",
        *(line for name, one in averages.items() for line in _importance_lines(name, one)),
    ]
    if not is_quick:
        by_shot = {name: _gains_by_shot(frame, name) for name in _RIVALS}
        problem = save_picture(
            RESULTS / "search_pays.png",
            (11.0, 4.2),
            lambda figure: _draw(figure, by_shot, averages),
        )
        caption = "Gain of the search by K, and importance of the meta-parameters"
        lines += picture_lines("search_pays", caption, problem)
    figures = {
        "gains": {
            name: {"points": vars(points), "nats": vars(nats)}
            for name, (points, nats) in gains.items()
        },
        "importances": {name: one.mean().to_dict() for name, one in averages.items()},
        "seconds": [division.seconds for division in divisions],
        "winners": [
            {name: config.model_dump(mode="json") for name, config in division.winners.items()}
            for division in divisions
        ],
    }
    return lines, figures


def _by_family(frame: pd.DataFrame, column: str) -> dict[str, pd.Series]:
    """Returns means over tables, K and divisions, by method and family."""
    keys = ["method", "family"]
    by_shot = frame.groupby([*keys, "division", "shot", "table"])[column].mean()
    means = by_shot.groupby([*keys, "division", "shot"]).mean().groupby([*keys, "division"]).mean()
    values = means.groupby(keys).mean()
    return {name: values[name] for name in frame["method"].unique()}


def _compared(differences: pd.Series) -> Comparison:
    [compared] = holm([differences.to_numpy()])
    return compared


def _gains_by_shot(frame: pd.DataFrame, rival: str) -> dict[int, Comparison]:
    found = {}
    for shot, chosen in frame.groupby("shot"):
        accuracy = _by_family(chosen, "accuracy")
        found[int(str(shot))] = _compared(100 * (accuracy[_OURS] - accuracy[rival]))
    return found


def _winner_lines(divisions: Sequence[Division]) -> list[str]:
    lines = []
    for learner in divisions[0].winners:
        configs = [division.winners[learner].model_dump(mode="json") for division in divisions]
        columns = [name for name in configs[0] if name != "name"]
        rows = [
            [str(place), *(_short(config[name]) for name in columns)]
            for place, config in enumerate(configs)
        ]
        lines += [f"`{learner}`:", "", *table(["division", *columns], rows), ""]
    return lines[:-1]


def _importance_lines(learner: str, found: pd.DataFrame) -> list[str]:
    order = found.mean().sort_values(ascending=False).index
    parts = [
        f"{name} {100 * found[name].mean():.0f} % ({100 * found[name].min():.0f} to "
        f"{100 * found[name].max():.0f})"
        for name in order
    ]
    return [f"- `{learner}`: {', '.join(parts)}"]


def _draw(
    figure: Figure,
    gains: dict[str, dict[int, Comparison]],
    importances: dict[str, pd.DataFrame],
) -> None:
    """Draws the gains by K and the importances by learner."""
    left, *others = figure.subplots(1, 1 + len(importances))
    for place, (name, by_shot) in enumerate(gains.items()):
        x_K = np.arange(len(by_shot)) + 0.12 * (place - len(gains) / 2)
        means = np.array([one.mean for one in by_shot.values()])
        ends = np.array([(one.plain_low, one.plain_high) for one in by_shot.values()]).T
        left.errorbar(x_K, means, np.abs(ends - means), fmt="o", capsize=2, label=f"over {name}")
    left.set_xticks(range(len(by_shot)), [f"K={shot}" for shot in by_shot])
    left.axhline(0, color="0.4", linewidth=1)
    left.set_ylabel("accuracy of the search's winner, points above")
    left.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2)
    for axes, (learner, found) in zip(others, importances.items(), strict=True):
        _draw_importances(axes, learner, found)


def _draw_importances(axes: Axes, learner: str, found: pd.DataFrame) -> None:
    order = found.mean().sort_values().index
    axes.barh(list(order), 100 * found.mean()[order], color="#9ecae1")
    for place, name in enumerate(order):
        axes.plot(100 * found[name], [place] * len(found), "k.", markersize=4)
    axes.set_title(f"{learner}: what matters", fontsize=10)
    axes.set_xlabel("share of the variance (%), dots: divisions")


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

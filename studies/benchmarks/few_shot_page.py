"""What the benchmark of few-shot accuracy reports: comparisons, targets and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark_page import Target, table
from paired_tests import Comparison, holm
from prototype_contender import NAME as PROTOTYPE
from table_folds import SHOTS

from autometa.evaluation import ScoreSheet
from autometa.learners import BASELINES
from autometa.typing import Setting

_CORRECTED = ("logistic_regression", "lda")
_ABOVE = (*_CORRECTED, "random_forest", "extra_trees", "soft_vote")
_HEADER = [f"K={shot}" for shot in SHOTS]


def comparisons(
    sheet: ScoreSheet, method: str, setting: Setting
) -> dict[tuple[str, int], Comparison]:
    """Returns the advantages of a method by opponent and shot, corrected for their number."""
    chosen = sheet.select(setting=setting)
    opponents = [name for name in (*_ABOVE, PROTOTYPE) if name in chosen.methods()]
    frame = chosen.frame
    by_family = (
        frame.groupby(["method", "shot", "family", "table"])["accuracy"]
        .mean()
        .groupby(["method", "shot", "family"])
        .mean()
    )
    keys = [(name, shot) for name in opponents for shot in SHOTS]
    differences = [
        (by_family[method, shot] - by_family[name, shot]).dropna().to_numpy() for name, shot in keys
    ]
    kept = [place for place, values_N in enumerate(differences) if len(values_N) > 1]
    found = holm([100 * differences[place] for place in kept])
    return dict(zip([keys[place] for place in kept], found, strict=True))


def targets_of(found: dict[tuple[str, int], Comparison]) -> list[Target]:
    """Returns what ``--check`` compares."""
    targets = []
    for (name, shot), compared in found.items():
        where = f"K={shot}"
        if name in _ABOVE and shot <= 5:
            targets.append(Target(f"points over {name}", 0.0, compared.mean, where))
        if name in _CORRECTED and shot <= 5:
            targets.append(Target(f"lower end over {name}, corrected", 0.0, compared.low, where))
        if name == "random_forest" and shot > 5:
            targets.append(Target(f"points over {name}", 0.0, compared.mean, where))
        if name == PROTOTYPE:
            targets.append(Target("points over the prototype", 1.0, compared.mean, where))
    return targets


def setting_lines(sheet: ScoreSheet, setting: Setting, methods: Sequence[str]) -> list[str]:
    """Returns accuracy, log-loss, rank, and advantages in one setting."""
    chosen = sheet.select(setting=setting)
    others = [name for name in (PROTOTYPE, *BASELINES) if name in chosen.methods()]
    by_table = (
        chosen.frame.groupby(["method", "shot", "table"])["accuracy"].mean().unstack("method")
    )
    ranks = by_table[[*methods, *others]].rank(axis=1, ascending=False).groupby("shot").mean()
    rows = []
    for name in (*methods, *others):
        cells = []
        for shot in SHOTS:
            accuracy = 100 * chosen.mean("accuracy", name, shot=shot)
            loss = chosen.mean("log_loss", name, shot=shot)
            cells.append(f"{accuracy:.1f} / {loss:.3f} / {ranks.loc[shot, name]:.1f}")
        rows.append([name, *cells])
    lines = [f"## {setting.capitalize()}", "", "Accuracy in % / log-loss in nats / mean rank:", ""]
    lines += table(["method", *_HEADER], rows)
    lines += [
        "",
        "Calibration, in points: mean confidence less accuracy, and in brackets the mean over "
        "families of its size:",
        "",
        *table(["method", *_HEADER], [_gaps(chosen, name) for name in (*methods, *others)]),
    ]
    for method in methods:
        found = comparisons(chosen, method, setting)
        opponents = dict.fromkeys(name for name, _ in found)
        rows = []
        for name in opponents:
            cells = []
            for shot in SHOTS:
                compared = found[name, shot]
                outcome = chosen.wins_losses(method, name, shot=shot)
                star = " *" if compared.low > 0 or compared.high < 0 else ""
                cells.append(
                    f"{compared.mean:+.1f} ({compared.plain_low:+.1f} to "
                    f"{compared.plain_high:+.1f}){star}, {outcome.wins}/{outcome.losses}"
                )
            rows.append([name, *cells])
        lines += [
            "",
            f"`{method}` in points over others (95 % over families), tables won/lost; * where "
            "Holm's correction leaves zero outside:",
            "",
        ]
        lines += table(["over", *_HEADER], rows)
    return [*lines, ""]


def _gaps(sheet: ScoreSheet, method: str) -> list[str]:
    """Returns a row of how much more confident than accurate a method is."""
    frame = sheet.frame[sheet.frame["method"] == method]
    gaps = 100 * (frame["confidence"] - frame["accuracy"])
    by_table = gaps.groupby([frame["shot"], frame["family"], frame["table"]]).mean()
    by_family = by_table.groupby(["shot", "family"]).mean()
    cells = [
        f"{by_family[shot].mean():+.1f} ({by_family[shot].abs().mean():.1f})" for shot in SHOTS
    ]
    return [method, *cells]


def winner_lines(winners: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns what the studies of the folds chose."""
    if not winners:
        return []
    columns = [key for key in winners[0] if key != "name"]
    rows = [
        [str(fold), *(_short(winner[key]) for key in columns)]
        for fold, winner in enumerate(winners)
    ]
    return ["## Winners of the folds", "", *table(["fold", *columns], rows), ""]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

"""The pages of ``priors.py``: a row for each arm, and the targets."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from benchmark_page import Target, origin, table, target_table

COLD_ARM = "TPE"
"""What the others are measured by."""

GP_ARM = "GPSampler"

MARKS = (1, 2, 4, 8, 16, 32)
"""Numbers of trials after which a regret is told."""

Found = dict[str, Any]


def targets_of(figures: dict[str, Found], times: Found, *, trials: int, purse: int) -> list[Target]:
    """Returns what is checked of searches of so many trials, with a purse of so many stakes."""
    ours = figures["ours"]
    found = [
        Target(
            "trials to the regret of cold TPE after 30",
            6,
            ours["reaches_cold_at_30"] or trials + 1,
            "ours",
            is_upper=True,
        ),
        Target(
            "per cent of runs clearly worse than cold",
            5.0,
            100 * ours["clearly_worse"],
            "ours",
            is_upper=True,
        ),
        *(
            Target(
                "regret after 30 above cold",
                0.05,
                figures[name]["against_cold_at_30"],
                name,
                is_upper=True,
            )
            for name in ("all inverted", "half of the parameters mirrored")
        ),
        Target(
            "prior-led trials that earned nothing less those that won",
            purse,
            max(row["most_unearned"] for name, row in figures.items() if "no warranty" not in name),
            "any arm with the warranty",
            is_upper=True,
        ),
    ]
    if "one source" in figures:
        cold = figures[COLD_ARM]["regret"]["8"]
        found.append(
            Target(
                "regret after 8 less that of cold",
                0.0,
                figures["one source"]["regret"]["8"] - cold,
                "one source",
                is_upper=True,
            )
        )
        found += indistinguishable(figures)
    asks = times["ask_with_20_sources_of_1000"]["1000"]["ours"]
    return [
        *found,
        Target(
            "CPU seconds of an ask at 1,000 trials, 20 sources of 1,000", 1.0, asks, is_upper=True
        ),
        Target(
            "CPU seconds to learn from 50 studies of 100 trials",
            10.0,
            times["learning_50_studies_of_100"],
            is_upper=True,
        ),
    ]


def indistinguishable(figures: dict[str, Found]) -> list[Target]:
    """Returns what is checked of priors that know nothing.

    Such a prior shall end where a cold search ends. With the study's own trials in the proposals it
    may be better, because these trials know something; it may not be worse.
    """
    low = figures["noise for a prior"]["against_cold_interval"][0]
    alone = figures["noise for a prior, past alone"]["against_cold_interval"]
    return [
        Target(
            "low end of the interval against cold after 30",
            0.0,
            low,
            "noise for a prior",
            is_upper=True,
        ),
        Target(
            "distance of the interval against cold after 30 from zero",
            0.0,
            max(alone[0], -alone[1], 0.0),
            "noise for a prior, past alone",
            is_upper=True,
        ),
    ]


def page(
    figures: dict[str, Found],
    times: Found,
    targets: Sequence[Target],
    options: argparse.Namespace,
    count: int,
) -> list[str]:
    """Returns the lines of the page about searches of so many tasks."""
    asks = times["ask_with_20_sources_of_1000"]
    seconds = [[told, *(f"{value:.3f}" for value in row.values())] for told, row in asks.items()]
    return [
        f"# Warm starts from past studies{', few arms' if options.few else ''}",
        "",
        origin("priors"),
        "",
        f"LCBench's surrogate, {options.tasks} tasks ({count}), {options.seeds} seeds."
        f"{' The row of GPSampler is of an earlier run.' if options.gp_of else ''}",
        "",
        *arm_table(figures),
        "",
        *target_table(targets),
        "",
        "Learning from 50 studies of 100 trials takes "
        f"{times['learning_50_studies_of_100']} CPU seconds.",
        "CPU seconds of an ask beside 20 sources that had 1,000 trials:",
        "",
        *table(["trials in the study", "TPE", "ours"], seconds),
    ]


def clearly_worse(row: Found) -> str:
    """Returns the share of an arm's runs that end clearly worse than cold, with its interval.

    The row of an earlier run may lack the interval.
    """
    told = f"{100 * row['clearly_worse']:.0f} %"
    if "clearly_worse_interval" not in row:
        return told
    low, high = row["clearly_worse_interval"]
    return f"{told} ({100 * low:.0f} to {100 * high:.0f})"


def arm_table(figures: dict[str, Found]) -> list[str]:
    """Returns a table with a row for each arm."""
    rows = [
        [
            name,
            *(f"{row['regret'][str(mark)]:.3f}" for mark in MARKS),
            "" if row["rank_at_8"] is None else f"{row['rank_at_8']:.1f}",
            str(row["reaches_cold_at_30"] or "never"),
            f"{row['against_cold_at_30']:+.3f} ({row['against_cold_interval'][0]:+.3f} to "
            f"{row['against_cold_interval'][1]:+.3f})",
            clearly_worse(row),
            f"{row['led']:.1f}",
        ]
        for name, row in figures.items()
    ]
    header = [
        "arm",
        *(f"@{mark}" for mark in MARKS),
        "rank @8",
        "trials to cold's @30",
        "against cold @30",
        "clearly worse",
        "prior-led",
    ]
    return table(header, rows)

"""Part of storages.py: its targets, its page, and the arithmetic of very many workers."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark_page import Target, origin, table, target_table
from storage_worker import REPORTS

from autometa.storages._locks import LOCK_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from storages import Asking, Rate

_LEAST_RATIO = 0.5
_CONNECTIONS, _RESERVED = 100, 3
"""PostgreSQL's defaults: ``max_connections``, and those kept for superusers."""

_TRIAL_SECONDS = (60, 600)
_WORKERS = (100, 1_000)


def targets_of(rates: Sequence[Rate]) -> list[Target]:
    """Returns what went wrong in all cases, and the worst ratio of many workers to one."""
    wrong = sum(rate.wrong for rate in rates)
    most = max(rate.workers for rate in rates)
    ratios = {
        rate.storage: per_second(rate) / per_second(_first(rates, rate.storage))
        for rate in rates
        if rate.workers == most
    }
    worst = min(ratios, key=lambda storage: ratios[storage])
    return [
        Target("trials too many, too few, twice or failed", 0, wrong, is_upper=True),
        Target(f"trials per second of {most} workers / of one", _LEAST_RATIO, ratios[worst], worst),
    ]


def per_second(rate: Rate) -> float:
    """Returns trials per second."""
    return rate.trials / rate.seconds


def page_of(
    rates: Sequence[Rate], askings: Sequence[Asking], targets: Sequence[Target]
) -> list[str]:
    """Returns the benchmark's page."""
    rate_rows = [
        [
            rate.storage,
            str(rate.workers),
            f"{per_second(rate):.1f}",
            f"{REPORTS * per_second(rate):.0f}",
            f"{per_second(rate) / per_second(_first(rates, rate.storage)):.2f}",
            f"{1000 * rate.claim:.0f}",
            f"{rate.sessions / rate.workers:.1f}" if rate.sessions else "",
        ]
        for rate in sorted(rates, key=lambda rate: rate.storage.lower())
    ]
    ask_rows = [
        [
            asking.storage,
            f"{asking.past:,}",
            f"{asking.opening:.2f}",
            f"{1000 * asking.reaping:.0f}",
            f"{1000 * asking.claim:.0f}",
        ]
        for asking in sorted(askings, key=lambda asking: asking.storage.lower())
    ]
    header = ["storage", "workers", "trials/s", "reports/s", "ratio to one", "claim, ms"]
    return [
        "# What the storages take",
        "",
        f"{origin('storages')} The machine has {os.cpu_count()} cores, and "
        f"{os.getloadavg()[1]:.1f} processes of this and other programs wanted one in the last "
        "five minutes of the run.",
        "",
        *target_table(targets),
        "",
        "## Trials that do nothing",
        "",
        *table([*header, "sessions per worker"], rate_rows),
        "",
        "## Asking with past trials",
        "",
        *table(["storage", "past trials", "opening, s", "reaping, ms", "claim, ms"], ask_rows),
        "",
        "## What gives first",
        "",
        *_limits(rates, askings),
    ]


def _limits(rates: Sequence[Rate], askings: Sequence[Asking]) -> list[str]:
    past = max(asking.past for asking in askings)
    demand = "; ".join(
        f"{workers:,} workers with trials of {seconds} s begin {workers / seconds:.2f} a second"
        for workers in _WORKERS
        for seconds in _TRIAL_SECONDS
    )
    rows = []
    for storage in sorted({rate.storage for rate in rates}, key=str.lower):
        own = [rate for rate in rates if rate.storage == storage]
        best = max(map(per_second, own))
        asking = next(a for a in askings if a.storage == storage and a.past == past)
        locked = asking.reaping + asking.claim
        rows.append(
            [
                storage,
                f"{best:.1f}",
                *(f"{math.floor(best * seconds):,}" for seconds in _TRIAL_SECONDS),
                f"1 / {locked:.3f} s = {1 / locked:.1f}",
                *(f"{math.floor(seconds / locked):,}" for seconds in _TRIAL_SECONDS),
            ]
        )
    short, long = _TRIAL_SECONDS
    lines = [
        f"Workers needed: a worker begins one trial per trial's length, so that {demand}.",
        "",
        "Workers allowed: a rate of r trials a second serves r times the seconds of a trial. The "
        f"lock is held for one reaping and one claim per trial; with {past:,} past trials that "
        "alone bounds the rate, whatever the machine of the workers.",
        "",
        *table(
            [
                "storage",
                "best trials/s",
                f"workers at {short} s",
                f"at {long} s",
                f"lock with {past:,} past, trials/s",
                f"workers at {short} s",
                f"at {long} s",
            ],
            rows,
        ),
    ]
    served = [rate for rate in rates if rate.sessions]
    if served:
        asking = next(a for a in askings if a.storage == served[0].storage and a.past == past)
        locked = asking.reaping + asking.claim
        lines += [
            "",
            "Waiting: near the end of a study every worker without a trial asks twice a second. "
            f"PostgreSQL serves them in turn and lets each wait for {LOCK_TIMEOUT_SECONDS:g} s, so "
            f"that {LOCK_TIMEOUT_SECONDS:g} / {locked:.3f} = "
            f"{math.floor(LOCK_TIMEOUT_SECONDS / locked):,} may wait at once before one gives up.",
        ]
        # With most workers, the benchmark's own sessions matter least.
        most = max(served, key=lambda rate: rate.workers)
        each = most.sessions / most.workers
        allowed = _CONNECTIONS - _RESERVED
        lines += [
            "",
            f"Sessions: {most.workers} workers had {most.sessions} at once, {each:.1f} each, so "
            f"that PostgreSQL's default of {_CONNECTIONS} connections, {_RESERVED} of which are "
            "reserved, is used up by "
            f"{allowed} / {each:.1f} = {math.floor(allowed / each)} workers; "
            + ", ".join(f"{n:,} workers need {math.ceil(n * each):,}" for n in _WORKERS)
            + " (`max_connections`, or a proxy that keeps sessions).",
        ]
    return lines


def _first(rates: Sequence[Rate], storage: str) -> Rate:
    """The case of one worker."""
    return next(rate for rate in rates if rate.storage == storage and rate.workers == 1)

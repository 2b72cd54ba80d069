"""The section of the meta-training benchmark about the recommended learner, ``column_kernel``."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from benchmark_page import Target, table
from kernel_growth import growth, growth_lines
from kernel_reference import Reference
from kernel_work import CONFIG, medians, steps_of, trainer
from maml_speed import DisagreementError
from training_page import Section
from training_streams import TRAINING, training_streams

from autometa.config import ColumnKernelConfig
from autometa.episodes import EpisodeBatch, TrainingEpisodes
from autometa.learners import AbstractLearner, build_learner

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

_DESCENT: dict[str, Any] = {"head": "descent", "gate": False}
_HEAD = ColumnKernelConfig(adapt="head", inner_lr=1.0, inner_steps=10, **_DESCENT)
_CONFIGS = {"head": _HEAD, "head+scales": CONFIG.model_copy(update=_DESCENT)}
"""What the reference has too: a head that descends, and no gate."""

_CANDIDATES = 10
"""Candidates of a worker over which drawing the batches is spread, if all train to the end."""

_BATCHES = 200
_TOLERANCE = 1e-10
_FACTOR = 3.0


def kernel_section(*, is_quick: bool, tables: Path | None, reference: Path | None) -> Section:
    """Checks and times the kernel learner, splits its step into parts, and varies its size.

    Args:
        is_quick: fewer rounds.
        tables: folder of real tables with an index; scikit-learn's where None.
        reference: folder of another implementation; left out where None.
    """
    fresh = training_streams(tables, [None], kept_bytes=0)[None]
    batches = [fresh.batch(step) for step in range(_BATCHES)]
    difference = _check(batches)
    other = Reference(reference, tables) if reference is not None and tables is not None else None
    agreement = _reference_agreement(other, batches) if other is not None else {}
    rounds, repeats = (3, 40) if is_quick else (7, 100)
    times = {
        name: medians(_contenders(config, batches, fresh, other), rounds=rounds, repeats=repeats)
        for name, config in _CONFIGS.items()
    }
    parts = medians(_parts(batches, fresh), rounds=rounds, repeats=repeats)
    grown = growth(rounds=rounds, repeats=10 if is_quick else 30)
    figures = {
        "written_out_against_recorded": difference,
        "losses_beside_reference": agreement,
        "milliseconds": times,
        "parts": parts,
        "growth": grown,
    }
    return Section(
        key="column_kernel",
        title="The recommended learner",
        figures=figures,
        lines=_lines(figures),
        targets=[
            Target(
                f"reference / autometa, column_kernel {name}",
                _FACTOR,
                found["reference"] / found["autometa"] if "reference" in found else None,
                name,
            )
            for name, found in times.items()
        ],
        draw=lambda part: _draw(part, figures),
        height=4.2,
    )


def _check(batches: list[EpisodeBatch]) -> dict[str, float]:
    """Returns the largest relative difference of written-out and recorded forms in float64.

    Raises:
        DisagreementError: they differ by more than rounding.
    """
    largest = {}
    for name, config in _CONFIGS.items():
        found = [0.0]
        for batch in batches[:6]:
            double = batch.to("cpu", torch.float64)
            results = []
            for is_written_out in (True, False):
                learner = build_learner(config, seed=0).double()
                learner.is_written_out = is_written_out
                loss = -(learner(double).mT.log_softmax(1) * double.query_shares_TWQ).sum()
                gradients = torch.autograd.grad(loss, tuple(learner.parameters()))
                results.append([loss[None], *gradients])
            for ours, theirs in zip(*results, strict=True):
                scale = theirs.abs().max().clamp_min(1e-6)
                found.append(float(((ours - theirs).abs().max() / scale).detach()))
        largest[name] = max(found)
        if not largest[name] < _TOLERANCE:
            raise DisagreementError(f"column_kernel {name}: forms differ by {largest[name]:.1e}")
    return largest


def _reference_agreement(other: Reference, batches: list[EpisodeBatch]) -> dict[str, float]:
    """Returns the largest relative difference of losses at equal weights on balanced batches."""
    balanced = [
        batch
        for batch in batches
        if batch.shots_TW.min() == batch.shots_TW.max() > 1 and bool((batch.y_TS >= 0).all())
    ]
    found = {}
    for name, config in _CONFIGS.items():
        # The reference does not bound the offsets of the scales; small ones are the same.
        update = {"inner_lr": 0.01} if config.adapt == "head+scales" else {}
        pairs = [other.losses(config.model_copy(update=update), batch) for batch in balanced]
        found[name] = max(abs(ours - theirs) / theirs for ours, theirs in pairs)
    return found | {"batches": len(balanced)}


def _contenders(
    config: ColumnKernelConfig,
    batches: list[EpisodeBatch],
    fresh: TrainingEpisodes,
    other: Reference | None,
) -> dict[str, Callable[[], object]]:
    """Returns what is timed: an outer step, episodes included."""
    draws = itertools.count(1000)

    def drawn(_step: int) -> EpisodeBatch:
        return fresh.batch(next(draws))

    def spread(step: int) -> EpisodeBatch:
        return drawn(step) if step % _CANDIDATES == 0 else batches[step % _BATCHES]

    recorded = trainer(drawn, config)
    recorded.learner.is_written_out = False
    contenders: dict[str, Callable[[], object]] = {
        "autometa": steps_of(trainer(spread, config)),
        "autometa, first candidate": steps_of(trainer(drawn, config)),
        "recorded by autograd": steps_of(recorded),
    }
    if other is not None:
        contenders |= {
            "reference": other.stepper(config, is_lean=False),
            "reference, lean": other.stepper(config, is_lean=True),
        }
    return contenders


def _parts(batches: list[EpisodeBatch], fresh: TrainingEpisodes) -> dict[str, Callable[[], object]]:
    """Returns the parts of an outer step: episodes, loss, gradient, and all of it."""
    draws, turns = itertools.count(3000), itertools.cycle(batches)
    learner = build_learner(CONFIG, seed=0)
    ungated = build_learner(CONFIG.model_copy(update={"gate": False}), seed=0)
    parameters = tuple(learner.parameters())

    def loss(of: AbstractLearner = learner) -> torch.Tensor:
        batch = next(turns)
        return -(of(batch).mT.log_softmax(1) * batch.query_shares_TWQ).sum()

    return {
        "episodes, drawn": lambda: fresh.batch(next(draws)),
        "column network": lambda: learner.column_network(next(turns).column_statistics_TFJ),
        "loss without a gate": lambda: loss(ungated),
        "loss": loss,
        "loss and gradient": lambda: torch.autograd.grad(loss(), parameters),
        "outer step without episodes": steps_of(trainer(lambda _step: next(turns))),
    }


def _lines(figures: dict[str, Any]) -> list[str]:
    times, parts = figures["milliseconds"], figures["parts"]
    names = list(times["head"])
    lines = [
        "- Written-out and recorded inner loops agree in float64, in loss and every gradient, to "
        f"{max(figures['written_out_against_recorded'].values()):.0e} (bound {_TOLERANCE:.0e}).",
        f"- Batches of {TRAINING.meta_batch} tasks; `autometa` spreads the drawing of its batches "
        f"over {_CANDIDATES} candidates of a worker, which share them; its first pays for it.",
    ]
    agreement = figures["losses_beside_reference"]
    if agreement:
        lines.append(
            f"- At equal weights the losses differ from the reference's by {agreement['head']:.0e} "
            f"(head) and {agreement['head+scales']:.0e} (head+scales, at a rate of 0.01, because "
            f"it does not bound offsets), over {agreement['batches']} batches of equal counts."
        )
    else:
        lines.append("- The reference is left out: no `--reference` or no `--tables` was given.")
    rows = [[adapt, *(f"{found[name]:.2f}" for name in names)] for adapt, found in times.items()]
    lines += ["", "ms per outer step, episodes included:", "", *table(["adapts", *names], rows)]
    step = parts["outer step without episodes"]
    shown = {
        "column network": parts["column network"],
        "gate": parts["loss"] - parts["loss without a gate"],
        "rest of the loss": parts["loss without a gate"] - parts["column network"],
        "gradient": parts["loss and gradient"] - parts["loss"],
        "update and average": step - parts["loss and gradient"],
        "episodes, spread": parts["episodes, drawn"] / _CANDIDATES,
        "episodes, first candidate": parts["episodes, drawn"],
    }
    rows = [[name, f"{value:.2f}", f"{100 * value / step:.0f}"] for name, value in shown.items()]
    lines += ["", f"Parts of a step of {step:.2f} ms (head+scales, the default):", ""]
    lines += table(["part", "ms", "% of the step"], rows)
    return [*lines, "", *growth_lines(figures["growth"])]


def _draw(part: SubFigure, figures: dict[str, Any]) -> None:
    """Draws how the cost of a step grows with each size."""
    grown = figures["growth"]
    panels = part.subplots(1, len(grown), squeeze=False, sharey=True)[0]
    for axes, (name, found) in zip(panels, grown.items(), strict=True):
        sizes, milliseconds = zip(*found, strict=True)
        axes.plot(sizes, milliseconds, marker="o", color="#c1272d")
        axes.set_xlabel(name)
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [f"{size}" for size in sizes])
        axes.minorticks_off()
        axes.grid(axis="y", linewidth=0.4, alpha=0.5)
    highest = max(milliseconds for found in grown.values() for _, milliseconds in found)
    panels[0].set_ylim(0, 1.05 * highest)
    panels[0].set_ylabel("CPU time per outer step (ms)")
    part.suptitle("column_kernel: cost of an outer step by size", fontsize=12)

"""What a prior holds and what of it bears on a target, for people."""

from __future__ import annotations

from autometa.priors._view import View


def explanation(view: View) -> list[str]:
    """Returns lines: each source with its trust, then everything that does not carry over."""
    lines = []
    known: set[str] = set()
    for item, trust in zip(view.translations, view.initial_trust, strict=True):
        source = item.source
        known.update(item.shared)
        lines.append(
            f"{source.name}: {source.trials} trials, {len(item.shared)} shared parameters, "
            f"expected rank agreement {trust:.2f}"
        )
        lines += [f"  {line}" for line in item.dropped()]
    lines += [f"left out: {line}" for line in view.left_out]
    new = [item.name for item in view.space.parameters if item.name not in known]
    if new:
        lines.append(f"new to every past study, left to the base sampler: {', '.join(new)}")
    return lines or ["no past study"]

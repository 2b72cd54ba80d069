"""The model card: what an export is, what it was measured to do, and what it is not for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autometa.export._card_scores import markdown_table, scores_section
from autometa.export._drawing import classes, drawing
from autometa.export._meta_config import Provenance
from autometa.export._write import weights_sha256
from autometa.learners import AbstractLearner

if TYPE_CHECKING:
    from autometa.evaluation import ScoreSheet

TRAINED_COLUMNS = 40
"""Encoded columns that a meta-training task has at most (``episodes.TrainingEpisodes``)."""

TRAINED_WAYS = 5
"""Classes that a meta-training task has at most."""

_LOADING = """\
## How to use it

```python
import autometa

classifier = autometa.load("{path}")  # this folder
classifier.fit(X, y)  # a handful of labelled rows; X_unlabelled=... takes further rows
classifier.predict_proba(X_new)
```

or `autometa predict --export {path} --support labelled.csv --target COLUMN --rows new.csv`.
Adaptation runs in float64: the same folder and rows give the same predictions to 1e-5 on any
machine."""


def write_card(
    *,
    learner: AbstractLearner,
    spec: Mapping[str, Any],
    sheet: ScoreSheet,
    provenance: Provenance | Mapping[str, Any],
    method: str = "autometa",
) -> str:
    """Returns the model card of an export, Markdown.

    Scores are quoted from the rows of role ``test`` alone, which had no say in the choice; where
    there are none, the card says "not tested".

    Args:
        learner: the learner with exactly the weights that were scored.
        spec: the sections of the study file, as for ``write_export``.
        sheet: scores of the learner and of the baselines.
        provenance: where the export comes from, as for ``write_export``.
        method: the learner's name in the sheet.

    >>> from autometa.evaluation import ScoreSheet
    >>> from autometa.export import read_export
    >>> learner, sheet = read_export().learner(), ScoreSheet.from_rows([])
    >>> card = write_card(learner=learner, spec={}, sheet=sheet, provenance={"study": "mine"})
    >>> card.splitlines()[0], "**Not tested**" in card
    ('# mine: a few-shot classifier for tables', True)
    >>> [line for line in card.splitlines() if line.startswith("## ")][:3]
    ['## Test score', '## Limits', '## Meta-parameters']
    """
    sections = [
        _introduction(learner, provenance),
        *_refit(provenance),
        scores_section(
            sheet,
            method=method,
            test_reads=provenance.get("test_reads", 1),
            drawn=drawing(spec.get("episodes", {})),
        ),
        _limits(spec),
        _meta_parameters(learner),
        _data_seen(provenance),
        _budget(spec, provenance),
        _origin(learner, provenance),
        _LOADING.format(path="PATH"),
    ]
    return "\n\n".join(sections) + "\n"


def _introduction(learner: AbstractLearner, provenance: Mapping[str, Any]) -> str:
    study = provenance.get("study", "unnamed")
    weights = sum(parameter.numel() for parameter in learner.parameters())
    return (
        f"# {study}: a few-shot classifier for tables\n\n"
        f"A `{learner.config.name}` learner with {weights:,} meta-trained weights. It was trained "
        "on many small classification tasks so that it adapts to a new table from a handful of "
        "labelled rows; nothing is tuned on the new table. Its meta-parameters were found by the "
        f"study `{study}`."
    )


def _refit(provenance: Mapping[str, Any]) -> list[str]:
    if "refit_of" not in provenance:
        return []
    return [
        "**Trained again on all tables.** After the study had chosen and tested its winner, the "
        "winner's meta-configuration was trained once more, on the tables of every role. The "
        f"scores below are of the weights before (sha256 {provenance['refit_of'][:16]}), which had "
        "not seen the test tables; the weights in this folder have, and are scored nowhere."
    ]


def _limits(spec: Mapping[str, Any]) -> str:
    episodes = spec.get("episodes", {})
    ways = episodes.get("ways", TRAINED_WAYS)
    trained_ways = TRAINED_WAYS if ways == "all" else min(ways, TRAINED_WAYS)
    scored = []
    if "ways" in episodes:
        scored.append(f"with {classes(ways)}")
    if "shots" in episodes:
        scored.append(f"at {_joined(episodes['shots'])} labelled rows per class")
        if episodes.get("counts", "equal") != "equal":
            scored.append("on average")
    lines = [
        f"- It was meta-trained on tasks of up to {trained_ways} classes and at most "
        f"{TRAINED_COLUMNS} encoded columns{', and scored ' + ' '.join(scored) if scored else ''}. "
        "More classes, columns or rows are accepted, and then nothing above tells how well it "
        "does.",
        "- It is for small labelled sets. Of more than 1,000 labelled rows a sample is used; with "
        "hundreds of rows per class, or where single columns decide by a threshold, a random "
        "forest or gradient boosting is likely to do better: compare them on your own table.",
        "- Columns are encoded one by one: texts become counts and common words, and the meaning "
        "of column names is not used.",
        "- Meta-training asks for equally many rows of every class, so that probabilities do not "
        "reflect how rare a class is: check them before you rely on a threshold.",
    ]
    return "## Limits\n\n" + "\n".join(lines)


def _meta_parameters(learner: AbstractLearner) -> str:
    values = {"name": learner.config.name, **learner.config.model_dump(mode="json")}
    return "## Meta-parameters\n\n" + markdown_table(
        ["name", "value"], [[f"`{name}`", f"{value}"] for name, value in values.items()]
    )


def _data_seen(provenance: Mapping[str, Any]) -> str:
    by_role: dict[str, list[str]] = {}
    for entry in provenance.get("families_seen", []):
        tables = ", ".join(entry.get("tables", []))
        family = str(entry["family"])
        shown = family if tables in ("", family) else f"{family} ({tables})"
        by_role.setdefault(str(entry.get("role", "unknown")), []).append(shown)
    tested = by_role.pop("test", [])
    if not by_role:
        return "## Data seen\n\nNot recorded."
    lines = [
        f"- **{role}** ({_families(families)}): {'; '.join(sorted(families))}"
        for role, families in by_role.items()
    ]
    text = (
        "## Data seen\n\nScores on these families say nothing about new tables; `autometa "
        "evaluate` marks them. No row of any table is in this folder.\n\n" + "\n".join(lines)
    )
    if tested:
        text += (
            f"\n\nThe test score is about {_families(tested)} that had no say: "
            f"{'; '.join(sorted(tested))}."
        )
    return text


def _families(families: Sequence[str]) -> str:
    return f"{len(families)} {'family' if len(families) == 1 else 'families'}"


def _budget(spec: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    budget = dict(provenance.get("budget", {}))
    lines = _bullets(budget) or ["- search: not recorded"]
    training = spec.get("training", {})
    if "outer_steps" in training and "outer_steps" not in budget:
        lines.append(f"- outer steps: {training['outer_steps']}")
    return "## Budget spent\n\n" + "\n".join(lines)


def _origin(learner: AbstractLearner, provenance: Mapping[str, Any]) -> str:
    lines = [f"- weights sha256: `{weights_sha256(learner)}`"]
    for key in ("study", "trial", "fingerprint", "created"):
        if key in provenance:
            lines.append(f"- {key}: `{provenance[key]}`")
    for key in ("seeds", "versions"):
        if provenance.get(key):
            pairs = ", ".join(f"{name} {value}" for name, value in provenance[key].items())
            lines.append(f"- {key}: {pairs}")
    return "## Origin\n\n" + "\n".join(lines)


def _bullets(values: Mapping[str, Any]) -> list[str]:
    return [
        f"- {name.replace('_', ' ')}: {f'{value:.0f}' if isinstance(value, float) else value}"
        for name, value in values.items()
    ]


def _joined(values: Iterable[Any]) -> str:
    texts = [str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"

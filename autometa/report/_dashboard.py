"""What the Optuna dashboard shows of a study beside its own pages.

A note on the study and on each confirmed trial, the pictures as cards, and the winner's card,
configuration and scores as artifacts. All of it is written again under the same names when the
study has gone on.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import optuna
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound

from autometa.evaluation import verdicts
from autometa.export import drawing, markdown_table
from autometa.report._asked import family_counts
from autometa.report._cards import cards
from autometa.report._evidence import Evidence, Winner
from autometa.report._past import past_words
from autometa.report._words import interval, listed
from autometa.search import LEARNER_METHOD

_FILES: Final = ("card.md", "meta_config.yaml")
_SCORES: Final = "scores.csv"


def annotate(study: optuna.Study, evidence: Evidence, *, artifacts: Path) -> None:
    """Puts note, cards and artifacts of a study where the dashboard shows them.

    Args:
        study: the study.
        evidence: what ``gather`` returned of it.
        artifacts: folder of artifacts; made where it is not there.

    Raises:
        OSError: the folder cannot be written.

    >>> from optuna_dashboard import get_note
    >>> from autometa.report import gather
    >>> from autometa.search import StudyData, prepare_study
    >>> study, _ = prepare_study(spec, StudyData.load(spec))
    >>> annotate(study, gather(study), artifacts=Path("artifacts"))
    >>> get_note(study).splitlines()[0]
    '# tiny'
    """
    from optuna_dashboard import save_note, save_plotly_graph_object

    save_note(study, study_note(evidence))
    for name, figure in cards(evidence).items():
        save_plotly_graph_object(study, figure, graph_object_id=name)
    trials = study.get_trials(deepcopy=False)
    for number, values in evidence.confirmed_values().items():
        # A trial that is finished takes a note only as one that could still run.
        trial = optuna.trial.Trial(study, trials[number]._trial_id)
        save_note(trial, trial_note(evidence, number, values))
    if evidence.winner is not None:
        artifacts.mkdir(parents=True, exist_ok=True)
        _upload(study, evidence.winner, FileSystemArtifactStore(artifacts))


def study_note(evidence: Evidence) -> str:
    """Returns the note on a study: its goal, what was found, and how to use it; Markdown."""
    spec, winner = evidence.spec, evidence.winner
    families = {} if winner is None else family_counts(winner)
    counted = listed(f"{count} {role}" for role, count in families.items())
    parts = [
        f"# {evidence.name}",
        "The value of a trial is the mean, over validation families and shots, of logistic "
        "regression's log-loss minus the learner's, in nats: above zero is better. It chooses, and "
        "is not the score to quote.",
        f"{evidence.progress.done} of {evidence.progress.budget} trials are done, in "
        f"{evidence.seconds:.0f} seconds."
        + (f" Families: {counted}." if counted else "")
        + ("" if winner is not None else " There is no winner yet."),
        *([] if evidence.past is None else [" ".join(past_words(evidence.past))]),
    ]
    if winner is not None:
        drawn = drawing(spec.episodes.model_dump(mode="json"))
        parts += [
            f"## Trial {winner.trial} won",
            " ".join(verdicts(winner.sheet, learner=LEARNER_METHOD, drawn=drawn)),
            f"Scores of its weights on the {winner.role} tables, accuracy in %; in brackets the "
            "points over the best single baseline with their 95 % interval:",
            _scores(winner),
            "## Use it",
            f"```\nautometa export {evidence.name} -o my_classifier\n```",
        ]
    return "\n\n".join(parts) + "\n"


def trial_note(evidence: Evidence, number: int, values: Sequence[float]) -> str:
    """Returns the note on a confirmed trial; Markdown."""
    won = evidence.winner is not None and evidence.winner.trial == number
    seeds = ", ".join(f"{value:+.4f}" for value in values)
    mean = sum(values) / len(values)
    return (
        f"Confirmed with {len(values)} fresh seeds: {seeds} nats, mean {mean:+.4f}."
        + (" **This trial won.**" if won else "")
        + "\n"
    )


def _scores(winner: Winner) -> str:
    rows = []
    for setting, shot in winner.sheet.cells():
        part = winner.sheet.select(setting=setting, shot=shot)
        best = part.best_baseline(exclude=(LEARNER_METHOD,))
        over = part.advantage(LEARNER_METHOD, best)
        rows.append(
            [
                f"{setting}, K={shot}",
                f"{100 * part.mean('accuracy', LEARNER_METHOD):.1f}",
                f"{100 * part.mean('accuracy', best):.1f} ({best})",
                interval(100 * over.mean, 100 * over.low, 100 * over.high),
            ]
        )
    return markdown_table(["setting", "autometa", "best baseline", "points"], rows)


def _upload(study: optuna.Study, winner: Winner, store: FileSystemArtifactStore) -> None:
    """Uploads the files of the export that are not there yet with the same contents."""
    known = {
        (meta.filename, _sha256(store, meta.artifact_id)) for meta in get_all_artifact_meta(study)
    }
    with tempfile.TemporaryDirectory() as scratch:
        csv = Path(scratch) / _SCORES
        winner.sheet.frame.to_csv(csv, index=False)
        for path in (*(winner.folder / name for name in _FILES), csv):
            if (path.name, hashlib.sha256(path.read_bytes()).hexdigest()) not in known:
                upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=study)


def _sha256(store: FileSystemArtifactStore, artifact_id: str) -> str:
    """Returns the hash of an artifact; of one whose file is gone, nothing."""
    try:
        with store.open_reader(artifact_id) as reader:
            return hashlib.sha256(reader.read()).hexdigest()
    except ArtifactNotFound:
        return ""

"""``autometa priors``: what past studies say, without running anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autometa.cli._printing import clean, hush_optuna, log_to_stderr, one_line, say, tell, tell_json
from autometa.cli._storage_option import StorageOption
from autometa.errors import UserError

if TYPE_CHECKING:
    import optuna

    from autometa.priors import StudyPrior
    from autometa.search import WarmStart

priors = typer.Typer(
    help="Learn from finished studies, and see what they propose.", no_args_is_help=False
)

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Prior files, as `learn` writes them.")
]
Target = Annotated[
    Path | None,
    typer.Option("--for", metavar="SPEC", help="A study file: only what bears on its space."),
]


@priors.command("learn", epilog="Example: autometa priors learn quickstart -o quickstart.json")
def learn(
    studies: Annotated[
        list[str], typer.Argument(metavar="STUDY...", help="Studies of the storage, any Optuna's.")
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Default: results/runs/priors/STUDY.json."
        ),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Write what studies say to later ones, into one file.

    Finished studies of `autometa tune` have written theirs already.
    """
    from autometa.priors import StudyPrior
    from autometa.search import prior_file_of
    from autometa.storages import check_study_name, open_storage

    if output is None and len(studies) != 1:
        raise UserError(
            f"a file of {len(studies)} studies needs a name: add -o FILE, or learn one at a time"
        )
    hush_optuna()
    log_to_stderr()
    opened = open_storage(storage, create=False)
    learned = StudyPrior().merge(*(learned_from(opened, name) for name in studies))
    for line in learned.left_out:
        say(f"left out: {one_line(line)}")
    if not learned.sources:
        raise UserError("there is nothing to learn from these studies: let them run first")
    target = output if output is not None else prior_file_of(check_study_name(studies[0]))
    learned.save(target)
    trials = sum(source.trials for source in learned.sources)
    tell(clean(f"{target}: {len(learned.sources)} of {len(studies)} studies, {trials} trials"))


@priors.command("explain", epilog="Example: autometa priors explain old.json --for study.yaml")
def explain(files: Files, target: Target = None) -> None:
    """Tell what prior files hold: trust, what is shared with a study, and all that is dropped."""
    log_to_stderr()
    loaded = _loaded(files)
    start = _start(loaded, target)
    tell(clean(loaded.explain() if start is None else start.explain()))


@priors.command("suggest", epilog="Example: autometa priors suggest old.json --for study.yaml -n 3")
def suggest(
    files: Files,
    target: Target = None,
    count: Annotated[
        int, typer.Option("-n", "--count", metavar="N", min=1, max=100, help="How many.")
    ] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the configurations that prior files would have a study try first."""
    log_to_stderr()
    loaded = _loaded(files)
    start = _start(loaded, target)
    found = loaded.suggest(count) if start is None else start.suggest(count)
    if as_json:
        tell_json(found)
        return
    if not found:
        tell("nothing: no past study knows a parameter of the space")
    for place, config in enumerate(found, start=1):
        values = ", ".join(
            f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}"
            for name, value in config.items()
        )
        tell(one_line(f"{place}. {values}"))


def _loaded(files: Sequence[Path]) -> StudyPrior:
    from autometa.priors import StudyPrior

    return StudyPrior.load(*files)


def _start(loaded: StudyPrior, target: Path | None) -> WarmStart | None:
    if target is None:
        return None

    from autometa.config import read_spec
    from autometa.search import warm_start_for

    return warm_start_for(read_spec(target), loaded)


def learned_from(storage: optuna.storages.BaseStorage, name: str) -> StudyPrior:
    """Returns what one study says, by autometa's names where it is autometa's.

    Raises:
        UserError: there is no such study, or it has several objectives.
        RunError: the storage failed.
    """
    import optuna

    from autometa.priors import StudyPrior
    from autometa.search import learn_prior, load_spec
    from autometa.storages import list_studies, load_study, storage_errors

    with storage_errors(storage):
        kinds = {summary.name: summary.is_autometa for summary in list_studies(storage)}
        if not kinds.get(name, True):
            return StudyPrior.learn(optuna.load_study(study_name=name, storage=storage))
    study = load_study(storage, name)
    with storage_errors(storage):
        return learn_prior(study, load_spec(study))

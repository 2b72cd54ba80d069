"""What a trial's value depends on, so that a study is resumed only as what it is."""

from __future__ import annotations

from typing import Any

from autometa.config._spec import METRIC, SCHEMA_VERSION, StudySpec

_GENERATIONS = {"column_kernel": 3}
"""Counts up when a learner of the same meta-parameters becomes another one."""


def fingerprint(spec: StudySpec) -> dict[str, Any]:
    """Returns everything in a study file that its trials depend on, in plain JSON values.

    The space is a list, because samplers depend on its order. The sampler and the pruner are in
    it, because they decide which trials there are. Name, storage, device, workers, the budget
    (trials, seconds) and the confirmation may change from one run of a study to the next; so may
    the warm start, of which a study keeps what it began with. What
    the tables contain is not known here; the search adds their hashes.

    Args:
        spec: the study.

    >>> tables = {"train": [{"source": "openml", "suite": 99}], "split": {"validation": 0.2}}
    >>> space = {"depth": {"low": 1, "high": 4}}
    >>> spec = StudySpec(name="mine", tables=tables, learner={"name": "maml"}, space=space)
    >>> fingerprint(spec)["space"]
    [{'parameter': 'depth', 'low': 1, 'high': 4, 'log': False, 'step': 1}]
    >>> fingerprint(spec.model_copy(update={"name": "yours"})) == fingerprint(spec)
    True
    """
    space = [
        {
            "parameter": spec.space.parameter_name(learner, field),
            **dimension.model_dump(mode="json"),
        }
        for learner, dimensions in spec.space.branches.items()
        for field, dimension in dimensions.items()
    ]
    episodes = spec.episodes.model_dump(mode="json")
    training = spec.training.model_dump(mode="json", exclude={"device"})
    # Studies older than these choices have no such keys, and may go on.
    if spec.episodes.counts == "equal":
        del episodes["counts"]
    if spec.training.reuse == 1:
        del training["reuse"]
    generations = {name: _GENERATIONS[name] for name in spec.space.branches if name in _GENERATIONS}
    return generations | {
        "schema_version": SCHEMA_VERSION,
        "metric": METRIC,
        "seed": spec.search.seed,
        "sampler": spec.search.sampler,
        "pruner": spec.search.pruner,
        "learners": list(spec.space.branches),
        "fixed": dict(spec.learner),
        "space": space,
        "episodes": episodes,
        "training": training,
        "tables": _tables(spec),
    }


def _tables(spec: StudySpec) -> dict[str, Any]:
    """Returns the sources of each role, but for what only says which of OpenML's tables there are.

    The hashes of the tables say that. So a table that could not be downloaded when the study began
    may be left out by name later.
    """
    tables = spec.tables.model_dump(mode="json")
    for sources in tables.values():
        for source in sources if isinstance(sources, list) else ():
            if source["source"] == "openml":
                del source["without"], source["min_tables"]
    return tables

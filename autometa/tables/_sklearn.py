"""Tables that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence

from autometa.errors import UserError
from autometa.tables._contents import make_table
from autometa.tables._records import Table

# Families bear the names of the UCI tables that these copy (digits: the test part of optdigits).
_FAMILIES = {"iris": "iris", "wine": "wine", "breast_cancer": "wdbc", "digits": "optdigits"}
SKLEARN_NAMES = tuple(_FAMILIES)


def check_names(names: Sequence[str]) -> None:
    """Checks that there is at least one name and that all are known.

    Raises:
        UserError: they are not.
    """
    unknown = [name for name in names if name not in _FAMILIES]
    if unknown or not names:
        raise UserError(
            f"a scikit-learn table must be one of {', '.join(SKLEARN_NAMES)}; got "
            f"{unknown[0] if unknown else 'no name'!r}: choose one of these, or give a file"
        )


def sklearn_tables(names: Sequence[str]) -> list[Table]:
    """Returns the named tables.

    Raises:
        UserError: scikit-learn has no such classification table.
    """
    check_names(names)
    return [_sklearn_table(name) for name in names]


def _sklearn_table(name: str) -> Table:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = bunch.data.copy()
    class_names = [str(class_name) for class_name in bunch.target_names]
    frame["target"] = [class_names[code] for code in bunch.target]
    return make_table(name, frame, target="target", source="sklearn", family=_FAMILIES[name])

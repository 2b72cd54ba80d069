"""Roles: listed or divided by family, checked for leakage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from autometa.config import FilesSource, SklearnSource, SplitSpec, SyntheticSource, TablesSpec
from autometa.errors import UserError
from autometa.tables import ROLES, Roles, load_roles, summarise

SYNTHETIC = SyntheticSource(count=3, seed=0)


@pytest.fixture
def shelf(make_frame: Any, folder: Path) -> Path:
    """Returns a folder of ten tables in eight families, with roles in its index."""
    lines = ["name,target,family,role"]
    for i in range(10):
        make_frame(seed=i).to_parquet(folder / f"t{i}.parquet")
        role = ["train", "validation", "confirm", "test"][min(3, i // 3)]
        lines.append(f"t{i},label,f{max(0, i - 2)},{role}")
    (folder / "index.csv").write_text("\n".join(lines))
    return folder


def _names(roles: Roles) -> dict[str, list[str]]:
    return {role: [table.name for table in tables] for role, tables in roles.items()}


def test_each_role_gets_the_tables_of_its_sources(shelf: Path, cache: Path) -> None:
    """Sources of one role are put together in order."""
    index = FilesSource(path=str(shelf), roles="index")
    spec = TablesSpec(train=(SYNTHETIC, index), validation=(index,), test=(index,))

    roles = load_roles(spec, cache)

    assert _names(roles) == {
        "train": [*(f"synthetic-0-{i}" for i in range(3)), "t0", "t1", "t2"],
        "validation": ["t3", "t4", "t5"],
        "confirm": [],
        "test": ["t9"],
    }
    assert tuple(roles.skipped) == ROLES


def _split(shelf: Path, cache: Path, **shares: Any) -> Roles:
    spec = TablesSpec(train=(SYNTHETIC, FilesSource(path=str(shelf))), split=SplitSpec(**shares))
    return load_roles(spec, cache)


def test_a_split_divides_the_tables_of_train_by_family(shelf: Path, cache: Path) -> None:
    """Every real table has one role, no family has two, and synthetic ones stay."""
    roles = _split(shelf, cache, validation=0.25, confirm=0.125, test=0.25)

    names = _names(roles)
    real = [name for own in names.values() for name in own if not name.startswith("synthetic")]
    families = {role: {table.family for table in own} for role, own in roles.items()}
    assert sorted(real) == [f"t{i}" for i in range(10)]
    assert [len(families[role]) for role in ROLES] == [3 + 1, 2, 1, 2]
    assert sum(map(len, families.values())) == len(set().union(*families.values()))
    assert names["train"][:3] == [f"synthetic-0-{i}" for i in range(3)]


def test_a_split_depends_on_its_seed_alone(shelf: Path, cache: Path) -> None:
    """The same seed divides alike; other seeds divide otherwise."""
    first = _names(_split(shelf, cache, validation=0.5, seed=0))
    again = _names(_split(shelf, cache, validation=0.5, seed=0))
    others = [_names(_split(shelf, cache, validation=0.5, seed=seed)) for seed in (1, 2, 3)]

    assert first == again
    assert any(other != first for other in others)


def test_small_shares_get_one_family(shelf: Path, cache: Path) -> None:
    """A role with a share is never empty."""
    roles = _split(shelf, cache, validation=0.01)

    assert len({table.family for table in roles.validation}) == 1


def test_too_few_families_to_divide_are_refused(make_frame: Any, folder: Path, cache: Path) -> None:
    """Every role needs a family of its own."""
    make_frame(seed=1).to_csv(folder / "a.csv", index=False)
    make_frame(seed=2).to_csv(folder / "b.csv", index=False)
    spec = TablesSpec(
        train=(FilesSource(path=str(folder)),), split=SplitSpec(validation=0.3, test=0.3)
    )

    with pytest.raises(UserError, match=r"2 families of tables\.train cannot give 3"):
        load_roles(spec, cache)


def test_copies_are_kept_together_by_a_split(make_frame: Any, folder: Path, cache: Path) -> None:
    """A family that was found is divided no more than a declared one."""
    for i in range(4):
        frame = make_frame(seed=i)
        frame.to_csv(folder / f"t{i}.csv", index=False)
        frame.rename(columns={"size": "V1"}).to_parquet(folder / f"copy{i}.parquet")

    for seed in range(5):
        spec = TablesSpec(
            train=(FilesSource(path=str(folder)),), split=SplitSpec(validation=0.5, seed=seed)
        )
        roles = load_roles(spec, cache)

        names = {table.name for table in roles.validation}
        assert {f"copy{name[1:]}" for name in names if name[0] == "t"} <= names
        assert len(names) == 4


def test_leakage_between_roles_is_refused(make_frame: Any, folder: Path, cache: Path) -> None:
    """A renamed copy on the other side is found, whichever file holds it."""
    make_frame(seed=1).to_csv(folder / "mine.csv", index=False)
    make_frame(seed=1).rename(columns={"size": "V1"}).to_parquet(folder / "copy.parquet")
    spec = TablesSpec(
        train=(FilesSource(path=str(folder / "mine.csv")),),
        validation=(FilesSource(path=str(folder / "copy.parquet")),),
    )

    with pytest.raises(UserError, match=r"'mine' \(train\) and 'copy' \(validation\)"):
        load_roles(spec, cache)


def test_a_file_that_copies_a_scikit_learn_table_is_found(tmp_path: Path, cache: Path) -> None:
    """A user's own iris.csv is the iris table."""
    from sklearn.datasets import load_iris

    bunch = load_iris(as_frame=True)
    frame = bunch.data.set_axis(["sl", "sw", "pl", "pw"], axis=1)
    frame.assign(species=bunch.target.map(lambda code: f"class {code}")).to_csv(
        tmp_path / "flowers.csv", index=False
    )
    spec = TablesSpec(
        train=(FilesSource(path=str(tmp_path / "flowers.csv")),),
        validation=(SklearnSource(names=("iris",)),),
    )

    with pytest.raises(UserError, match=r"'flowers' \(train\) and 'iris'.*family 'iris'"):
        load_roles(spec, cache)


def test_random_tables_may_have_every_role(cache: Path) -> None:
    """Synthetic tables are exempt from the check."""
    other = SyntheticSource(count=3, seed=1)

    roles = load_roles(TablesSpec(train=(SYNTHETIC,), validation=(other,)), cache)

    assert len(roles.train) == len(roles.validation) == 3


def test_a_table_listed_twice_counts_once(make_frame: Any, folder: Path, cache: Path) -> None:
    """The second one is skipped with its reason."""
    make_frame(seed=1).to_csv(folder / "a.csv", index=False)
    make_frame(seed=1).to_parquet(folder / "b.parquet")
    spec = TablesSpec(train=(FilesSource(path=str(folder)),), validation=(SYNTHETIC,))

    roles = load_roles(spec, cache)

    assert _names(roles)["train"] == ["a"]
    assert [record.name for record in roles.skipped["train"]] == ["b"]
    assert "same contents as 'a'" in roles.skipped["train"][0].reason


def test_other_tables_of_one_name_get_numbers(make_frame: Any, tmp_path: Path, cache: Path) -> None:
    """Results go by name, so that names must be distinct."""
    for seed, place in enumerate(("one", "two", "three")):
        (tmp_path / place).mkdir()
        make_frame(seed=seed).to_csv(tmp_path / place / "data.csv", index=False)
    one, two, three = (
        FilesSource(path=str(tmp_path / place / "data.csv")) for place in ("one", "two", "three")
    )

    roles = load_roles(TablesSpec(train=(one, two), validation=(three,)), cache)

    assert _names(roles)["train"] == ["data", "data (2)"]
    assert _names(roles)["validation"] == ["data (3)"]


def test_a_role_without_any_usable_table_is_refused(folder: Path, cache: Path) -> None:
    """The message gives the first reason."""
    pd.DataFrame({"a": [1, 2], "y": ["p", "p"]}).to_csv(folder / "a.csv", index=False)
    spec = TablesSpec(train=(SYNTHETIC,), validation=(FilesSource(path=str(folder)),))

    with pytest.raises(UserError, match=r"tables\.validation must give.*holds only one"):
        load_roles(spec, cache)


def test_a_role_that_the_index_does_not_know_is_refused(shelf: Path, cache: Path) -> None:
    """An index without rows of a role leaves that role empty."""
    index = FilesSource(path=str(shelf), roles="index")
    text = (shelf / "index.csv").read_text()
    (shelf / "index.csv").write_text(text.replace(",test", ",other"))

    with pytest.raises(UserError, match=r"tables\.test must give.*none"):
        load_roles(TablesSpec(train=(index,), validation=(index,), test=(index,)), cache)


def test_scikit_learn_tables_have_their_known_shapes(cache: Path) -> None:
    """Rows, columns, classes and families are those of the UCI tables."""
    names = ("iris", "wine", "breast_cancer", "digits")
    spec = TablesSpec(train=(SYNTHETIC,), validation=(SklearnSource(names=names),))

    roles = load_roles(spec, cache)

    listed = summarise(dict(roles.items()))[3:]
    assert [(s.name, s.family, s.rows, s.columns, s.classes) for s in listed] == [
        ("iris", "iris", 150, 4, 3),
        ("wine", "wine", 178, 13, 3),
        ("breast_cancer", "wdbc", 569, 30, 2),
        ("digits", "optdigits", 1797, 64, 10),
    ]
    assert [s.smallest_class for s in listed] == [50, 48, 212, 174]
    assert {s.role for s in listed} == {"validation"}
    assert set(listed[3].dropped.values()) == {"constant"}
    assert listed[3].encoded_columns == 64 - len(listed[3].dropped)
    assert roles.validation[0].class_names == ("setosa", "versicolor", "virginica")

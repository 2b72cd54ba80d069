"""Tables from files and folders."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from autometa.config import FilesSource
from autometa.errors import UserError
from autometa.tables import Skipped, Table, load_source
from autometa.tables._files import file_tables
from autometa.tables._read_file import read_frame, sniff_delimiter

ARFF = """% a comment
@relation toy
@attribute 'the size' numeric
@attribute colour {red, 'dark green'}
@attribute note string
@attribute class {yes,no}
@data
1.5, red, 'a b', yes
?, 'dark green', c, no
"""


def _frame(path: Path, text: str | bytes) -> pd.DataFrame:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_frame(path)


@pytest.mark.parametrize(
    "text",
    [
        "a,b,y\n1.5,x,p\n2.5,,q\n",
        "a;b;y\n1.5;x;p\n2.5;NA;q\n",
        "a;b;y\n1,5;x;p\n2,5;?;q\n",
        "a\tb\ty\n1.5\tx\tp\n2.5\tnan\tq\n",
        "\ufeffa, b, y\r\n1.5, x, p\r\n2.5, N/A, q\r\n",
        '"a","b","y"\n"1.5","x","p"\n"2.5","null","q"\n\n',
    ],
    ids=["comma", "semicolon", "decimal comma", "tab", "mark and spaces", "quotes"],
)
def test_csv_files_are_understood(tmp_path: Path, text: str) -> None:
    """Delimiters, byte-order marks, quotes, blanks and missing values are recognised."""
    frame = _frame(tmp_path / "t.csv", text)

    assert list(frame.columns) == ["a", "b", "y"]
    assert frame["a"].tolist() == [1.5, 2.5]
    assert frame["b"].isna().tolist() == [False, True]
    assert frame["y"].tolist() == ["p", "q"]


def test_latin_1_is_the_fallback(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are read as Latin-1."""
    frame = _frame(tmp_path / "t.csv", "naïve,y\n1,é\n".encode("latin-1"))

    assert list(frame.columns) == ["naïve", "y"]
    assert frame["y"].tolist() == ["é"]


def test_words_that_only_look_missing_are_kept(tmp_path: Path) -> None:
    """'None' is a level of many a table."""
    frame = _frame(tmp_path / "t.csv", "a,y\nNone,p\nsome,q\n")

    assert frame["a"].tolist() == ["None", "some"]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1;2,3\n", ","),
        ('a;b\n"1,2,3";4\n', ";"),
        ("a b,c\td,e\n1 2,3\t4,5\n", ","),
        ("only\n1\n", ","),
        ("a;b;c\n1;2\n", ";"),
    ],
)
def test_the_delimiter_is_the_one_that_splits_evenly(text: str, delimiter: str) -> None:
    """Most cells, all lines alike; else the commonest in the header."""
    assert sniff_delimiter(text) == delimiter


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("t.csv", "", "it is empty"),
        ("t.csv", "a,b\n1,2\n1,2,3\n", "readable as csv"),
        ("t.csv", "a,b\n1,2,3\n1,2,3\n", "readable as csv"),
        ("t.csv", "a,b\n\0\1,2\n", "zero bytes"),
        ("t.csv", 'a,b\n"1,2\n', "readable as csv"),
        ("t.csv", "a,a,y\n1,2,3\n", "'a' occurs 2 times"),
        ("t.parquet", "no parquet", "readable as parquet"),
        ("t.parquet", "", "readable as parquet"),
        ("t.arff", "@relation x\n@data\n1,2\n", "readable as arff"),
        ("t.arff", ARFF.replace("note", "colour"), "readable as arff"),
        ("t.arff", ARFF + "1, blue, d, yes\n", "readable as arff"),
        ("t.txt", "a,b\n", r"must end in \.parquet, \.csv, \.arff"),
    ],
)
def test_unreadable_files_are_refused_in_one_sentence(
    tmp_path: Path, name: str, contents: str, message: str
) -> None:
    """The message names the file and what is wrong with it, without line breaks."""
    with pytest.raises(UserError, match=message) as caught:
        _frame(tmp_path / name, contents)

    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit keeps memory safe."""
    monkeypatch.setattr("autometa.tables._read_file.MAX_BYTES", 4)

    with pytest.raises(UserError, match="at most"):
        _frame(tmp_path / "t.csv", "a,b\n1,2\n")


def test_parquet_keeps_categories_and_forgets_the_index(tmp_path: Path) -> None:
    """Categories are declared; row labels are no column."""
    frame = pd.DataFrame({"a": pd.Categorical(["x", "y"]), "y": [1, 2]}, index=[7, 9])
    frame.to_parquet(tmp_path / "t.parquet")

    read = read_frame(tmp_path / "t.parquet")

    assert isinstance(read["a"].dtype, pd.CategoricalDtype)
    assert read.index.tolist() == [0, 1]


def test_arff_attributes_keep_their_kinds(tmp_path: Path) -> None:
    """Nominal attributes are categories, numeric ones numbers, question marks missing."""
    frame = _frame(tmp_path / "t.arff", ARFF)

    assert frame["the size"].tolist()[0] == 1.5
    assert frame["the size"].isna().tolist() == [False, True]
    assert frame["colour"].cat.categories.tolist() == ["red", "dark green"]
    assert frame["note"].tolist() == ["a b", "c"]


def test_sparse_arff_is_read(tmp_path: Path) -> None:
    """Cells that a sparse row leaves out are zero."""
    text = "@relation s\n@attribute a numeric\n@attribute b numeric\n@data\n{0 1}\n{1 2}\n"

    assert _frame(tmp_path / "t.arff", text).to_numpy().tolist() == [[1, 0], [0, 2]]


def _read(source: FilesSource, role: str | None = None) -> list[Table | Skipped]:
    return list(file_tables(source, role))


def test_a_single_file_is_named_by_its_stem(make_frame: Any, tmp_path: Path) -> None:
    """The target is chosen, or the last column."""
    make_frame().to_csv(tmp_path / "mine.csv", index=False)

    (first,) = _read(FilesSource(path=str(tmp_path / "mine.csv")))
    (second,) = _read(FilesSource(path=str(tmp_path / "mine.csv"), target="colour"))

    assert isinstance(first, Table)
    assert isinstance(second, Table)
    assert (first.name, first.target.name) == ("mine", "label")
    assert second.target.name == "colour"


def test_the_home_folder_is_expanded(
    make_frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tilde stands for the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    make_frame().to_csv(tmp_path / "mine.csv", index=False)

    assert len(_read(FilesSource(path="~/mine.csv"))) == 1


@pytest.mark.parametrize(
    ("columns", "target", "message"),
    [
        (None, "nothing", "no column 'nothing'"),
        ({"label": "same"}, None, "holds only one"),
        ({"size": 1, "weight": 1, "colour": "red"}, None, "none besides its target"),
    ],
)
def test_a_single_file_must_be_usable(
    make_frame: Any, tmp_path: Path, columns: Any, target: Any, message: str
) -> None:
    """What would be skipped in a folder is an error for a table asked for by name."""
    make_frame().assign(**columns or {}).to_csv(tmp_path / "mine.csv", index=False)

    with pytest.raises(UserError, match=message):
        load_source(FilesSource(path=str(tmp_path / "mine.csv"), target=target))


def test_an_absent_path_is_refused(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(UserError, match=r"nowhere\.csv' does not"):
        _read(FilesSource(path=str(tmp_path / "nowhere.csv")))


def test_a_folder_without_index_gives_every_table_file(make_frame: Any, folder: Path) -> None:
    """Other files are ignored, names are sorted, each has a family of its own."""
    make_frame(seed=1).to_csv(folder / "b.csv", index=False)
    make_frame(seed=2).to_parquet(folder / "a.parquet")
    (folder / "README.md").write_text("# tables")

    first, second = _read(FilesSource(path=str(folder)))

    assert [first.name, second.name] == ["a", "b"]
    assert isinstance(first, Table)
    assert isinstance(second, Table)
    assert first.family != second.family


def test_a_folder_without_tables_is_refused(folder: Path) -> None:
    """An empty folder is a mistake."""
    with pytest.raises(UserError, match="holds none"):
        _read(FilesSource(path=str(folder)))


def test_tables_of_a_folder_that_cannot_be_used_are_skipped(
    make_frame: Any, folder: Path, cache: Path
) -> None:
    """The others load, and each skipped one has its reason."""
    make_frame().to_csv(folder / "good.csv", index=False)
    (folder / "broken.parquet").write_text("no parquet")
    make_frame().assign(label="same").to_csv(folder / "single.csv", index=False)

    tables, skipped = load_source(FilesSource(path=str(folder)), cache)

    assert [table.name for table in tables] == ["good"]
    assert [record.name for record in skipped] == ["broken", "single"]
    assert "readable as parquet" in skipped[0].reason
    assert "holds only one" in skipped[1].reason


@pytest.fixture
def indexed(make_frame: Any, folder: Path) -> Path:
    """Returns a folder whose index lists two tables, one of each role, and an absent one."""
    frame = make_frame(seed=1)[["label", "size", "weight"]]
    frame.to_csv(folder / "a.csv", index=False)
    make_frame(seed=2).to_parquet(folder / "b.parquet")
    digest = hashlib.sha256((folder / "b.parquet").read_bytes()).hexdigest()
    (folder / "index.csv").write_text(
        "name,role,family,target,sha256\n"
        "a,train,letters,label,\n"
        f"b,validation,,,{digest}\n"
        "gone,train,,,\n"
    )
    return folder


def test_the_index_gives_target_and_family(indexed: Path) -> None:
    """Empty cells mean the last column and a family of its own; an absent file is skipped."""
    first, second, third = _read(FilesSource(path=str(indexed)))

    assert isinstance(first, Table)
    assert isinstance(second, Table)
    assert (first.target.name, first.family) == ("label", "letters")
    assert second.target.name == "label"
    assert second.family.startswith("b#")
    assert isinstance(third, Skipped)
    assert "does not" in third.reason


def test_roles_of_the_index_choose_its_rows(indexed: Path) -> None:
    """With roles: index a role contributes its own rows only."""
    source = FilesSource(path=str(indexed), roles="index")

    assert [table.name for table in _read(source, "train")] == ["a", "gone"]
    assert [table.name for table in _read(source, "validation")] == ["b"]
    assert _read(source, "test") == []


def test_names_choose_tables_and_make_them_required(indexed: Path) -> None:
    """A table that was asked for by name must be there."""
    assert [t.name for t in _read(FilesSource(path=str(indexed), names=("b",)))] == ["b"]
    with pytest.raises(UserError, match="does not"):
        _read(FilesSource(path=str(indexed), names=("gone",)))
    with pytest.raises(UserError, match=r"no 'c': choose among a, b, gone"):
        _read(FilesSource(path=str(indexed), names=("c",)))


def test_a_changed_file_is_recognised_by_its_hash(indexed: Path, make_frame: Any) -> None:
    """A file that the index does not mean is not used."""
    make_frame(seed=3).to_parquet(indexed / "b.parquet")

    skipped = _read(FilesSource(path=str(indexed)))[1]

    assert isinstance(skipped, Skipped)
    assert "sha256" in skipped.reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,kind\na,x\n", "must have a column 'target'"),
        ("target,role\ny,train\n", "must have a column 'name'"),
        ("name,target\n../a,label\n", r"got '\.\./a'"),
        ("name,target\n..,label\n", r"got '\.\.'"),
        ("name,target\n,label\n", "got ''"),
        ("name,target\na,label\na,label\n", "got 'a'"),
        ("", "it is empty"),
    ],
)
def test_a_bad_index_is_refused(indexed: Path, text: str, message: str) -> None:
    """An index must have its columns, and names of files in its folder, each once."""
    (indexed / "index.csv").write_text(text)

    with pytest.raises(UserError, match=message):
        _read(FilesSource(path=str(indexed)))


def test_roles_of_an_index_need_an_index(make_frame: Any, folder: Path) -> None:
    """Neither a file nor a plain folder has roles."""
    make_frame().to_csv(folder / "a.csv", index=False)

    for path in (folder, folder / "a.csv"):
        with pytest.raises(UserError, match=r"needs a folder with index\.csv"):
            _read(FilesSource(path=str(path), roles="index"), "train")


def test_an_index_without_roles_cannot_choose_by_role(indexed: Path) -> None:
    """The column must be there."""
    (indexed / "index.csv").write_text("name,target\na,label\n")

    with pytest.raises(UserError, match="must have a column 'role'"):
        _read(FilesSource(path=str(indexed), roles="index"), "train")


def test_names_need_a_folder(make_frame: Any, folder: Path) -> None:
    """A single file has nothing to choose from."""
    make_frame().to_csv(folder / "a.csv", index=False)

    with pytest.raises(UserError, match="leave names out"):
        _read(FilesSource(path=str(folder / "a.csv"), names=("a",)))

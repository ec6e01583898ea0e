"""Every row of `classes.csv` is a class, or the message says why not and what to do."""

import re
from pathlib import Path

import pytest

from model.data.datasets import DatasetError, FolderDataset


def _names(folder: Path, table: str | bytes) -> dict[int, str]:
    content = table.encode() if isinstance(table, str) else table
    (folder / "classes.csv").write_bytes(content)
    return FolderDataset(folder).class_names


@pytest.mark.parametrize(
    "table",
    [
        "index, name\n0, background\n1, valve \n2,bolt\n",
        "index,name\r\n1,valve\r\n2,bolt\r\n255,\r\n",
        "name,index,colour\nvalve,1,red\nbolt,2,blue\n",
        "index,name\n0,_Background_\n1,valve,\n\n2,bolt\n",
        b"\xef\xbb\xbfindex,name\n1,valve\n2,bolt\n",
    ],
)
def test_spaces_around_names_and_other_columns_do_not_count(
    tmp_path: Path, table: str | bytes
) -> None:
    assert _names(tmp_path, table) == {1: "valve", 2: "bolt"}


@pytest.mark.parametrize("name", ["background", "BG", "void", "un-labelled", ""])
def test_a_row_for_the_background_is_called_so(tmp_path: Path, name: str) -> None:
    assert _names(tmp_path, f"index,name\n0,{name}\n1,valve\n") == {1: "valve"}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("index,name\n0,valve\n1,bolt\n", "line 2: 0 is the background in every label map, so "),
        ("index,name\n255,valve\n", "line 2: 255 is ignored in every label map, so valve would"),
        ("index,name\n1,valve, M5\n", 'line 2: a name with a comma needs quotes, as in 1,"valve'),
        ("index,name\n1,   \n", "line 2: class 1 has no name"),
        ("index,name\n1,valve\n2, valve\n", "valve is there twice"),
        ("index;name\n1;valve\n", "line of columns index,name, not 'index;name'"),
        ("1,valve\n2,bolt\n", "line of columns index,name, not '1,valve'"),
        ("", "line of columns index,name, not ''"),
        ("index,name\n1,Schlüssel\n".encode("latin-1"), "is no UTF-8: save it as CSV in UTF-8"),
        ("index,name\n1,valve\n".encode("utf-16"), "is no UTF-8: save it as CSV in UTF-8"),
    ],
)
def test_what_would_be_dropped_without_a_word_is_refused(
    tmp_path: Path, table: str | bytes, problem: str
) -> None:
    with pytest.raises(DatasetError, match=re.escape(problem)) as told:
        _names(tmp_path, table)
    assert str(tmp_path / "classes.csv") in str(told.value)


def test_a_name_with_a_comma_may_be_quoted(tmp_path: Path) -> None:
    assert _names(tmp_path, 'index,name\n1,"valve, M5"\n') == {1: "valve, M5"}


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"expected .*classes\.csv .*: No such file"):
        _ = FolderDataset(tmp_path).class_names


def test_a_set_has_the_name_of_its_folder_however_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "parts")
    for path in (tmp_path / "link", tmp_path / "parts" / ".." / "parts" / "."):
        assert FolderDataset(path).name == "parts"

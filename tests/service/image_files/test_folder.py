"""Which files of a folder are images: one rule for the client and for jobs."""

import os
import zipfile
from pathlib import Path

import pytest

from service.client.packing import pack
from service.image_files import UnusableInputError, files_of, image_file
from service.jobs.archives import unpack_images
from service.jobs.folders import Folders
from tests.service.pictures import picture

IMAGES = ["UPPER.JPG", "a.png", "inside/b.tiff", "inside/deep/c.jfif"]
OTHERS = ["inside/d.heic", "noext", "notes.txt", "old.gif"]
HIDDEN = [
    "._a.png",
    ".cache/e.png",
    "__MACOSX/f.png",
    "inside/__MACOSX/._a.png",
    "lost+found/g.png",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images, other files, and what is passed over."""
    root = tmp_path / "photos"
    for name in (*IMAGES, *OTHERS, *HIDDEN):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture().image_png)
    return root


def test_files_of_a_folder_are_images_or_others(folder: Path) -> None:
    images, others, _ = files_of(folder)
    assert [path.relative_to(folder).as_posix() for path in images] == IMAGES
    assert [path.relative_to(folder).as_posix() for path in others] == OTHERS
    images, others, _ = files_of(
        folder, recursive=False, without=[folder / "a.png", folder / "noext"]
    )
    assert [path.name for path in images] == ["UPPER.JPG"]
    assert [path.name for path in others] == ["notes.txt", "old.gif"]


def test_links_are_not_passed_over_in_silence(folder: Path, tmp_path: Path) -> None:
    """Those to nothing are images, as they seem to be; those to folders are told of."""
    for name in ("lost.jpg", "inside/lost.png", "lost.txt"):
        (folder / name).symlink_to(tmp_path / "not-fetched")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "out").mkdir()
    for name, target in (("more", folder / "inside"), ("out", tmp_path / "out")):
        (folder / name).symlink_to(target)
    (folder / "fine.png").symlink_to("a.png")
    found = files_of(folder, without=[tmp_path / "out"])
    linked = ["fine.png", "inside/lost.png", "loop.jpg", "lost.jpg"]
    names = [path.relative_to(folder).as_posix() for path in found.images]
    assert names == sorted([*IMAGES, *linked])
    assert found.linked == [folder / "more"]
    assert len(found.others) == len(OTHERS)
    assert files_of(folder, recursive=False).linked == []
    with pytest.raises(UnusableInputError, match="a link to a file that is not there"):
        image_file(folder / "lost.jpg")


def test_a_folder_that_is_looked_at_may_be_hidden_itself(folder: Path) -> None:
    assert [path.name for path in files_of(folder / ".cache").images] == ["e.png"]


def test_the_client_and_jobs_take_the_same_files(folder: Path, tmp_path: Path) -> None:
    with pack(folder) as packed, zipfile.ZipFile(packed) as sent:
        assert sorted(sent.namelist()) == IMAGES
    found = Folders([folder]).images(str(folder), max_images=100)
    assert [name for name, _ in found] == IMAGES
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, os.fspath(path.relative_to(folder)))
    (tmp_path / "out").mkdir()
    names = unpack_images(
        tmp_path / "all.zip", tmp_path / "out", first=0, max_images=100, take=lambda _: None
    )
    assert sorted(names) == IMAGES

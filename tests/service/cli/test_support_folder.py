"""Which file of a support folder is an image, and which one the mask of what."""

from pathlib import Path

import pytest

from service.cli import main
from service.cli.support_folder import read_supports


def _lay(folder: Path, names: str) -> Path:
    folder.mkdir()
    for name in names.split():
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "shots"),
    [
        ("a.jpg a.duck.png", "duck: a.jpg a.duck.png"),
        ("a.jpg a.duck.png a.v1.2.png", "duck: a.jpg a.duck.png, v1.2: a.jpg a.v1.2.png"),
        ("a.jpg a.v1.png a.v1.2.png", "v1: a.jpg a.v1.png, v1.2: a.jpg a.v1.2.png"),
        ("a.png a.1.2.3.PNG", "1.2.3: a.png a.1.2.3.PNG"),
        ("a.jpg a.new.jpg a.new.duck.png", "duck: a.new.jpg a.new.duck.png"),
        ("10.22.png 10.22.duck.png", "duck: 10.22.png 10.22.duck.png"),
        ("a.jpg a.duck.png b.jpg c.d.jpg e.png", "duck: a.jpg a.duck.png"),
    ],
)
def test_a_mask_is_of_the_image_whose_name_it_begins_with(
    tmp_path: Path, names: str, shots: str
) -> None:
    supports = read_supports(_lay(tmp_path / "s", names))
    told = [
        f"{name}: {shot.image.name} {Path(str(shot.mask)).name}"
        for name, found in supports.items()
        for shot in found
    ]
    assert ", ".join(told) == shots


@pytest.mark.parametrize("command", ["register", "label"])
@pytest.mark.parametrize("lost", ["b.dog.png", "ab.duck.png", "b.v1.2.png"])
def test_a_mask_of_no_image_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, lost: str
) -> None:
    support = _lay(tmp_path / "s", f"a.jpg a.duck.png {lost}")
    words = {
        "register": ["--url", "http://127.0.0.1:9"],
        "label": [str(tmp_path), "--out", str(tmp_path / "out")],
    }
    assert main([command, "--support", str(support), *words[command]]) == 2
    assert f"{support / lost} is the mask of no image" in capsys.readouterr().err

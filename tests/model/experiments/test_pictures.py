"""The pictures command: what is drawn, the page, and its errors."""

import re
from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model.build import load_network
from model.data.datasets import FolderDataset
from model.data.episodes import asked_classes, draw_episode
from model.evaluation import evaluate_episodes
from model.evaluation.prediction import Prediction
from model.experiments.contact_sheet import write_contact_sheet
from model.experiments.pictures import EpisodePicture, picture_episode, picture_episodes
from model.runtime import BundleRuntime
from model.segmenters import BundleSegmenter, EagerSegmenter
from tests.model.experiments.command import run_command

LITE = Path(__file__).parents[3] / "model" / "bundles" / "lite"


def _pictures(
    segmenter: EagerSegmenter | BundleSegmenter, root: Path, out: Path, *, shots: int = 1
) -> list[EpisodePicture]:
    dataset = FolderDataset(root / "data" / "tiny")
    return list(
        picture_episodes(
            segmenter,
            dataset,
            asked_classes(dataset, None, 64),
            shots=shots,
            count=2,
            seed=0,
            threshold=0.5,
            out=out,
        )
    )


def _captions(picture: EpisodePicture) -> list[str]:
    return [panel.caption.split(",")[0].split(" 0.")[0] for panel in picture.panels]


def test_a_network_shows_its_maps_and_the_ious_of_evaluation(
    root: Path, checkpoint: Path, tmp_path: Path
) -> None:
    segmenter = EagerSegmenter(load_network(checkpoint)[0])
    pictures = _pictures(segmenter, root, tmp_path, shots=2)
    assert _captions(pictures[0]) == [
        "support 1", "support 2", "query", "attention", "prior", "probability", "prediction",
        "ground truth",
    ]  # fmt: skip
    for picture in pictures:
        with Image.open(tmp_path / picture.file_name) as written:
            assert written.width > sum(panel.pixels.shape[1] for panel in picture.panels)
    dataset = FolderDataset(root / "data" / "tiny")
    report = evaluate_episodes(
        segmenter, dataset, asked_classes(dataset, None, 64), shots=2, episodes=1, seed=0,
        threshold=0.5,
    )  # fmt: skip
    assert pictures[0].iou == pytest.approx(report.mean_iou)
    assert pictures[0].class_name in report.class_iou


class _Sure:
    """Predicts a logit at which single precision rounds the probability to 1."""

    def add_support(
        self, key: Hashable, image: NDArray[np.uint8], mask: NDArray[np.bool_]
    ) -> object:
        return None

    def segment(
        self, key: Hashable, image: NDArray[np.uint8], supports: Sequence[object]
    ) -> Prediction:
        return Prediction(np.full((8, 8), 20, np.float32), 1.0)


@pytest.mark.parametrize("threshold", [0.5, 1 - 1e-12])
def test_pixels_are_decided_as_in_evaluation(root: Path, threshold: float) -> None:
    dataset = FolderDataset(root / "data" / "tiny")
    classes = asked_classes(dataset, None, 64)
    episode = draw_episode(classes, shots=1, seed=0, number=0)
    picture = picture_episode(_Sure(), dataset, episode, number=0, threshold=threshold)
    report = evaluate_episodes(
        _Sure(), dataset, classes, shots=1, episodes=1, seed=0, threshold=threshold
    )
    assert picture.iou == report.mean_iou
    assert (report.mean_iou > 0) == (threshold == 0.5)


def test_a_bundle_shows_its_answer_alone(root: Path, tmp_path: Path) -> None:
    pictures = _pictures(BundleSegmenter(BundleRuntime(LITE)), root, tmp_path)
    assert _captions(pictures[0]) == [
        "support", "query", "probability", "prediction", "ground truth",
    ]  # fmt: skip


def test_the_page_needs_nothing_beside_itself(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    pictures = _pictures(EagerSegmenter(load_network(checkpoint)[0]), root, tmp_path)
    write_contact_sheet(tmp_path / "index.html", pictures, title="a & b", about="made here")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == 2 * len(pictures[0].panels)
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "http" not in page
    assert "a &amp; b" in page
    assert "<old>" not in page
    assert f"IoU {np.mean([p.iou for p in pictures]):.0f} on average" in page


def test_the_command_writes_pngs_and_a_page(root: Path, checkpoint: Path, tmp_path: Path) -> None:
    status = run_command(
        "pictures", checkpoint=checkpoint, data=root / "data" / "tiny", count=1,
        min_area=64, threshold=0.25, out=tmp_path,
    )  # fmt: skip
    assert status == 0
    assert {path.name for path in tmp_path.iterdir()} == {"episode-0000.png", "index.html"}
    assert "threshold 0.5" not in (tmp_path / "index.html").read_text()


def test_another_side_is_the_networks_alone(
    capsys: pytest.CaptureFixture[str], root: Path, checkpoint: Path, tmp_path: Path
) -> None:
    asked = {"data": root / "data" / "tiny", "min_area": 64, "count": 1, "input_side": 97}
    assert run_command("pictures", checkpoint=checkpoint, out=tmp_path / "a", **asked) == 0
    del asked["input_side"]
    assert run_command("pictures", checkpoint=checkpoint, out=tmp_path / "b", **asked) == 0
    drawn = [(tmp_path / run / "episode-0000.png").read_bytes() for run in ("a", "b")]
    assert drawn[0] != drawn[1]
    capsys.readouterr()
    asked["input_side"] = 97
    assert run_command("pictures", bundle=LITE, out=tmp_path, **asked) == 2
    assert "--input-side goes with --checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"data": "nowhere"}, "expected one of these"),
        ({"folds": 0}, "has no class aeroplane"),
        ({"folds": 7}, "folds 0 to 3"),
        ({"count": 0}, "--count"),
        ({"shots": 0}, "--shots"),
        ({"threshold": 7}, "7 is not between 0 and 1"),
        ({"shots": 9}, "10 images"),
        ({"min_area": 10**6}, "no class"),
    ],
)
def test_wrong_options_are_told(
    capsys: pytest.CaptureFixture[str],
    root: Path,
    checkpoint: Path,
    tmp_path: Path,
    options: dict[str, object],
    told: str,
) -> None:
    usual: dict[str, object] = {"min_area": 64, "out": tmp_path, "data": root / "data" / "tiny"}
    status = run_command("pictures", checkpoint=checkpoint, **{**usual, **options})
    assert status == 2
    assert told in capsys.readouterr().err

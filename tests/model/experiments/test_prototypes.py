"""The map of prototypes: pairs, vectors, scores, and the command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from model.build import PRESETS, load_network, random_network, write_checkpoint
from model.data.datasets import DatasetError, FolderDataset
from model.data.episodes import ClassIndex, asked_classes
from model.experiments.separability import PrototypeMap, draw_maps, map_prototypes
from model.experiments.support_prototypes import collect_prototypes, draw_pairs
from model.segmenters import EagerSegmenter
from tests.model.experiments.command import run_command

CLASSES = ClassIndex({1: np.arange(0, 6), 2: np.arange(4, 9), 3: np.array([0])})


def test_every_pair_counts_once_and_a_lone_image_not_at_all() -> None:
    pairs = draw_pairs(CLASSES, limit=100, seed=0)
    assert pairs == {
        0: [1], 1: [1], 2: [1], 3: [1], 4: [1, 2], 5: [1, 2], 6: [2], 7: [2], 8: [2],
    }  # fmt: skip


def test_a_limit_draws_by_the_seed() -> None:
    def drawn(seed: int) -> dict[int, list[int]]:
        return draw_pairs(CLASSES, limit=5, seed=seed)

    assert sum(map(len, drawn(0).values())) == 5
    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


def test_one_class_separates_nothing() -> None:
    with pytest.raises(DatasetError, match="two classes"):
        draw_pairs(ClassIndex({1: np.arange(5), 2: np.arange(1)}), limit=9, seed=0)


@pytest.mark.parametrize("limit", [1, 2])
def test_too_few_pairs_separate_nothing(limit: int) -> None:
    with pytest.raises(DatasetError, match="take more --pairs"):
        draw_pairs(CLASSES, limit=limit, seed=0)


def test_prototypes_are_those_of_the_episodes(root: Path, checkpoint: Path) -> None:
    network, _ = load_network(checkpoint)
    dataset = FolderDataset(root / "data" / "tiny")
    found = collect_prototypes(network, dataset, {3: [2], 4: [1]})
    assert found.classes.tolist() == [2, 1]
    segmenter = EagerSegmenter(network)
    for place, (index, c) in enumerate([(3, 2), (4, 1)]):
        image, label = dataset.read(index)
        support = segmenter.add_support(index, image, label == c).prototypes
        np.testing.assert_allclose(found.affinity[place], support.affinity[0], atol=1e-5)
        np.testing.assert_allclose(found.guided[place], support.guided[0], atol=1e-5)


def test_the_score_tells_parted_classes_from_mixed_ones() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(24, 5)).astype(np.float32)
    classes = np.repeat([1, 2], 12)
    mixed = map_prototypes("mixed", vectors, classes, seed=1)
    vectors[np.arange(24), classes] += 9
    parted = map_prototypes("parted", vectors, classes, seed=1)
    assert parted.silhouette > 0.5 > mixed.silhouette
    assert parted.points.shape == (24, 2)
    again = map_prototypes("again", vectors, classes, seed=1)
    np.testing.assert_array_equal(parted.points, again.points)


def test_the_command_writes_picture_and_figures(
    root: Path, checkpoint: Path, tmp_path: Path
) -> None:
    status = run_command(
        "prototypes", checkpoint=checkpoint, data=root / "data" / "tiny", pairs=7,
        min_area=64, out=tmp_path,
    )  # fmt: skip
    assert status == 0
    figures = json.loads((tmp_path / "prototypes.json").read_text())
    assert figures["pairs"] == figures["images"] == 7
    # One network is not two, with SDPM and without.
    assert set(figures["silhouette"]) == {"before the gate", "behind the gate"}
    assert (tmp_path / "prototypes.png").stat().st_size > 10_000


def test_a_legend_shows_names_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    save = Figure.savefig

    def kept(figure: Figure, path: Path, *, dpi: int) -> None:
        drawn.append(figure)
        save(figure, path, dpi=dpi)

    monkeypatch.setattr(Figure, "savefig", kept)
    points = np.arange(8, dtype=np.float32).reshape(4, 2)
    names = {1: "_hidden", 2: r"$\nonsense$"}
    draw_maps(
        tmp_path / "map.png", [PrototypeMap("a map", points, 0.5)], np.array([1, 1, 2, 2]), names
    )
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == list(names.values())
    assert len(legend.legend_handles) == 2


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A network without SDPM."""
    config = replace(PRESETS["lite"]().at_side(65), use_sdpm=False)
    _, state = random_network(config, seed=1)
    write_checkpoint(tmp_path / "bare.pt", state)
    return tmp_path / "bare.pt"


def test_a_network_trained_without_sdpm_is_compared_with_one_with_it(
    root: Path, checkpoint: Path, bare: Path, tmp_path: Path
) -> None:
    asked = {"data": root / "data" / "tiny", "min_area": 64, "out": tmp_path, "input_side": 97}
    assert run_command("prototypes", checkpoint=checkpoint, without=bare, **asked) == 0
    figures = json.loads((tmp_path / "prototypes.json").read_text())
    assert figures["input_side"] == 97
    dataset = FolderDataset(root / "data" / "tiny")
    pairs = draw_pairs(asked_classes(dataset, None, 64), limit=5000, seed=0)
    network, _ = load_network(bare, input_side=97)
    found = collect_prototypes(network, dataset, pairs)
    expected = map_prototypes("without SDPM", found.affinity, found.classes, seed=0).silhouette
    assert figures["silhouette"]["without SDPM"] == pytest.approx(expected)
    assert figures["silhouette"]["with SDPM"] != pytest.approx(expected)


def test_networks_in_each_others_place_are_refused(
    capsys: pytest.CaptureFixture[str], root: Path, checkpoint: Path, bare: Path, tmp_path: Path
) -> None:
    asked = {"data": root / "data" / "tiny", "min_area": 64, "out": tmp_path}
    assert run_command("prototypes", checkpoint=bare, **asked) == 2
    assert "was trained without SDPM" in capsys.readouterr().err
    assert run_command("prototypes", checkpoint=checkpoint, without=checkpoint, **asked) == 2
    assert "was trained with SDPM" in capsys.readouterr().err


def test_one_pair_is_told_and_is_no_traceback(
    capsys: pytest.CaptureFixture[str], root: Path, checkpoint: Path, tmp_path: Path
) -> None:
    asked = {"data": root / "data" / "tiny", "min_area": 64, "out": tmp_path}
    assert run_command("prototypes", checkpoint=checkpoint, pairs=1, **asked) == 2
    assert "take more --pairs" in capsys.readouterr().err
    assert run_command("prototypes", checkpoint=checkpoint, pairs=3, **asked) == 0

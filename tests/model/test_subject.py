"""What is recorded of a network's training when it is evaluated."""

import json
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from model.build import PRESETS, build_network, network_state, write_checkpoint
from model.evaluation.records import Subject
from model.subject import open_bundle, open_checkpoint
from model.training import TrainConfig, load_config

ROOT = Path(__file__).parents[2]
RECIPE = load_config(ROOT / "model" / "configs" / "base_folds.yaml")


def _checkpoint(path: Path, progress: dict[str, object]) -> Subject:
    config = PRESETS["lite"]().at_side(65)
    state = network_state(build_network(config), config)
    write_checkpoint(path, state | ({"progress": progress} if progress else {}))
    opened = open_checkpoint(path, name=None, scales=(1.0,), input_side=None, device="cpu")
    return opened.subject


def _trained(path: Path, recipe: TrainConfig) -> Subject:
    progress = {"episodes": 25_600, "minutes": 71.6, "training": recipe.model_dump_json()}
    return _checkpoint(path, progress)


def test_a_checkpoint_tells_how_long_it_was_trained_and_by_which_recipe(tmp_path: Path) -> None:
    subject = _trained(tmp_path / "a.pt", RECIPE)
    assert (subject.episodes, subject.minutes) == (25_600, 71.6)
    alike = RECIPE.for_fold(3).model_copy(update={"seed": 5}).in_steps(100)
    assert _trained(tmp_path / "b.pt", alike).recipe == subject.recipe
    other = RECIPE.model_copy(update={"ema": 0.5})
    assert _trained(tmp_path / "c.pt", other).recipe not in (None, subject.recipe)


def test_a_digest_stays_what_it_is_when_recipes_get_another_field(tmp_path: Path) -> None:
    class Later(TrainConfig):
        later: bool = False

    subject = _trained(tmp_path / "a.pt", RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("model.subject.TrainConfig", Later)
        assert _trained(tmp_path / "b.pt", RECIPE).recipe == subject.recipe
    recorded = json.loads((ROOT / "docs/results/base-folds-3.json").read_text(encoding="utf-8"))
    assert recorded["subject"]["recipe"] == subject.recipe


def test_a_checkpoint_is_read_once_and_built_once_for_each_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, build = Mock(wraps=torch.load), Mock(wraps=build_network)
    monkeypatch.setattr(torch, "load", read)
    monkeypatch.setattr("model.build.checkpoint.build_network", build)
    config = PRESETS["lite"]().at_side(65)
    write_checkpoint(tmp_path / "a.pt", network_state(build_network(config), config))
    opened = open_checkpoint(
        tmp_path / "a.pt", name=None, scales=(1.0, 1.5), input_side=None, device="cpu"
    )
    assert len(opened.members) == 2
    assert read.call_count == 1
    assert [call.args[0].input_side for call in build.call_args_list] == [65, 97]


@pytest.mark.parametrize("progress", [{}, {"training": "{}"}])
def test_what_is_not_recorded_is_not_told(tmp_path: Path, progress: dict[str, object]) -> None:
    subject = _checkpoint(tmp_path / "a.pt", progress)
    assert (subject.episodes, subject.minutes, subject.recipe) == (None, None, None)


@pytest.mark.parametrize("bundle", ["base", "lite"])
def test_a_shipped_bundle_tells_its_episodes(bundle: str) -> None:
    path = ROOT / "model" / "bundles" / bundle
    subject = open_bundle(path, name=None, scales=(1.0,), input_side=None, device="cpu").subject
    assert subject.episodes is not None
    assert subject.minutes is not None

"""The paper's recipes: their numbers, and an epoch of PASCAL's through the command line."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from pydantic import ValidationError
from torchvision.models import ResNet50_Weights

from model.__main__ import main
from model.build import read_checkpoint
from model.nets.backbones import ResNetBackbone
from model.training import ConfigError, TrainConfig, load_config
from model.training.checkpoints import save_checkpoint
from tests.model.data.tiny_sets import write_pascal

CONFIGS = Path(__file__).resolve().parents[3] / "model" / "configs"
SIDE = 65


@pytest.mark.parametrize(
    ("name", "preset", "lr", "batch", "epochs"),
    [("pascal_r50", "r50", 0.025, 4, 200), ("coco_r101", "r101", 0.05, 8, 50)],
)
def test_the_papers_numbers(name: str, preset: str, lr: float, batch: int, epochs: int) -> None:
    config = load_config(CONFIGS / f"{name}.yaml")
    assert (config.preset, config.input_side, config.optimizer) == (preset, 321, "sgd")
    assert (config.weight_decay, config.power, config.strategy) == (1e-4, 0.9, "separate")
    (stage,) = config.stages
    assert (stage.lr, stage.batch, stage.epochs, stage.backbone) == (lr, batch, epochs, "none")
    assert config.augment.as_augmentation() == (10, 0.5, 1, 0)
    assert config.cache is None


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_is_valid_and_so_is_its_record(path: Path) -> None:
    config = load_config(path)
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"stages": []}, "at least 1 item"),
        ({"sets": []}, "at least 1 item"),
        ({"sets": [{"name": "voc", "weight": 1, "keep": [[0], 0]}]}, "greater than or equal to 1"),
        ({"sets": [{"name": "voc", "weight": 1, "keep": [[], 2]}]}, "remainders below 2"),
        ({"sets": [{"name": "voc", "weight": 1, "keep": [[2], 2]}]}, "remainders below 2"),
        (
            {"sets": [{"name": "procedural_defects", "weight": 1, "keep": [[0], 2]}]},
            "leave out `keep`",
        ),
        ({"cache": {"views": 2}, "augment": {"rotation": 30}}, "`augment` needs `cache: null`"),
        (
            {"stages": [{"steps": 1, "backbone": "none", "lr": 1, "backbone_lr": 1, "batch": 1}]},
            "trains nothing at a backbone_lr",
        ),
        ({"episodes": {"absent": 0.6, "same_image": 0.5}}, "together above 1"),
        ({"sets": [{"name": "voc", "weight": 0}]}, "every set has a weight of 0"),
        ({"sets": [{"name": "voc", "weight": float("inf")}]}, "finite number"),
        ({"weight_decay": float("inf")}, "finite number"),
        ({"loading": {"memory_gb": float("inf")}}, "finite number"),
        (
            {"stages": [{"epochs": float("inf"), "backbone": "none", "lr": 1, "batch": 1}]},
            "finite number",
        ),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"seed": 2**70}, "less than 9223372036854775808"),
        ({"cache": {"seed": -1}}, "greater than or equal to 0"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(
    changes: dict[str, object], problem: str
) -> None:
    recipe = yaml.safe_load((CONFIGS / "pascal_r50.yaml").read_text(encoding="utf-8"))
    with pytest.raises(ValidationError, match=problem):
        TrainConfig.model_validate(recipe | changes)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"preset: lite\ninput_side: 65\npreset: base\n", "preset is there twice"),
        (b"sets: [{name: a, weight: 1, name: b}]", "name is there twice"),
        ("preset: größe\n".encode("latin-1"), "recipe.yaml is no UTF-8"),
        ("preset: lite\n".encode("utf-16"), "recipe.yaml is no UTF-8"),
        (b"sets: " + b"[" * 3000, "nested too deeply"),
        (b"seed: 2026-13-01\n", "month must be in 1..12"),
        (b"sets: &a [*a]\n", "recipe.yaml"),
    ],
)
def test_a_file_that_holds_no_recipe_is_told_in_a_line(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        load_config(path)


@pytest.mark.parametrize(("images", "steps"), [(5953, 297_650), (3, 150)])
def test_an_epoch_shows_as_many_episodes_as_images(images: int, steps: int) -> None:
    (stage,) = load_config(CONFIGS / "pascal_r50.yaml").in_steps(images).stages
    assert stage.steps == steps


@pytest.mark.parametrize(
    ("given", "bundles"), [("a", ["a"]), (["a", "b"], ["a", "b"]), (None, []), ([], [])]
)
def test_a_recipe_starts_from_one_bundle_several_or_none(
    tmp_path: Path, given: object, bundles: list[str]
) -> None:
    recipe = yaml.safe_load((CONFIGS / "lite.yaml").read_text()) | {"start": given}
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe))
    assert load_config(file).start == tuple(map(Path, bundles))


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`data/voc`, and random weights where torchvision keeps those it has downloaded."""
    write_pascal(tmp_path / "data" / "voc")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    file = ResNet50_Weights.IMAGENET1K_V1.url.rsplit("/", 1)[-1]
    kept = Path(torch.hub.get_dir()) / "checkpoints" / file
    kept.parent.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(ResNetBackbone(depth=50).net.state_dict(), kept)
    return tmp_path


def _command(name: str, options: Mapping[str, object]) -> int:
    flat = [str(part) for option in options.items() for part in option if part is not None]
    return main([name, *flat])


def test_an_epoch_of_pascals_recipe_stops_resumes_and_is_evaluated(
    ground: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = yaml.safe_load((CONFIGS / "pascal_r50.yaml").read_text(encoding="utf-8"))
    recipe |= {"input_side": SIDE, "checkpoint_steps": 1}
    recipe["stages"][0] |= {"epochs": 1, "batch": 1}
    (ground / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    out = ground / "runs" / "fold0"
    train = {"--config": ground / "recipe.yaml", "--data": ground / "data", "--out": out}

    def save_and_stop(*args: Any, **kwargs: Any) -> None:
        save_checkpoint(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr("model.training.run.save_checkpoint", save_and_stop)
        assert _command("train", train) == 0
    assert read_checkpoint(out / "checkpoint.pt")["progress"]["step"] == 2
    assert _command("train", {**train, "--resume": None}) == 0
    checkpoint = read_checkpoint(out / "checkpoint.pt")
    assert checkpoint["progress"]["step"] == 4  # the list's images, one episode each
    assert checkpoint["progress"]["data"] == ["pascal_train: 4 images (bus)"]
    frozen = torch.load(next((ground / "torch").rglob("*.pth")), weights_only=True)
    for name in ("conv1.weight", "layer4.2.conv3.weight", "layer3.0.bn1.running_mean"):
        assert torch.equal(checkpoint["live"][f"backbone.net.{name}"], frozen[name]), name

    evaluate = {
        "--checkpoint": out / "checkpoint.pt",
        "--data": ground / "data" / "voc",
        "--folds": 1,
        "--episodes": 1,
        "--min-area": 100,
        "--input-side": SIDE,
    }
    capsys.readouterr()
    assert _command("evaluate", evaluate) == 0
    assert "fold 1" in capsys.readouterr().out

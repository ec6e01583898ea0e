"""By how much presence grows with shots: measured on a set, kept in the manifest, taken off."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from export.presence import growth_of, main
from model.contract import SupportSet, load_manifest, write_manifest
from model.runtime import BundleRuntime
from tests.export.coloured_set import write_coloured_set
from tests.service.tiny_bundle import SIDE, write_tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


def _presence(bundle: Path, identities: Sequence[NDArray[np.float16]]) -> float:
    """Of a class of as many shots, one several times over but for what their objects look like."""
    runtime = BundleRuntime(bundle, intra_op_threads=1)
    images = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    mask = np.zeros((1, SIDE, SIDE), np.float32)
    mask[:, 8:32, 8:32] = 1
    (shot,) = runtime.prototypes(runtime.encode(images[:1], mask), mask)
    asked = [SupportSet((shot,) * len(identities), identities=np.stack(identities))]
    answer = runtime.head(runtime.encode(images[1:]), np.zeros(1, np.int64), asked)
    return float(answer.presence[0])


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


def test_the_growth_of_different_shots_is_subtracted_and_that_of_copies_is_none(
    bundle: Path,
) -> None:
    different = [*np.eye(load_manifest(bundle).high_channels, dtype=np.float16)[:3]]
    first, second, _ = different
    cases = [[first], different, [first] * 5, [first, first, second]]
    plain = [_logit(_presence(bundle, case)) for case in cases]
    write_manifest(bundle, load_manifest(bundle).model_copy(update={"presence_growth": 0.5}))
    found = [_logit(_presence(bundle, case)) for case in cases]
    # Two shots of one and one of another weigh in their mean as 3² / (2² + 1²) different ones.
    worth = np.log([1, 3, 1, 1.8])
    np.testing.assert_allclose(np.subtract(plain, found), 0.5 * worth, atol=1e-4)
    assert found[2] == pytest.approx(found[0], abs=1e-4)


@pytest.mark.parametrize("growth", [0.0, 0.7])
def test_growth_is_found_despite_noise(growth: float) -> None:
    rng = np.random.default_rng(0)
    present = rng.random(4000) < 0.5
    shots = np.log(rng.choice([1, 2, 5, 10], 4000))
    logits = 2 * present - 1 + rng.normal(0, 1, 4000) + growth * shots
    rows = list(zip(logits.tolist(), shots.tolist(), strict=True))
    assert growth_of(rows, present.tolist()) == pytest.approx(growth, abs=0.1)


def test_an_uninformative_score_is_refused() -> None:
    rows = [(float(k % 5), float(k % 3)) for k in range(60)]
    with pytest.raises(ValueError, match="calibrate it first"):
        growth_of(rows, [logit < 2 for logit, _ in rows])


def test_command_writes_what_it_measures(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_coloured_set(tmp_path / "colours")
    before = load_manifest(bundle)
    options = ["--bundle", str(bundle), "--data", str(data), "--episodes", "40", "--min-area", "9"]
    assert main(options) == 0
    after = load_manifest(bundle)
    assert after == before.model_copy(update={"presence_growth": after.presence_growth})
    assert f"grows by {after.presence_growth} " in capsys.readouterr().out
    assert main(options) == 0  # what is taken off by then is not measured again
    assert load_manifest(bundle) == after


def test_a_set_of_too_few_images_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_coloured_set(tmp_path / "colours")  # three of each class
    for image in (data / "images").glob("*2.jpg"):
        image.unlink()
    options = ["--bundle", str(bundle), "--data", str(data), "--min-area", "9"]
    assert main(options) == 2
    assert "no class of colours has 3 images" in capsys.readouterr().err

"""State dicts in the authors' layout: what they compute in ours, and what is refused."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model.__main__ import main
from model.build import load_network
from model.build.reference import (
    ReferenceStateError,
    import_reference,
    read_reference,
    reference_config,
)
from tests.model.build.authors_network import AuthorsNetwork

SIDE = 73  # 10 cells
CHANNELS = 8
UP, DOWN = (10, 5, 3, 2), (10, 5, 2, 1)


def _authors(bins: tuple[int, ...] = UP) -> AuthorsNetwork:
    torch.manual_seed(0)
    return AuthorsNetwork(CHANNELS, bins).eval()


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return _authors().state_dict()


def _episode(shots: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(shots)
    query = torch.randn(1, 3, SIDE, SIDE, generator=generator)
    supports = torch.randn(1, shots, 3, SIDE, SIDE, generator=generator)
    coarse = (torch.rand(shots, 1, 5, 5, generator=generator) > 0.5).float()
    masks = nn.functional.interpolate(coarse, size=(SIDE, SIDE))
    return query, supports, masks.reshape(1, shots, SIDE, SIDE)


@pytest.mark.parametrize(("shots", "trained_on", "bins"), [(1, "coco", DOWN), (3, "pascal", UP)])
def test_an_imported_network_computes_what_theirs_does(
    shots: int, trained_on: str, bins: tuple[int, ...]
) -> None:
    theirs = _authors(bins)
    config = reference_config(theirs.state_dict(), trained_on=trained_on)  # type: ignore[arg-type]
    ours = import_reference(theirs.state_dict(), config.at_side(SIDE))
    paper = import_reference(theirs.state_dict(), replace(config.at_side(SIDE), arithmetic="paper"))
    episode = _episode(shots)
    with torch.inference_mode():
        expected = theirs(*episode)
        found = ours(*episode)
        other = nn.functional.interpolate(paper(*episode), size=(SIDE, SIDE), mode="bilinear")
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert (other - expected).abs().max() > 1e-3


def test_the_depth_decides_the_preset_and_the_smallest_scale(state: dict[str, Tensor]) -> None:
    shallow = reference_config(state)
    assert (shallow.preset, shallow.backbone, shallow.decoder_rounding) == ("r50", "resnet50", "up")
    deeper = state | {f"layer3.{i}.conv1.weight": torch.zeros(1) for i in range(6, 23)}
    deep = reference_config(deeper)
    assert (deep.preset, deep.backbone, deep.decoder_rounding) == ("r101", "resnet101", "down")


def test_another_depth_is_refused(state: dict[str, Tensor]) -> None:
    other = {name: value for name, value in state.items() if not name.startswith("layer3.5.")}
    with pytest.raises(ReferenceStateError, match="5 blocks in layer3"):
        reference_config(other)


def _refusal(state: dict[str, Tensor]) -> ReferenceStateError:
    with pytest.raises(ReferenceStateError) as caught:
        import_reference(state, reference_config(state).at_side(SIDE))
    return caught.value


def test_missing_entries_are_named(state: dict[str, Tensor]) -> None:
    error = _refusal({n: v for n, v in state.items() if not n.startswith("s_cls")})
    assert error.missing == ("s_cls.weight", "s_cls.bias")
    assert "missing: s_cls.weight, s_cls.bias" in str(error)


def test_unexpected_entries_are_named(state: dict[str, Tensor]) -> None:
    error = _refusal(state | {f"extra.{i}": torch.zeros(1) for i in range(6)})
    assert len(error.unexpected) == 6
    assert "unexpected: extra.0, extra.1, extra.2, extra.3 and 2 more" in str(error)


def test_entries_of_another_shape_are_named(state: dict[str, Tensor]) -> None:
    stem = torch.zeros(64, 3, 3, 3)  # the stem of PFENet's own ResNet
    error = _refusal(state | {"layer0.0.weight": stem})
    assert error.misshapen == {"layer0.0.weight": ((64, 3, 3, 3), (64, 3, 7, 7))}
    assert "layer0.0.weight (64, 3, 3, 3) instead of (64, 3, 7, 7)" in str(error)


def test_counters_of_batch_norms_may_be_absent(state: dict[str, Tensor]) -> None:
    kept = {n: v for n, v in state.items() if not n.endswith("num_batches_tracked")}
    assert len(kept) < len(state)
    import_reference(kept, reference_config(kept).at_side(SIDE))


SMALL = {"s_cls.bias": torch.arange(2.0)}


@pytest.mark.parametrize(
    "content",
    [
        SMALL,
        {"epoch": 3, "state_dict": SMALL, "optimizer": {"state": {}}},
        {"state_dict": {f"module.{name}": value for name, value in SMALL.items()}},
    ],
)
def test_wrapped_and_parallel_state_dicts_are_read(
    tmp_path: Path, content: dict[str, object]
) -> None:
    torch.save(content, tmp_path / "theirs.pth")
    read = read_reference(tmp_path / "theirs.pth")
    assert list(read) == ["s_cls.bias"]
    assert torch.equal(read["s_cls.bias"], SMALL["s_cls.bias"])


class _Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("touched"),)  # type: ignore[return-value]


def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("harmful.pth").write_bytes(pickle.dumps(_Harmful()))
    with pytest.raises(ReferenceStateError, match="not a readable file of tensors"):
        read_reference(Path("harmful.pth"))
    assert not Path("touched").exists()


def test_a_file_without_a_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    with pytest.raises(ReferenceStateError, match="holds no state dict"):
        read_reference(tmp_path / "other.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReferenceStateError, match=r"no file .*absent\.pth"):
        read_reference(tmp_path / "absent.pth")


def test_the_command_writes_a_checkpoint_to_load(
    state: dict[str, Tensor],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, out = tmp_path / "theirs.pth", tmp_path / "runs" / "imported.pt"
    wrapped = {f"module.{name}": value for name, value in state.items()}
    torch.save({"epoch": 7, "state_dict": wrapped}, source)
    arguments = ["import-reference", str(source), "--out", str(out), "--trained-on", "coco"]
    assert main(arguments) == 0
    assert f"{len(state)} tensors mapped" in capsys.readouterr().out
    network, config = load_network(out, input_side=SIDE)
    assert (config.arithmetic, config.decoder_rounding) == ("reference", "down")
    direct = import_reference(state, replace(config, input_side=SIDE))
    for name, tensor in direct.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name
    assert [path.name for path in out.parent.iterdir()] == ["imported.pt"]


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(SMALL, tmp_path / "theirs.pth")
    out = tmp_path / "out.pt"
    arguments = ["import-reference", str(tmp_path / "theirs.pth"), "--out", str(out)]
    assert main(arguments) == 2
    assert "0 blocks in layer3" in capsys.readouterr().err
    assert not out.exists()

"""A seed that no generator takes is refused with the name of its option."""

import pytest

from model.__main__ import main

CHECKPOINT = ["--checkpoint", "network.pt", "--data", "set"]


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["calibrate", *CHECKPOINT, "--out", "calibrated.pt"], "--seed"),
        (["pictures", *CHECKPOINT], "--seed"),
        (["prototypes", *CHECKPOINT], "--seed"),
        (["ablate", "--config", "recipe.yaml", "--data", "data"], "--seeds"),
    ],
)
@pytest.mark.parametrize("seed", ["-1", "4294967296"])
def test_a_seed_out_of_range_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], option: str, seed: str
) -> None:
    with pytest.raises(SystemExit):
        main([*words, option, seed])
    problem = f"argument {option}: {seed} is no seed: take 0 to 4294967295"
    assert problem in capsys.readouterr().err

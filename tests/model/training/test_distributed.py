"""Devices by name, and two processes that train one network as one process does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from model.build import read_checkpoint
from model.training import ConfigError, DeviceError, DistributedContext, Run, join_processes
from model.training.distributed import choose_device
from tests.model.tiny_training import write_training_ground
from tests.model.training import two_processes

ROOT = Path(__file__).resolve().parents[3]


def test_auto_takes_cuda_where_there_is_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto") == torch.device("cuda:0")
    assert choose_device("auto", 1) == torch.device("cuda:1")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    assert choose_device("cpu", 1) == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "local_rank", "message"),
    [
        ("cuda:7", None, "this machine has 2 GPUs"),
        ("cuda", 5, "this machine has 2 GPUs"),
        ("cuda:1", 0, "torchrun gives each process its GPU"),
        ("tpu", None, "give auto, cpu, cuda"),
        ("cuda:x", None, "give auto, cpu, cuda"),
    ],
)
def test_another_device_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, local_rank: int | None, message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match=message):
        choose_device(name, local_rank)


def test_a_process_that_torchrun_did_not_start_is_alone() -> None:
    with join_processes("cpu", {}) as context:
        assert context == DistributedContext(device=torch.device("cpu"))
        assert context.largest(1.0, 2.0) == (1.0, 2.0)


def test_a_batch_that_the_processes_cannot_share_is_refused(tmp_path: Path) -> None:
    context = DistributedContext(device=torch.device("cpu"), world_size=3)
    with pytest.raises(ConfigError, match="2 episodes cannot be shared by 3 processes"):
        Run(
            two_processes.CONFIG,
            out=tmp_path,
            data_root=tmp_path,
            weights_dir=tmp_path,
            cache_dir=tmp_path,
            context=context,
        )


@pytest.mark.timeout(600)
def test_two_processes_train_what_one_does_and_resume_from_one_checkpoint(
    tmp_path: Path,
) -> None:
    write_training_ground(tmp_path)
    two_processes.train(tmp_path, "alone", DistributedContext(device=torch.device("cpu")), until=4)
    # The second process asks to stop behind step 2; both go on from what the first has saved.
    told = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
         "-m", two_processes.__name__, str(tmp_path)],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True,
    )  # fmt: skip
    for rank in (0, 1):
        assert f"process {rank} of 2: [2, 4]" in told.stdout.decode()
    alone, together = (_checkpoint(tmp_path, name) for name in ("alone", "together"))
    assert together["rng"].shape[0] == 2
    assert together["progress"]["episodes"] == alone["progress"]["episodes"] == 8
    for name, tensor in alone["live"].items():
        torch.testing.assert_close(together["live"][name], tensor, atol=1e-5, rtol=1e-4, msg=name)


def _checkpoint(root: Path, out: str) -> dict[str, Any]:
    return read_checkpoint(root / out / "checkpoint.pt")

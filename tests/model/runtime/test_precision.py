"""`auto` picks the tier that a machine gains by."""

from pathlib import Path

import pytest

from model.contract import (
    Manifest,
    MissingTierError,
    Precision,
    Tier,
    load_manifest,
    write_manifest,
)
from model.runtime import AskedPrecision, BundleRuntime, bundle, resolve_precision
from tests.service.tiny_bundle import write_tiny_bundle

CPU = ("CPUExecutionProvider",)
CUDA = ("CUDAExecutionProvider", "CPUExecutionProvider")
VNNI = "processor\t: 0\nflags\t\t: fpu sse4_2 avx2 avx512_vnni\nbugs\t\t: none\n"
AMX = "flags\t\t: fpu amx_tile amx_int8\n"
OLD = "flags\t\t: fpu sse4_2 avx2\nmodel name\t: avx512_vnni in name alone\n"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return load_manifest(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"))


def _with_tiers(manifest: Manifest, *tiers: str) -> Manifest:
    tier = Tier(graphs=manifest.graphs, metrics={})
    return manifest.model_copy(update={"tiers": dict.fromkeys(tiers, tier)})


@pytest.mark.parametrize(
    ("tiers", "providers", "cpuinfo", "expected"),
    [
        (("fp16", "int8"), CPU, VNNI, "int8"),
        (("fp16", "int8"), CPU, AMX, "int8"),
        (("fp16", "int8"), CPU, OLD, "fp32"),
        (("fp16", "int8"), CPU, None, "fp32"),
        (("fp16",), CPU, VNNI, "fp32"),
        (("fp16", "int8"), CUDA, VNNI, "fp16"),
        (("int8",), CUDA, VNNI, "fp32"),
        ((), CUDA, VNNI, "fp32"),
    ],
)
def test_auto_follows_tiers_device_and_instructions(
    manifest: Manifest,
    tmp_path: Path,
    tiers: tuple[str, ...],
    providers: tuple[str, ...],
    cpuinfo: str | None,
    expected: str,
) -> None:
    path = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        path.write_text(cpuinfo)
    found = resolve_precision("auto", _with_tiers(manifest, *tiers), providers, cpuinfo=path)
    assert found == expected


@pytest.mark.parametrize("asked", ["fp32", "int8"])
def test_a_tier_by_name_is_taken_whatever_the_machine(
    manifest: Manifest, tmp_path: Path, asked: AskedPrecision
) -> None:
    both = _with_tiers(manifest, "int8")
    assert resolve_precision(asked, both, CUDA, cpuinfo=tmp_path / "none") == asked


def test_a_missing_tier_by_name_is_an_error(manifest: Manifest) -> None:
    with pytest.raises(MissingTierError, match="no fp16 tier"):
        resolve_precision("fp16", manifest, CUDA)


@pytest.mark.parametrize(
    ("precision", "vnni", "expected"),
    [("int8", False, "1"), ("int8", True, ""), ("fp32", False, "")],
)
def test_int8_sums_overflow_on_no_cpu(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: Precision,
    vnni: bool,
    expected: str,
) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    write_manifest(folder, _with_tiers(load_manifest(folder), "int8"))
    monkeypatch.setattr(bundle, "multiplies_bytes", lambda: vnni)
    runtime = BundleRuntime(folder, precision=precision)
    for session in runtime._sessions.values():
        options = session.get_session_options()
        try:
            found = options.get_session_config_entry("session.x64quantprecision")
        except RuntimeError:  # not set
            found = ""
        assert found == expected

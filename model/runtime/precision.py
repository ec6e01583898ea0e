"""Which tier of a bundle suits a machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from model.contract import Manifest, Precision

AskedPrecision = Literal["auto", "fp32", "fp16", "int8"]

CPUINFO = Path("/proc/cpuinfo")
# Instructions for products of bytes; without them int8 is no faster than fp32.
_BYTE_PRODUCTS = frozenset({"amx_int8", "avx512_vnni", "avx_vnni"})
_HALF_PRECISION = frozenset({"CUDAExecutionProvider", "TensorrtExecutionProvider"})


def resolve_precision(
    asked: AskedPrecision, manifest: Manifest, providers: Sequence[str], *, cpuinfo: Path = CPUINFO
) -> Precision:
    """The tier to load: the one asked for, or with `auto` the fastest one on this machine.

    Args:
        asked: `auto`, or a tier by name.
        manifest: of the bundle.
        providers: execution providers, best first.
        cpuinfo: the file in which the kernel describes the CPU.

    Raises:
        model.contract.MissingTierError: the bundle lacks the tier that was asked for.
    """
    if asked != "auto":
        manifest.graphs_of(asked)
        return asked
    on_gpu = bool(providers) and providers[0] in _HALF_PRECISION
    if on_gpu:
        return "fp16" if "fp16" in manifest.tiers else "fp32"
    return "int8" if "int8" in manifest.tiers and multiplies_bytes(cpuinfo) else "fp32"


def multiplies_bytes(cpuinfo: Path = CPUINFO) -> bool:
    """Whether the CPU has VNNI or AMX; False where there is no such file about it."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _BYTE_PRODUCTS.isdisjoint(flags.partition(":")[2].split())

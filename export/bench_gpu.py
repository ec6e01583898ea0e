"""`python -m export.bench_gpu`: fp16 on a GPU, eager PyTorch beside the bundle.

Both sides have their supports behind them, so a query is an encoding and a head run, from pixels in
the host's memory to logits there. The eager side is channels-last, searches for the fastest
convolutions, and keeps its encodings and the class on the device, as the bundle does. Weights are
random. The peak of the device is measured, not taken from a data sheet, and both sides take turns.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from export.benchmarks.options import presets_at, rows_file
from export.benchmarks.output import Difference, report_disagreement, write_rows
from export.benchmarks.sides import CachedEagerSide, make_inputs, random_bundle
from export.benchmarks.table import format_table
from export.benchmarks.timing import time_alternately, timed
from export.rendered import rendered_defects
from export.tiers.build import write_tiers
from model.build import PRESETS, NetworkConfig, load_network
from model.cli.types import positive
from model.contract import Precision, SupportPrototype, SupportSet
from model.runtime import BundleRuntime, Device

BATCHES = (1, 2, 4, 8)
# Of the largest logit. Both sides round to half precision at every layer, each in its own order;
# other supports would move the logits by a third of it.
TOLERANCE = {"fp16": 0.05, "fp32": 1e-3}
_CLASS_CACHE_BYTES = 1 << 30
_PEAK_SIDE = 8192
_PEAK_REPEATS = 20
_WARM_UPS = 3


@dataclass(frozen=True, kw_only=True)
class Row:
    """Figures of one batch size. Milliseconds are medians of a whole batch.

    `peak_share` is the part of the device's measured peak that the bundle reaches. `max_difference`
    is the largest difference between the logits of the two sides, `max_logit` the largest logit.
    """

    preset: str
    device: str
    precision: Precision
    batch: int
    eager_ms: float
    engine_ms: float
    ratio: float
    engine_images_s: float
    engine_tflops: float
    peak_tflops: float
    peak_share: float
    max_difference: float
    max_logit: float


def bench(config: NetworkConfig, device: Device, batches: Sequence[int], repeats: int) -> list[Row]:
    """Every batch size on both sides; on a CPU in float32, which is for trying the command."""
    on_gpu = device.kind != "cpu"
    torch_device = torch.device(f"cuda:{device.number}" if on_gpu else "cpu")
    dtype = torch.float16 if on_gpu else torch.float32
    with (
        random_bundle(config) as (checkpoint, bundle),
        torch.backends.cudnn.flags(enabled=True, benchmark=True),
    ):
        if on_gpu:
            rendered = rendered_defects(per_class=1, side=config.input_side)
            write_tiers(bundle, ("fp16",), rendered, episodes=1, min_area=1)
        runtime = BundleRuntime(
            bundle,
            device=device,
            precision="fp16" if on_gpu else "fp32",
            class_cache_bytes=_CLASS_CACHE_BYTES,
        )
        inputs = make_inputs(classes=1, shots=5, side=config.input_side)
        masks = inputs.masks[0]
        shots = tuple(runtime.prototypes(runtime.encode(inputs.supports[0], masks), masks))
        network = load_network(checkpoint)[0].to(torch_device, dtype)
        if on_gpu:
            network.to(memory_format=torch.channels_last)
        eager = CachedEagerSide(network)
        sides = _Sides(
            eager,
            runtime,
            shots,
            inputs.query,
            flops=_flops(eager, shots, inputs.query),
            peak_flops=_peak_flops(torch_device, dtype),
        )
        return [
            _row(config.preset, device, sides, batch=batch, repeats=repeats) for batch in batches
        ]


class _Sides(NamedTuple):
    """Both sides of the benchmark and what they are asked.

    shots: of one class.
    query: (S, S, 3).
    flops: of one query.
    peak_flops: operations a second that the device reaches.
    """

    eager: CachedEagerSide
    runtime: BundleRuntime
    shots: tuple[SupportPrototype, ...]
    query: NDArray[np.uint8]
    flops: float
    peak_flops: float


def _row(preset: str, device: Device, sides: _Sides, *, batch: int, repeats: int) -> Row:
    images = np.stack([sides.query] * batch)
    classes = [SupportSet(sides.shots)] * batch
    index = np.arange(batch, dtype=np.int64)

    class_tensors = sides.eager.lay_out(classes)

    # Both answers are in the host's memory when they return, so nothing is still at work then.
    def eager() -> NDArray[np.float32]:
        return sides.eager.segment(images, range(batch), class_tensors)

    def engine() -> NDArray[np.float32]:
        return sides.runtime.head(sides.runtime.encode(images), index, classes).logits

    for _ in range(_WARM_UPS):
        expected, actual = eager(), engine()
    eager_s, engine_s = time_alternately(eager, engine, repeats, warm_ups=0)
    flops = batch * sides.flops / median(engine_s)
    return Row(
        preset=preset,
        device=str(device),
        precision=sides.runtime.precision,
        batch=batch,
        eager_ms=1000 * median(eager_s),
        engine_ms=1000 * median(engine_s),
        ratio=median(eager_s) / median(engine_s),
        engine_images_s=batch / median(engine_s),
        engine_tflops=flops / 1e12,
        peak_tflops=sides.peak_flops / 1e12,
        peak_share=flops / sides.peak_flops,
        max_difference=float(np.abs(actual - expected).max()),
        max_logit=float(np.abs(expected).max()),
    )


def _flops(
    eager: CachedEagerSide, shots: tuple[SupportPrototype, ...], query: NDArray[np.uint8]
) -> float:
    """Operations for a query: two a multiply-add, of convolutions and matrix products only."""
    class_tensors = eager.lay_out([SupportSet(shots)])
    with FlopCounterMode(display=False) as counter:
        eager.segment(query[None], [0], class_tensors)
    return float(counter.get_total_flops())


def _peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second that a large matrix product reaches."""
    side = _PEAK_SIDE if device.type == "cuda" else _PEAK_SIDE // 16
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))

    def product() -> object:
        return (left @ right)[0, 0].item()

    product()
    return 2 * side**3 / median(timed(product)[1] for _ in range(_PEAK_REPEATS))


def as_table(rows: Sequence[Row]) -> str:
    """Rows as aligned text."""
    cells = (
        [f"{v:.3g}" if isinstance(v, float) else str(v) for v in asdict(row).values()]
        for row in rows
    )
    return format_table(list(asdict(rows[0])), cells)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and measure; 1 if the sides disagree, 2 on bad input or no GPU."""
    parser = argparse.ArgumentParser(prog="python -m export.bench_gpu", description=__doc__)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="r50")
    parser.add_argument("--side", type=positive, help="input pixels; default the preset's own")
    parser.add_argument("--batches", type=positive, nargs="+", default=list(BATCHES))
    parser.add_argument("--repeats", type=positive, default=20)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--json", type=rows_file, help="write the rows here")
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        print("PyTorch finds no GPU; --device cpu tries the command on a CPU", file=sys.stderr)
        return 2
    if args.device == "cuda" and "CUDAExecutionProvider" not in ort.get_available_providers():
        print("this onnxruntime is built for CPUs alone; run `make bench-gpu`", file=sys.stderr)
        return 2
    (config,) = presets_at([args.preset], args.side)
    rows = bench(config, Device(args.device), args.batches, args.repeats)
    print(as_table(rows))
    if args.json is not None:
        write_rows(args.json, rows)
    return report_disagreement(
        Difference(
            f"{row.preset} batch {row.batch}",
            row.max_difference,
            TOLERANCE[row.precision] * row.max_logit,
        )
        for row in rows
    )


if __name__ == "__main__":
    sys.exit(main())

"""Maps of table tops and walls: planks, cloth, terrazzo, plaster. Lengths in world units."""

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.studio.ground import Maps
from tests.studio.noise import fractal, lattice
from tests.studio.vectors import Bool, Float, smoothstep

SIDE = 2048
EXTENT = 20.0

Colour = tuple[float, float, float]


def _matt(albedo: Float, roughness: Float, height: Float) -> Maps:
    """Maps of a dielectric with the same roughness along and across."""
    shape = height.shape
    return Maps(
        np.clip(albedo, 0.005, 0.9).astype(np.float32),
        np.repeat(np.clip(roughness, 0.05, 1)[..., None], 2, axis=2).astype(np.float32),
        np.zeros(shape, np.float32),
        (height - height.max()).astype(np.float32),
        np.zeros(shape, np.bool_),
    )


def _mix(low: Colour, high: Colour, share: Float) -> Float:
    """Colours (H, W, 3) between two, by a share (H, W)."""
    start, end = np.array(low, np.float32), np.array(high, np.float32)
    return np.asarray(start + (end - start) * share[..., None], np.float32)


def planks(
    rng: np.random.Generator,
    *,
    dark: Colour = (0.11, 0.05, 0.022),
    light: Colour = (0.4, 0.23, 0.11),
    gloss: float = 0.34,
    boards: int = 8,
) -> Maps:
    """Oiled boards that run along x."""
    shape = (SIDE, SIDE)
    row = np.arange(SIDE, dtype=np.float32)[:, None] * (boards / SIDE)
    board = np.minimum(row.astype(np.int64), boards - 1)[:, 0]
    # Each board is cut from elsewhere in the tree: its figure is shifted along the grain.
    figure = _shifted(fractal(shape, (10, 2), rng, octaves=5), board, rng)
    fibre = _shifted(fractal(shape, (300, 5), rng, octaves=3, gain=0.7), board, rng)
    rings = 0.5 + 0.5 * np.sin(7.0 * figure + 26.0 * row + 3.0 * rng.random(boards)[board][:, None])
    pores = smoothstep(1.3, 2.3, _shifted(fractal(shape, (420, 22), rng, octaves=1), board, rng))
    tone = rng.normal(0, 0.13, boards)[board][:, None]
    share = 0.5 + 0.24 * (rings - 0.5) + 0.11 * fibre + 0.1 * figure + tone - 0.3 * pores
    gap = smoothstep(0.012, 0.004, np.minimum(row % 1, 1 - row % 1))
    gap = np.broadcast_to(gap, shape)
    albedo = _mix(dark, light, np.clip(share, 0, 1.2)) * (1 - 0.85 * gap[..., None])
    wear = fractal(shape, (6, 6), rng, octaves=4)
    roughness = gloss + 0.05 * wear + 0.25 * pores - 0.04 * rings
    height = 0.0012 * fibre - 0.003 * pores - 0.02 * gap + 0.0006 * rings
    return _matt(albedo, roughness, height.astype(np.float32))


def _shifted(values: Float, board: NDArray[np.int64], rng: np.random.Generator) -> Float:
    shifted = values.copy()
    for index in range(int(board.max()) + 1):
        shifted[board == index] = np.roll(values[board == index], int(rng.integers(SIDE)), axis=1)
    return shifted


def cloth(rng: np.random.Generator, *, warp: Colour, weft: Colour, threads: int = 230) -> Maps:
    """Plain-woven linen with slubs, and the soft folds of a cloth that was put away."""
    shape = (SIDE, SIDE)
    drift = 0.25 * fractal(shape, (40, 40), rng, octaves=3)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) * (threads / SIDE)
    along, across = np.sin(np.pi * (x + drift)), np.sin(np.pi * (y + drift))
    over = np.sin(np.pi * (x + drift) + np.pi / 2) * np.sin(np.pi * (y + drift) + np.pi / 2)
    share = smoothstep(-0.25, 0.25, over)
    slub = fractal(shape, (threads, 12), rng, octaves=2) * share
    slub += fractal(shape, (12, threads), rng, octaves=2) * (1 - share)
    crown = np.where(over > 0, along**2, across**2)
    albedo = _mix(warp, weft, share) * (0.62 + 0.38 * crown + 0.09 * slub)[..., None]
    folds = fractal(shape, (3, 3), rng, octaves=3, gain=0.4)
    height = 0.016 * crown + 0.004 * slub + 0.11 * folds
    return _matt(albedo, np.full(shape, 0.95, np.float32), height.astype(np.float32))


def terrazzo(rng: np.random.Generator, *, base: Colour = (0.56, 0.53, 0.48)) -> Maps:
    """Polished chips of stone in cement."""
    shape = (SIDE, SIDE)
    albedo = _mix(base, (0.66, 0.63, 0.58), 0.5 + 0.3 * fractal(shape, (30, 30), rng, octaves=6))
    chips = np.array(
        [
            (0.2, 0.09, 0.05),
            (0.06, 0.06, 0.065),
            (0.36, 0.3, 0.22),
            (0.7, 0.66, 0.6),
            (0.12, 0.15, 0.13),
        ]
    )
    inlaid = np.zeros(shape, np.uint8)
    for _ in range(3800):
        outline = _chip(rng)
        tint = chips[rng.integers(len(chips))] * rng.uniform(0.75, 1.25)
        cv2.fillPoly(albedo, [outline], tuple(map(float, tint)), lineType=cv2.LINE_AA, shift=4)
        cv2.fillPoly(inlaid, [outline], 1, shift=4)
    albedo *= (1 + 0.07 * fractal(shape, (160, 160), rng, octaves=4))[..., None]
    roughness = 0.2 - 0.08 * inlaid + 0.04 * fractal(shape, (12, 12), rng)
    return _matt(albedo, roughness.astype(np.float32), np.zeros(shape, np.float32))


def _chip(rng: np.random.Generator) -> NDArray[np.int32]:
    """A convex-ish polygon (P, 2) in sixteenths of a pixel."""
    corners = int(rng.integers(5, 9))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radius = rng.lognormal(2.5, 0.55) * rng.uniform(0.7, 1.1, corners)
    outline = np.stack([np.cos(angle), np.sin(angle) * rng.uniform(0.5, 1)]) * radius
    return np.asarray((outline.T + rng.uniform(0, SIDE, 2)) * 16, np.int32)


def plaster(rng: np.random.Generator, *, paint: Colour, stained: float = 0.06) -> Maps:
    """A painted wall: roller texture and faint stains."""
    shape = (SIDE // 2, SIDE // 2)
    stain = fractal(shape, (4, 4), rng, octaves=6)
    albedo = _mix(
        paint, (paint[0] * 0.6, paint[1] * 0.6, paint[2] * 0.6), 0.3 + stained * 3 * stain
    )
    height = 0.012 * fractal(shape, (150, 150), rng, octaves=3)
    return _matt(albedo, np.full(shape, 0.7, np.float32), height)


def tiles(rng: np.random.Generator, *, glaze: Colour, columns: int = 14) -> Maps:
    """Glazed wall tiles in running bond, each a little different."""
    shape = (SIDE, SIDE)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) * (columns / SIDE)
    row = (y * 2).astype(np.int64)
    x = x + 0.5 * (row % 2)
    tone = rng.normal(1, 0.09, (2 * columns + 1, columns + 2))[row, x.astype(np.int64)]
    edge = np.minimum(np.minimum(x % 1, 1 - x % 1), 0.5 * np.minimum(2 * y % 1, 1 - 2 * y % 1))
    joint: Bool = edge < 0.022
    albedo = np.array(glaze, np.float32) * tone[..., None].astype(np.float32)
    albedo[joint] = (0.42, 0.4, 0.37)
    height = 0.05 * smoothstep(0.0, 0.06, edge) + 0.01 * lattice(shape, (50, 50), rng)
    return _matt(albedo, np.where(joint, 0.9, 0.14).astype(np.float32), height.astype(np.float32))

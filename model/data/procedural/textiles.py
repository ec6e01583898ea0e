"""Woven, knitted, tufted and grained materials, each an image as in `textures`."""

import cv2
import numpy as np

from model.data.procedural.noise import Image, grain, relief, smooth_noise, uniform
from model.data.procedural.textures import phases, random_colour, tint


def woven(rng: np.random.Generator, side: int) -> Image:
    """Plain weave or twill of two yarns."""
    pitch = uniform(rng, 5, 16)
    y, x = phases(rng, side, pitch * 0.25)
    row, column = np.floor(y / pitch), np.floor(x / pitch)
    step = int(rng.integers(2, 5))
    over = ((row + column) % step) < step // 2
    weft = np.abs(np.sin(y * np.float32(np.pi / pitch)))
    warp = np.abs(np.sin(x * np.float32(np.pi / pitch)))
    along_x, along_y = weft * (0.7 + 0.3 * warp), warp * (0.7 + 0.3 * weft)
    luma = np.where(over, along_x, along_y).astype(np.float32) * 2 - 1.2
    yarn = random_colour(rng, (0.0, 0.7), (0.3, 0.95))
    other = yarn if rng.random() < 0.6 else random_colour(rng, (0.0, 0.7), (0.3, 0.95))
    colour = np.where(over[..., None], yarn, other).astype(np.float32)
    return tint(luma + grain(rng, side, 0.7) * 0.25, colour, uniform(rng, 0.2, 0.6))


def knitted(rng: np.random.Generator, side: int) -> Image:
    """Columns of V-shaped stitches."""
    pitch = uniform(rng, 9, 22)
    y, x = phases(rng, side, pitch * 0.2)
    across = np.abs(x / pitch - np.floor(x / pitch) - 0.5)
    stitch = np.cos(2 * np.pi * (y / (pitch * 0.8) + across * 1.2))
    luma = np.asarray(stitch * 0.6 - np.exp(-((across / 0.08) ** 2)) * 0.8, np.float32)
    fuzz = grain(rng, side, 0.8) * 0.3
    return tint(luma + fuzz, random_colour(rng, (0.1, 0.8), (0.3, 0.9)), uniform(rng, 0.2, 0.5))


def leather(rng: np.random.Generator, side: int) -> Image:
    """Pebbled cells parted by creases."""
    cell = uniform(rng, 6, 18)
    seeds = np.full((side, side), 255, np.uint8)
    count = int((side / cell) ** 2)
    seeds[rng.integers(0, side, count), rng.integers(0, side, count)] = 0
    distance = cv2.distanceTransform(seeds, cv2.DIST_L2, 3) / cell
    dome = -np.square(np.asarray(distance, np.float32))
    height = np.asarray(cv2.GaussianBlur(dome, (0, 0), 1.0), np.float32)
    luma = relief(height, uniform(rng, 0, 6.3)) * 7 + height * 1.2 + grain(rng, side, 0.6) * 0.1
    return tint(luma, random_colour(rng, (0.1, 0.7), (0.15, 0.7)), uniform(rng, 0.3, 0.6))


def carpet(rng: np.random.Generator, side: int) -> Image:
    """Tufts of pile of mixed tone."""
    pile = grain(rng, side, uniform(rng, 1.0, 2.2))
    tufts = relief(pile, uniform(rng, 0, 6.3)) * 2 + pile * 0.5 + smooth_noise(rng, side, 60) * 0.3
    return tint(tufts, random_colour(rng, (0.1, 0.7), (0.2, 0.75)), uniform(rng, 0.2, 0.45))

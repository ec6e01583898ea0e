"""How a surface answers light: Lambert beneath an anisotropic GGX coat (Cook-Torrance)."""

from typing import NamedTuple

import numpy as np

from tests.studio.vectors import Float, cross, dot, frame, normalize


class Skin(NamedTuple):
    """A surface at N points.

    albedo: (3, N) linear colour, 0..1; of metal, the mirror colour at normal incidence.
    roughness: (2, N) GGX roughness along the grain and across it, 0..1.
    metallic: (N,) 0 for a dielectric of index 1.5, 1 for metal.
    normal: (3, N) unit shading normal, in the frame of whoever asked.
    """

    albedo: Float
    roughness: Float
    metallic: Float
    normal: Float


def plain(points: Float, normal: Float, albedo: Float, roughness: float) -> Skin:
    """The skin of a dielectric of even roughness; `albedo` is (3, 1) or (3, N)."""
    count = points.shape[1]
    return Skin(
        np.broadcast_to(albedo, (3, count)).astype(np.float32),
        np.full((2, count), roughness, np.float32),
        np.zeros(count, np.float32),
        normal,
    )


def mirror_colour(skin: Skin) -> Float:
    """Reflectance at normal incidence (3, N)."""
    return 0.04 * (1 - skin.metallic) + skin.albedo * skin.metallic


def fresnel(f0: Float, cosine: Float) -> Float:
    """Schlick's reflectance (3, N) of a facet seen at `cosine` (N,)."""
    grazing = (1 - np.clip(cosine, 0, 1)) ** 5
    return np.asarray(f0 + (1 - f0) * grazing)


def reflect_rough(skin: Skin, view: Float, u: Float, v: Float) -> tuple[Float, Float]:
    """Sample the coat: directions (3, N) and their weights (3, N), towards `view` (3, N).

    Visible normals of GGX are sampled (Heitz 2018), so the weight is Fresnel times the
    shadowing of the outgoing side alone. Directions below the surface get weight 0.
    """
    tangent, bitangent = frame(skin.normal)
    alpha = np.maximum(skin.roughness**2, 1e-3)
    local = np.stack([dot(view, tangent), dot(view, bitangent), dot(view, skin.normal)])
    facet = _visible_facet(local, alpha, u, v)
    cosine = dot(local, facet)
    outgoing = 2 * cosine * facet - local
    weight = fresnel(mirror_colour(skin), cosine) * _shadowing(outgoing, alpha)
    weight = np.where(outgoing[2] > 1e-4, weight, np.float32(0))
    world = outgoing[0] * tangent + outgoing[1] * bitangent + outgoing[2] * skin.normal
    return normalize(world), weight


def _visible_facet(view: Float, alpha: Float, u: Float, v: Float) -> Float:
    flattened = np.stack([alpha[0] * view[0], alpha[1] * view[1], np.maximum(view[2], 1e-3)])
    stretched = normalize(flattened)
    flat = np.maximum(np.hypot(stretched[0], stretched[1]), 1e-6)
    first = np.stack([-stretched[1] / flat, stretched[0] / flat, np.zeros_like(flat)])
    second = cross(stretched, first)
    radius, angle = np.sqrt(u), 2 * np.pi * v
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    lean = 0.5 * (1 + stretched[2])
    y = (1 - lean) * np.sqrt(np.maximum(1 - x * x, 0)) + lean * y
    height = np.sqrt(np.maximum(1 - x * x - y * y, 0))
    normal = x * first + y * second + height * stretched
    return normalize(
        np.stack([alpha[0] * normal[0], alpha[1] * normal[1], np.maximum(normal[2], 1e-4)])
    )


def _shadowing(direction: Float, alpha: Float) -> Float:
    spread = (alpha[0] * direction[0]) ** 2 + (alpha[1] * direction[1]) ** 2
    tangent2 = spread / np.maximum(direction[2] ** 2, 1e-8)
    return np.asarray(2 / (1 + np.sqrt(1 + tangent2)))


def scatter(normal: Float, u: Float, v: Float) -> Float:
    """Directions (3, N) about `normal`, denser where the cosine is larger."""
    tangent, bitangent = frame(normal)
    radius, angle = np.sqrt(u), 2 * np.pi * v
    height = np.sqrt(np.maximum(1 - u, 0))
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return np.asarray(x * tangent + y * bitangent + height * normal, np.float32)

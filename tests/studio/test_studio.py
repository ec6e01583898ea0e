"""The renderer: the same seed gives the same picture, and light and masks obey geometry."""

import numpy as np
import pytest

from tests.studio.camera import Camera
from tests.studio.exposure import expose
from tests.studio.ground import Maps, lay
from tests.studio.lights import FAR, softbox
from tests.studio.picture import Picture, take
from tests.studio.prop import Shape
from tests.studio.scenes import daylight, key, place
from tests.studio.sdf import box, cylinder, sphere, torus, union
from tests.studio.shading import Skin, plain, reflect_rough
from tests.studio.stage import Rays, Stage
from tests.studio.tracer import trace
from tests.studio.vectors import Float, dot, frame, normalize, vector

ABOVE = Camera((0.0, -0.01, 10.0), (0.0, 0.0, 0.0), 40, 0.0)


def _grey(points: Float, normal: Float) -> Skin:
    return plain(points, normal, vector(0.5, 0.5, 0.5), 0.5)


def _ball() -> Shape:
    return Shape(lambda points: sphere(points, 1.0), (0, 0, 0), (1.01, 1.01, 1.01), _grey)


def _flat(side: int = 16) -> Maps:
    return Maps(
        np.full((side, side, 3), 0.5, np.float32),
        np.ones((side, side, 2), np.float32),
        np.zeros((side, side), np.float32),
        np.zeros((side, side), np.float32),
        np.zeros((side, side), np.bool_),
    )


def _ball_stage(_: np.random.Generator) -> Stage:
    props = (lay(_flat(), 20.0), place(_ball(), 0, 0, 1, label="ball"))
    return Stage(props, (key(-3, 0, 6, size=1.0, power=90),), daylight())


BALL = Picture("ball", _ball_stage, ABOVE)


def test_same_seed_same_bytes_and_another_seed_other_bytes() -> None:
    first, again, other = (take(BALL, (24, 32), passes=2, seed=seed) for seed in (5, 5, 6))
    assert first.image.tobytes() == again.image.tobytes()
    assert first.masks["ball"].tobytes() == again.masks["ball"].tobytes()
    assert first.image.tobytes() != other.image.tobytes()


def test_mask_of_a_ball_has_the_area_perspective_gives_it() -> None:
    shape = (120, 160)
    mask = take(BALL, shape, passes=4, seed=1).masks["ball"]
    # Seen from a distance d, a ball's outline lies at tan = r / sqrt(d^2 - r^2).
    radius = 1 / np.sqrt(9.0**2 - 1) / np.tan(np.deg2rad(20)) * shape[0] / 2
    assert mask.sum() == pytest.approx(np.pi * radius**2, rel=0.03)


def test_ball_casts_its_shadow_away_from_the_lamp() -> None:
    light = expose(_ball_stage(np.random.default_rng(0)), ABOVE, (60, 80), passes=8, seed=1).light
    left, right = light[30, 26:29].mean(), light[30, 51:54].mean()
    assert right < 0.6 * left


def test_matt_ground_returns_the_light_of_its_room() -> None:
    white = vector(1.0, 1.0, 1.0)
    room = daylight()
    even = type(room)(white, white, white, 0 * white)
    down = Rays(np.tile(vector(0, 0, 5), 4000), np.tile(vector(0, 0, -1), 4000))
    light, first = trace(Stage((lay(_flat(), 20.0),), (), even), down, np.random.default_rng(0))
    assert first.distance == pytest.approx(5.0)
    # Half of it is absorbed; the coat sends 4% of the rest unchanged.
    assert light.mean() == pytest.approx(0.5 * 0.96 + 0.04, abs=0.03)


@pytest.mark.parametrize(("roughness", "returned"), [(0.1, 1.0), (0.4, 0.93), (0.9, 0.49)])
def test_white_metal_returns_what_the_integral_of_ggx_says(
    roughness: float, returned: float
) -> None:
    count = 20000
    random = np.random.default_rng(0)
    normal = np.tile(vector(0, 0, 1), count)
    view = normalize(np.tile(vector(0.7, 0.2, 0.5), count))
    skin = plain(normal, normal, vector(1, 1, 1), roughness)
    skin = skin._replace(metallic=np.ones(count, np.float32))
    _, weight = reflect_rough(skin, view, *random.random((2, count), dtype=np.float32))
    assert weight.max() <= 1.0
    assert weight.mean() == pytest.approx(returned, abs=0.012)


def test_frames_are_orthonormal_for_every_direction() -> None:
    normals = normalize(np.random.default_rng(0).standard_normal((3, 500)).astype(np.float32))
    tangent, bitangent = frame(normals)
    for left, right in ((tangent, bitangent), (tangent, normals), (bitangent, normals)):
        assert np.abs(dot(left, right)).max() < 1e-5
    assert dot(tangent, tangent) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("distance", "point", "expected"),
    [
        (lambda p: sphere(p, 2.0), (0, 0, 5), 3.0),
        (lambda p: box(p, 1, 2, 3), (4, 6, 3), 5.0),
        (lambda p: box(p, 1, 2, 3), (0, 0, 2.5), -0.5),
        (lambda p: cylinder(p, 1.0, 2.0), (0, 4, 0), 3.0),
        (lambda p: torus(p, 3.0, 0.5), (0, 3, 2), 1.5),
        (lambda p: union(p[0], p[1], 0.1), (1, 3, 0), 1.0),
    ],
)
def test_distances(distance: object, point: tuple[float, float, float], expected: float) -> None:
    assert callable(distance)
    assert float(distance(vector(*point))[0]) == pytest.approx(expected, abs=1e-5)


def test_rays_meet_a_solid_where_it_is_and_pass_it_elsewhere() -> None:
    ball = place(_ball(), 1, 0, 0, scale=2.0)
    origin = np.tile(vector(1, 0, 10), 2)
    origin[0, 1] = 3.2
    nearest = np.full(2, FAR, np.float32)
    distance = ball.intersect(origin, np.tile(vector(0, 0, -1), 2), nearest)
    assert distance[0] == pytest.approx(8.0, abs=5e-3)
    assert distance[1] == FAR


def test_softbox_faces_its_target() -> None:
    lamp = softbox((3.0, -2.0, 4.0), (0, 0, 0), (1, 1), (1, 1, 1))
    assert float(dot(lamp.normal, -lamp.centre)[0]) > 0
    assert lamp.irradiance(lamp.centre).min() > 0


def test_relief_lets_rays_sink_to_its_floor() -> None:
    maps = _flat()
    maps.height[:] = -0.4
    ground = lay(maps, 4.0, relief=0.5)
    down = np.tile(vector(0, 0, -1), 3)
    distance = ground.intersect(np.tile(vector(0.1, 0.1, 2), 3), down, np.full(3, FAR, np.float32))
    assert distance == pytest.approx(2.4, abs=0.01)

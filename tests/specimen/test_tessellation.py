import numpy as np
import pytest

from ssbray.specimen.tessellation import tessellate


def raster(grains, size, pixel):
    centre = np.arange(pixel / 2, size, pixel)
    x, y = np.meshgrid(centre, centre)
    return grains.assign(x.ravel(), y.ravel()).reshape(x.shape)


@pytest.mark.parametrize(("sigma_log", "spread"), [(0.25, (0.17, 0.27)), (0.35, (0.26, 0.38))])
def test_grains_have_the_size_and_spread_asked_for(sigma_log, spread):
    grains = tessellate(3, "test", size_nm=(6000, 6000), diameter_nm=300, sigma_log=sigma_log)
    index = raster(grains, 6000, 12)
    edge = np.concatenate([index[0], index[-1], index[:, 0], index[:, -1]])
    area = np.bincount(index.ravel()) * 144.0
    area[edge] = 0
    diameter = np.sqrt(4 * area[area > 0] / np.pi)
    assert np.sqrt((diameter**2).mean()) == pytest.approx(300, rel=0.03)
    assert spread[0] < np.log(diameter).std() < spread[1]


@pytest.mark.parametrize("diameter_nm", [60, 200, 5000])
def test_assignment_is_that_of_the_definition(diameter_nm):
    """By tree, by dense comparison and after dropping far seeds: the same as comparing all."""
    grains = tessellate(1, "test", size_nm=(900, 600), diameter_nm=diameter_nm, sigma_log=0.5)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(100, 900, 300), rng.uniform(0, 600, 300)
    power = (x[:, None] - grains.seeds_nm[:, 0]) ** 2 + (y[:, None] - grains.seeds_nm[:, 1]) ** 2 - grains.weights_nm2
    assert (grains.assign(x, y) == power.argmin(axis=1)).all()


def test_three_grains_meet_at_a_junction():
    grains = tessellate(5, "test", size_nm=(1000, 1000), diameter_nm=150, sigma_log=0.4)
    at, corner = grains.junctions()
    inside = ((at > 0) & (at < 1000)).all(axis=1)
    assert inside.sum() > 50
    for place, three in zip(at[inside], corner[inside], strict=True):
        power = ((place - grains.seeds_nm) ** 2).sum(axis=1) - grains.weights_nm2
        assert power[three] == pytest.approx(power.min(), abs=1e-3)


def test_a_change_of_grain_size_dilates_the_arrangement():
    small = tessellate(2, "test", size_nm=(1000, 1000), diameter_nm=200, sigma_log=0.3)
    large = tessellate(2, "test", size_nm=(1000, 1000), diameter_nm=202, sigma_log=0.3)
    shift = (large.seeds_nm[:20] - 500) / (small.seeds_nm[:20] - 500)
    assert shift == pytest.approx(1.01)

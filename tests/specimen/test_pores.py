import numpy as np
import pytest

from ssbray.specimen.pores import Pores, candidates, opened
from ssbray.specimen.tessellation import tessellate

X, Y = np.arange(2.0, 1000, 4), np.arange(2.0, 600, 4)


def some(diameter_nm=200, radius_nm=40, seed=4):
    grains = tessellate(seed, "grains", size_nm=(1000, 600), diameter_nm=diameter_nm, sigma_log=0.3)
    return grains, candidates(seed, grains, size_nm=(1000, 600), radius_nm=radius_nm)


def test_one_pore_has_the_area_of_its_level():
    """r = r0 (1 + b cos 3 t) encloses pi r0^2 (1 + b^2/2)."""
    pore = Pores(centres_nm=np.array([[500.0, 300.0]]), rank=np.array([0.5]), radius_nm=np.array([100.0]),
                 lobe=np.array([1.0 + 0j]), level=1.5)
    assert 16 * pore.open(X, Y).sum() == pytest.approx(np.pi * 100**2 * 1.02, rel=5e-3)
    lower = Pores(centres_nm=pore.centres_nm, rank=pore.rank, radius_nm=pore.radius_nm, lobe=pore.lobe, level=0.4)
    assert not lower.open(X, Y).any()


@pytest.mark.parametrize("share", [0.01, 0.08, 0.3])
@pytest.mark.parametrize("diameter_nm", [150, 5000])
def test_pores_fill_their_share_even_where_no_grains_meet(share, diameter_nm):
    _, pores = some(diameter_nm)
    filled = opened(pores, X, Y, np.ones((150, 250), dtype=bool), share)
    assert filled.open(X, Y).mean() == pytest.approx(share, abs=2e-4)


def test_more_porosity_keeps_every_pore():
    _, pores = some()
    allowed = np.ones((150, 250), dtype=bool)
    less, more = (opened(pores, X, Y, allowed, share).open(X, Y) for share in (0.05, 0.06))
    assert more[less].all()


def test_first_pores_sit_where_three_grains_meet():
    grains, pores = some(diameter_nm=150)
    filled = opened(pores, X, Y, np.ones((150, 250), dtype=bool), 0.05)
    at, _ = grains.junctions()
    for k in np.flatnonzero(filled.rank < filled.level):
        assert np.hypot(*(at - filled.centres_nm[k]).T).min() < 1e-9


def test_no_porosity_no_pores():
    _, pores = some()
    assert not opened(pores, X, Y, np.ones((150, 250), dtype=bool), 0.0).open(X, Y).any()

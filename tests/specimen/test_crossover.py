"""The resistance of a layer on either side of three pixels, where it ceases to have pixels."""

import numpy as np
import pytest

from ssbray.domain import boundary_parts
from ssbray.fea import solve
from ssbray.specimen import assemble
from ssbray.units import kelvin, ohm_cm2, ohm_m2

CATHODE = 0.1  # S/m: its electrons, so that the interface is what resists


def sigma(cut, materials):
    return {k: CATHODE if phase == "NMC811" else materials.sigma(phase, kelvin(25.0))
            for k, phase in enumerate(cut.phases)}


def in_columns(cut, materials):
    """Columns in parallel, each a series of pixels and of the boundaries it crosses [ohm cm2]; exact when flat."""
    conductivity = sigma(cut, materials)
    resistance = sum(cut.pixel_size_nm * 1e-9 / conductivity[k] * (cut.labels == k).sum(axis=0)
                     for k in range(len(cut.phases) - 1))
    for name, asr in cut.boundaries.items():
        a, b = (cut.phases.index(phase) for phase in boundary_parts(name)[:2])
        unlike = cut.grains[:-1] != cut.grains[1:] if a == b else True
        resistance = resistance + ohm_m2(asr) * ((cut.labels[:-1] == a) & (cut.labels[1:] == b) & unlike).sum(axis=0)
    return ohm_cm2(1 / np.mean(1 / resistance))


def by_finite_elements(cut, materials):
    interfaces = {}
    for name, asr in cut.boundaries.items():
        pair = tuple(cut.phases.index(phase) for phase in boundary_parts(name)[:2])
        interfaces[pair] = interfaces.get(pair, 0.0) + ohm_m2(asr)
    return ohm_cm2(solve(cut, sigma(cut, materials), interfaces, axis="y").asr)


@pytest.mark.parametrize("phase", ["La2Zr2O7", "LCBO", "t-LLZO", "Li3BO3"])
@pytest.mark.parametrize("thickness_nm", [12.0, 40.0, 90.0])
def test_flat_layers_agree_exactly(phase, thickness_nm, plain, materials):
    specimen = assemble(plain(phase, thickness_nm, roughness_rms_nm=0.0), seed=1)
    thin, thick = (specimen.section(thickness_nm / 3 * side) for side in (1.001, 0.999))
    assert phase not in thin.phases
    assert phase in thick.phases
    for asr in (in_columns, by_finite_elements):
        assert asr(thick, materials) == pytest.approx(asr(thin, materials), rel=0.02)


def test_the_columns_of_a_flat_bilayer_are_the_sum_by_hand(plain, materials):
    cut = assemble(plain("Li3BO3", 40.0, roughness_rms_nm=0.0, grain_size_nm=1e5), seed=1).section(8.0)
    by_hand = 50 + ohm_cm2(416e-9 / 8e-2 + 40e-9 / 1e-5 + 344e-9 / CATHODE)
    assert in_columns(cut, materials) == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("phase", ["t-LLZO", "LCBO"])
@pytest.mark.parametrize("seed", [1, 2])
def test_rough_layers_agree(phase, seed, plain, materials):
    """With pores and gaps, for layers that resist less than the charge transfer, as good interfaces have them."""
    specimen = assemble(plain(phase, 40.0, relative_density=0.92, contact_fraction=0.64), seed=seed)
    thin, thick = (by_finite_elements(specimen.section(40 / 3 * side), materials) for side in (1.001, 0.999))
    assert thick == pytest.approx(thin, rel=0.02)


def test_a_rough_blocking_layer_loses_to_its_staircase_and_less_with_finer_pixels(plain, materials):
    """The steps of a layer three pixels wide shorten the way through it; that is the pixels', not the specimen's."""
    specimen = assemble(plain("La2Zr2O7", 40.0), seed=1)
    thin = by_finite_elements(specimen.section(13.4), materials)
    loss = [1 - by_finite_elements(specimen.section(40 / pixels), materials) / thin for pixels in (3.01, 10)]
    assert 0 < loss[1] < 0.6 * loss[0] < 0.06

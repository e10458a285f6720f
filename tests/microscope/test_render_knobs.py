"""Knobs: what may be said, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from ssbray.errors import InputError
from ssbray.microscope.knobs import Settings, bundled, load_knobs


def test_every_setting_has_a_knob_with_a_source_and_no_other():
    assert set(bundled()) == set(Settings.model_fields)
    assert all(len(knob.source) > 4 for knob in bundled().values())


def test_draws_stay_in_their_ranges_and_fill_them():
    knobs = load_knobs({"thickness_nm": [70, 90]})
    drawn = [knobs.draw(3, k).thickness_nm for k in range(200)]
    assert 70 <= min(drawn) < 71.5 < 88.5 < max(drawn) <= 90
    density = np.log10([knobs.draw(3, k).dislocations_per_m2 for k in range(200)])
    assert np.median(density) == pytest.approx(13, abs=0.25)  # by the logarithm: the linear median would be 13.7


def test_a_seed_repeats_and_one_knob_moves_no_other():
    free, fixed = load_knobs(), load_knobs({"thickness_nm": 80})
    assert free.draw(5) == free.draw(5) != free.draw(6)
    a, b = free.draw(5).model_dump(), fixed.draw(5).model_dump()
    assert {name for name in a if a[name] != b[name]} == {"thickness_nm"}


@pytest.mark.parametrize(("given", "field", "says"), [
    ({"thicknes_nm": 80}, "microscope.thicknes_nm", "did you mean 'thickness_nm'"),
    ({"thickness_nm": -1}, "microscope.thickness_nm", "greater than 0"),
    ({"thickness_nm": [90, 70]}, "microscope.thickness_nm", "above the high one"),
    ({"thickness_nm": "1e2"}, "microscope.thickness_nm", "1.0e+13"),
    ({"thickness_nm": [1, 2, 3]}, "microscope.thickness_nm", "2 items"),
    ({"thickness_nm": float("nan")}, "microscope.thickness_nm", "finite"),
    ({"bits": 0}, "microscope.bits", "greater than or equal to 1"),
    ({"jitter_correlation": [0.2, 1.0]}, "microscope.jitter_correlation", "less than 1"),
    ({"dislocations_per_m2": [0, 1.0e13]}, "microscope.dislocations_per_m2", "must be positive"),
    ({"densities_g_per_cm3": {"X": -1}}, "microscope.densities_g_per_cm3.X", "greater than 0"),
])
def test_what_is_wrong_is_named_in_one_line(given, field, says):
    with pytest.raises(InputError) as caught:
        load_knobs(given)
    assert caught.value.field == field
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_logarithmic_knob_may_be_switched_off():
    assert load_knobs({"dislocations_per_m2": 0}).draw(1).dislocations_per_m2 == 0

"""Virtual specimens, whose structure is known, measured from their sections."""

import numpy as np
import pytest

from ssbray.measure import measure
from ssbray.specimen import ProcessParameters, make

ROUTES = {
    "bare": {},
    "coated": {"coating": "Li3BO3", "coating_thickness_nm": 20.0, "cosintering_temperature_C": 650.0},
    "tight": {"cosintering_temperature_C": 800.0},
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("route", ROUTES)
def test_the_section_shows_the_structure(route, seed):
    specimen = make(ProcessParameters(**ROUTES[route]), seed=seed, size_nm=(500.0, 360.0))
    structure, found = specimen.structure, measure(specimen.section(1.0)).values
    seen = [layer for layer in structure.layers if f"thickness:{layer.phase}:mean_nm" in found]
    assert seen
    for layer in seen:
        drawn = layer.thickness_nm * specimen.drawn_share
        assert found[f"thickness:{layer.phase}:mean_nm"] == pytest.approx(drawn, rel=0.03)
        assert found[f"thickness:{layer.phase}:coverage"] > 0.98
    assert found["contact_fraction"] == pytest.approx(structure.contact_fraction, abs=0.01)
    x = np.linspace(0, 500, 20_001)
    y, slope = specimen.interface.y(x), specimen.interface.height.slope(x)
    assert found["interface_length_um"] == pytest.approx(0.5 * np.sqrt(1 + slope**2).mean(), rel=0.003)
    level = y - np.polyval(np.polyfit(x, y, 1), x)
    assert found["roughness_rms_nm"] == pytest.approx(level.std(), rel=0.03)
    assert found["pore_fraction_of_electrolyte"] == pytest.approx(structure.porosity, rel=0.1)


def test_coarser_pixels_show_the_same():
    specimen = make(ProcessParameters(), seed=4, size_nm=(900.0, 600.0))
    fine, coarse = (measure(specimen.section(pixel)).values for pixel in (1.5, 4.0))
    for name, rel in (("interface_length_um", 0.01), ("contact_fraction", 0.02), ("thickness:layers:mean_nm", 0.01),
                      ("grain_boundary_length_um", 0.03), ("roughness_rms_nm", 0.02)):
        assert coarse[name] == pytest.approx(fine[name], rel=rel), name

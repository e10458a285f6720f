"""Real micrographs: oxide layers between two solids, cracked, outlined by experts."""

import numpy as np
from scipy import ndimage
from skimage.io import imread

from ssbray.domain import PhaseMap
from ssbray.measure import Roles, measure

ROLES = Roles(electrolyte=("coating",), cathode=("substrate",), layers=("oxide",), pore=("crack",))


def test_oxide_layers_have_about_their_height(real_data):
    """Height in columns is no truth, as neither side is level, but thickness along the normal must be near it."""
    ratio = []
    for path in sorted((real_data / "ebc" / "masks").glob("*.png")):
        mask = imread(path)
        solid, _ = ndimage.label(mask == 0)
        labels = np.zeros(mask.shape, dtype=np.uint8)
        labels[np.isin(solid, np.unique(solid[-1])) & (solid > 0)] = 1
        labels[mask > 0] = mask[mask > 0] + 1
        section = PhaseMap(labels=labels, phases=("coating", "substrate", "oxide", "crack"), pixel_size_nm=1.0)
        found = measure(section, ROLES).values
        ratio.append(found["thickness:oxide:mean_nm"] / (labels == 2).sum(axis=0).mean())
        assert 0.9 < found["contact_fraction"] <= 1
        assert 1 < found["roughness_length_over_width"] < 1.5
        assert found["thickness:oxide:coverage"] > 0.97
    assert len(ratio) == 14
    assert np.abs(np.array(ratio) - 1).max() < 0.1
    assert abs(np.mean(ratio) - 1) < 0.03

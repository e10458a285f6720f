"""A virtual microscope without noise, distortion, texture or blur, on which expectations are exact."""

from __future__ import annotations

import numpy as np

from ssbray import materials
from ssbray.domain import PhaseMap
from ssbray.microscope.knobs import load_knobs
from ssbray.microscope.rendering import composition, transmit

QUIET = {
    "thickness_nm": 80, "wedge_nm_per_um": 0, "thickness_rms_share": 0, "curtain_rms_nm": 0, "groove_nm": 0,
    "inclination_deg": 0, "haadf_exponent": 1.7, "haadf_fraction_100nm": 0.1, "channelling_std": 0,
    "bf_mean_free_path_nm": 100, "bf_grain_std": 0, "bend_depth": 0, "boundary_haadf": 0, "boundary_bf": 0,
    "dislocations_per_m2": 0, "dislocation_haadf_depth": 0, "probe_fwhm_nm": 0, "jitter_px": 0, "hum_px": 0,
    "flyback_px": 0, "drift_nm_per_s": 0, "drift_nm_per_s2": 0, "line_gain_std": 0, "afterglow_us": 0,
    "read_noise_share": 0, "contamination_probability": 0, "platinum_nm": 0, "eds_efficiency": 1,
    "eds_background": 0, "eds_absorption_100nm": 0, "eds_blur_nm": 0, "eds_shift_px": 0, "eds_binning": 1,
    "image_current_pA": 100, "image_dwell_us": 10, "flyback_us": 200, "detector_efficiency": 1.0, "exposure": 0.8,
    "black_level": 0.1}


def quiet(**loud):
    """Knobs that are all fixed and silent, but for those given."""
    return load_knobs({**QUIET, **loud})


def settings(**loud):
    """Settings of one image of `quiet`."""
    return quiet(**loud).draw(0)


def section(labels, phases=("Al-LLZO", "NMC811", "pore"), grains=None, pixel_size_nm=2.0, **more):
    """A phase map of a small array."""
    return PhaseMap(labels=np.asarray(labels, dtype=np.uint8), phases=tuple(phases), pixel_size_nm=pixel_size_nm,
                    grains=None if grains is None else np.asarray(grains, dtype=np.int32), **more)


def signals(phase_map, seed=0, **loud):
    """What leaves the foil towards the detectors."""
    tables = materials.load()
    phases = composition.of_phases(phase_map.phases, tables, {})
    return transmit.transmit(phase_map, phases, tables, settings(**loud), seed)

"""The options and the answer of the two-potential model, apart from the command that reads the image."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest
from PIL import Image

from ssbray.cli import two_potential
from ssbray.domain import PhaseMap
from ssbray.errors import InputError
from ssbray.fea.kinetics import thermal_voltage
from ssbray.fea.thin import Interfaces

KEYS = {"model", "sigma_eff_S_per_cm", "asr_ohm_cm2", "interface_asr_ohm_cm2", "interface_asr_true_area_ohm_cm2",
        "current_density_mA_per_cm2", "contact_area_ratio", "active_fraction", "loss_fraction", "overpotential_mV",
        "focusing", "sweep", "percolates", "reason", "dofs", "iterations", "seconds", "warnings"}
BILAYER = np.repeat([0, 3], 10)[:, None] * np.ones((1, 8), int)
R_CT = 1e3 * thermal_voltage(298.15) / 0.5  # mV over mA/cm2: ohm cm2
BULK = 1e-5 / 1e-3 + 1e-5 / 1e-2


@pytest.fixture
def ask(capsys):
    """Run the model on labels with 0 as electrolyte (1e-3 S/cm) and 3 as electrode (1e-2 S/cm)."""
    def run(*options, labels=BILAYER, sigma=None, interfaces=None, **more):
        parser = argparse.ArgumentParser()
        two_potential.add_options(parser)
        args = parser.parse_args([str(option) for option in options])
        vars(args).update({"axis": "y", "rtol": 1e-10, "temperature_C": None, "json": True, "save_fields": None,
                           "plot": None, **more})
        labels = np.ascontiguousarray(labels, np.uint8)
        phase_map = PhaseMap(labels=labels, phases=tuple(map(str, range(int(labels.max()) + 1))), pixel_size_nm=10)
        sigma = {0: 0.1, 3: 1.0} if sigma is None else sigma
        code = two_potential.run(args, phase_map, sigma, Interfaces() if interfaces is None else interfaces)
        assert code == 0
        captured = capsys.readouterr()
        return (json.loads(captured.out) if args.json else captured.out), captured.err
    return run


USUAL = ("--electrode-labels", "3", "--exchange-current-mA-cm2", 0.5)


def test_a_plane_in_field_units(ask):
    out, err = ask(*USUAL, "--kinetics", "linear", "--layer-ohm-cm2", 20, "--applied-mV", 10)
    total = BULK + R_CT + 20
    assert set(out) >= KEYS
    assert err == ""
    assert (out["model"], out["sigma_eff_S_per_cm"], out["sweep"], out["percolates"]) == (
        "two-potential", None, None, True)
    assert out["asr_ohm_cm2"] == pytest.approx(total, rel=1e-8)
    assert out["interface_asr_ohm_cm2"] == pytest.approx(R_CT + 20, rel=1e-8)
    assert out["interface_asr_true_area_ohm_cm2"] == pytest.approx(R_CT + 20, rel=1e-8)
    assert out["current_density_mA_per_cm2"] == pytest.approx(10 / total, rel=1e-8)
    assert out["overpotential_mV"] == pytest.approx({"mean": 10 * R_CT / total, "max": 10 * R_CT / total}, rel=1e-8)
    assert out["loss_fraction"]["layer"] == pytest.approx(20 / total, rel=1e-8)
    assert (out["contact_area_ratio"], out["active_fraction"], out["focusing"]) == pytest.approx((1, 1, 1))
    assert set(out["seconds"]) == {"mesh", "solve", "total"}


def test_a_sweep_at_another_temperature(ask):
    out, _ = ask(*USUAL, "--applied-mV", "1,100,-300", temperature_C=60.0)
    assert [one["applied_mV"] for one in out["sweep"]] == pytest.approx([1, 100, -300])
    assert out["interface_asr_ohm_cm2"] == pytest.approx(R_CT * 333.15 / 298.15, rel=1e-3)
    assert out["asr_ohm_cm2"] == out["sweep"][0]["asr_ohm_cm2"]
    asr = [one["interface_asr_ohm_cm2"] for one in out["sweep"]]
    assert asr[0] > 1.2 * asr[1] > 1.2 * asr[2]
    assert out["sweep"][2]["current_density_mA_per_cm2"] < 0
    assert out["newton_steps"] >= 3


def test_an_interface_of_the_contact_is_in_series_with_it(ask):
    given = Interfaces(pairs={(0, 3): 70e-4})
    out, _ = ask(*USUAL, "--layer-ohm-cm2", 20, "--kinetics", "linear", interfaces=given)
    assert out["asr_ohm_cm2"] == pytest.approx(BULK + R_CT + 70, rel=1e-8)


def test_what_does_not_touch_says_why(ask):
    labels = BILAYER.copy()
    labels[9] = 1
    out, _ = ask(*USUAL, labels=labels, sigma={0: 0.1, 1: 0.0, 3: 1.0})
    assert (out["current_density_mA_per_cm2"], out["percolates"], out["asr_ohm_cm2"]) == (0.0, False, None)
    assert "do not touch" in out["reason"]
    text, _ = ask(*USUAL, labels=labels, sigma={0: 0.1, 1: 0.0, 3: 1.0}, json=False)
    assert text.startswith("current")
    assert "do not touch" in text


@pytest.mark.parametrize(("shape", "axis"), [((), "y"), ((4,), "y"), ((4,), "z")])
def test_lines_fields_and_picture(ask, tmp_path, shape, axis):
    labels = np.broadcast_to(BILAYER, (*shape, *BILAYER.shape)).copy()
    labels = np.moveaxis(labels, 1, 0) if axis == "z" else labels
    labels[(2, *[2] * (labels.ndim - 1))] = 3  # an island
    text, err = ask(*USUAL, "--applied-mV", "1,50", labels=labels, json=False, save_fields=tmp_path / "f.npz",
                    plot=tmp_path / "f.png", axis=axis)
    for word in ("interface ASR", "at 50 mV", "overpotential", "Newton"):
        assert word in text
    assert "left out" in err
    with np.load(tmp_path / "f.npz") as fields:
        assert fields["potential_V"].shape == labels.shape
        assert len(fields["face_current_A_per_m2"]) == labels.size // 20
        assert fields["face_current_A_per_m2"].mean() > 0
    assert np.asarray(Image.open(tmp_path / "f.png")).std() > 10


@pytest.mark.parametrize(("options", "more", "field", "remedy"), [
    (USUAL[2:], {}, "--electrode-labels", "needs them"),
    (USUAL[:2], {}, "--exchange-current-mA-cm2", "needs it"),
    (("--electrode-labels", "2", *USUAL[2:]), {}, "--electrode-labels", "not in the image"),
    (("--electrode-labels", "x", *USUAL[2:]), {}, "--electrode-labels", "write it as"),
    (("--electrode-labels", "0,3", *USUAL[2:]), {}, "--electrode-labels", "leave an electrolyte"),
    ((*USUAL[:2], "--exchange-current-mA-cm2", 0), {}, "--exchange-current-mA-cm2", "positive"),
    ((*USUAL[:2], "--exchange-current-mA-cm2", "inf"), {}, "--exchange-current-mA-cm2", "finite"),
    ((*USUAL, "--alpha", 1), {}, "--alpha", "between 0 and 1"),
    ((*USUAL, "--layer-ohm-cm2", -1), {}, "--layer-ohm-cm2", "zero or more"),
    ((*USUAL, "--applied-mV", "1,0"), {}, "--applied-mV", "other than zero"),
    ((*USUAL, "--applied-mV", "nan"), {}, "--applied-mV", "finite"),
    ((*USUAL, "--applied-mV", "a"), {}, "--applied-mV", "millivolts"),
    ((*USUAL, "--applied-mV", ""), {}, "--applied-mV", "millivolts"),
    (USUAL, {"sigma": {3: 1.0}}, "--sigma", "no conductivity"),
    (USUAL, {"sigma": {0: 1.0, 3: 0.0}}, "--sigma", "above zero")])
def test_bad_options_name_themselves(ask, options, more, field, remedy):
    with pytest.raises(InputError) as error:
        ask(*options, **more)
    assert error.value.field == field
    assert remedy in error.value.remedy
    assert "\n" not in str(error.value)

"""A made-up study: content of every stage in the shapes that the stages write, without a single solve."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np

from ssbray.study.spec import load

ROOT = Path(__file__).parents[2]
STEMS = [f"sample-{k:03d}-{j:02d}" for k in range(10) for j in range(2)]
PARTS = {"train": STEMS[:16], "calibrate": STEMS[16:18], "test": STEMS[18:]}
CLASSES = ("LLZO", "t-LLZO", "La2Zr2O7", "coating", "NMC", "pore")
BUDGETS = {
    "best": {"LCBO": 0.08, "NMC811": 0.5, "Ta-LLZO": 0.002, "charge transfer (interface)": 0.4, "pore": 0.0,
             "grain boundary (interface)": 0.018},
    "layer overlooked": {"La2Zr2O7": 0.3, "La2Zr2O7 (interface)": 0.2, "NMC811": 0.3,
                         "charge transfer (interface)": 0.2},
    "reference": {"La2Zr2O7": 0.9, "NMC811": 0.06, "charge transfer (interface)": 0.04}}
ASR = {"best": 240.0, "layer overlooked": 330.0, "reference": 5200.0}


def study():
    return load(ROOT / "jobs" / "study.yaml")


def solve(sigma, key="k"):
    return {"key": key, "failure": None, "sigma_eff_S_per_cm": sigma, "percolates": sigma > 0, "budget": {},
            "fractions": {}}


def scores(n, seed, mape=5.0):
    random = np.random.default_rng(seed)
    truth = 10 ** random.uniform(-9, -6, n)
    guess = truth * np.exp(0.06 * random.standard_normal(n))
    return {"mape_percent": mape, "r2": 0.995, "n": n, "coverage": {"50": 0.55, "80": 0.85, "90": 0.95, "95": 1.0},
            "coverage90": {"share": 0.95, "interval95": [0.8, 1.0], "mean_width": 0.2},
            "baselines": {"network": {"mape_percent": 30.0, "nll": 1.0, "crps": 0.2},
                          "subdivided network": {"mape_percent": 12.0, "nll": 1.0, "crps": 0.1}},
            "mape_interval90_percent": [mape - 1, mape + 1], "samples": n // 4, "non_conducting": 0,
            "points": {"computed_S_per_cm": truth.tolist(), "predicted_S_per_cm": guess.tolist(),
                       "interval90_S_per_cm": [[0.9 * value, 1.1 * value] for value in guess],
                       "in_domain": [bool(k % 5) for k in range(n)]}}


def segmented(ece):
    return {"iou": dict.fromkeys(CLASSES, 0.9) | {"t-LLZO": None}, "mean_iou": 0.9, "mean_iou_interval90": [0.88, 0.92],
            "ece": ece, "images": 2}


def layer():
    random = np.random.default_rng(3)
    roc = {name: {"with": (shift + random.standard_normal(30)).tolist(), "without": random.standard_normal(40).tolist()}
           for name, shift in (("novelty", 2.0), ("inconsistency", 1.0), ("joint", 2.5))}
    return {"phase": "La2Zr2O7", "known": 120, "judged": 60, "without": 40, "with": 30, "thinner": 12, "roc": roc,
            "auroc_trivial": {"value": 1.0, "interval90": [1.0, 1.0]}, "auroc_thinner": {}, "flagged_thinner": 0.5,
            "auroc": {name: {"value": value, "interval90": [value - 0.04, min(1.0, value + 0.03)]}
                      for name, value in (("novelty", 0.92), ("inconsistency", 0.76), ("joint", 0.97))},
            "flagged": 0.9, "false_alarms": 0.05, "named_first": 0.8, "named": 0.95,
            "share_of_loss": {"median": 0.6, "p5": 0.1, "p95": 0.95, "n": 30},
            "example": {"share_of_loss": 0.95, "key": "k", "reasons": ["11 % of the map is La2Zr2O7"]}}


def design(wanted, role):
    asr, thick_cm = ASR[role], wanted.aware.specimen.size_nm[1] * 1e-7
    parameters = wanted.aware.reference_design.model_dump()
    if role != "reference":
        parameters |= {"coating": "LCBO", "coating_thickness_nm": 40.0 if role == "best" else 5.0,
                       "cosintering_temperature_C": 700.0 if role == "best" else 840.0}
    return {"role": role, "parameters": parameters, "objective": asr, "asr_ohm_cm2": asr,
            "sigma_eff_S_per_cm": thick_cm / asr, "interval90": [thick_cm / asr * 0.97, thick_cm / asr * 1.03],
            "specimens": 8, "failures": [], "violation": 0.0, "budget": BUDGETS[role], "solves": ["k"]}


def priors():
    return {"specimens": 3, "rows": [
        {"law": law, "centre": centre, "value": value, "still_best": gain > 0, "asr_ohm_cm2": dict(ASR),
         "gain_over_percent": {"layer overlooked": gain, "reference": 20 * gain}}
        for law, centre, ends in (
            ("layer_per_diffusion_length", 0.4, ((0.2, 15.0), (0.8, 90.0))),
            ("blocking_onset_air_C", 500.0, ((400.0, 55.0), (600.0, -4.0))),
            ("milling_time_constant_h", 4.0, ((2.0, 36.0), (8.0, 39.0))))
        for value, gain in ends]}


def found(**stages):
    """Content of every stage; stages given by name replace those made up."""
    wanted = study()
    conditions = {stem: {"temperature_C": 25.0 + k, "charge_transfer_ohm_cm2": 5.0 + k} for k, stem in enumerate(STEMS)}
    content = {
        "micrographs": {"micrographs": 20, "samples": 10, "pixel_size_nm": 0.5, "size_nm": [320.0, 224.0]},
        "parts": PARTS,
        "segmenter": {"model_version": "abc", "members": [{}], "train": 16, "calibrate": 2},
        "segmentation": {"HAADF, BF and element maps": segmented(0.002), "HAADF and BF": segmented(0.01),
                         "HAADF": segmented(0.03)},
        "transport": {"seen": {stem: solve(1.1e-7) for stem in STEMS},
                      "true": {stem: solve(1e-7) for stem in PARTS["calibrate"] + PARTS["test"]},
                      "conditions": conditions,
                      "apart": {"n": 4, "samples": 2, "median_percent": 10.0, "interval90": [8.0, 12.0],
                                "percolation_wrong": 0}},
        "voltage": {"applied_mV": [1.0, 200.0], "images": {STEMS[18]: {
            "interface_asr_ohm_cm2": [80.0, 70.0], "reason": None, "exchange_current_mA_per_cm2": 0.5}}},
        "fresh": {"rows": {}},
        "surrogate": {"model_version": "def", "learnt": 16, "groups": 8, "config": {}, "trials": []},
        "prediction": {"test images": scores(20, 1), "fresh specimens": scores(60, 2, 7.0)},
        "layer": layer(),
        "aware": {"fe_solves": 300, "best": {}, "bound": {"sigma_eff_S_per_cm": 4e-7, "asr_ohm_cm2": 200.0,
                                                          "what": "bulk"}},
        "blind": {"fe_solves": 310, "best": {}},
        "gain": {"specimens": 8, "designs": {role: design(wanted, role) for role in ASR}, "gain_over": {
            "layer overlooked": {"percent": 37.5, "interval90": [33.0, 42.0]},
            "reference": {"percent": 2066.7, "interval90": [1900.0, 2250.0]}}},
        "priors": priors(),
        "about": {"name": wanted.name, "seed": wanted.seed, "digest": "d" * 64, "physics_version": "0.1.0+1",
                  "seconds": {"micrographs": 90.0, "segmenter": math.pi * 100}, "again": ["gain"],
                  "models": {"segmenter": "abc", "surrogate": "def"}},
    }
    return copy.deepcopy({**content, **stages})

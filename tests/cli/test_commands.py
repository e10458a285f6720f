"""The other commands, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "jobs" / "smoke.yaml"


def test_doctor_says_ok(cli):
    code, out, _ = cli("doctor", "--json")
    assert code == 0
    assert set(out) >= {"python", "petsc", "torch", "ray", "mlflow", "threads", "ok"}
    assert set(out["petsc"]) == {"version", "hypre", "cholmod", "mumps"}
    assert out["ok"] is True


def test_graph_gives_the_network_estimate(cli, tmp_path):
    np.save(tmp_path / "l.npy", np.repeat(np.array([0, 1], np.uint8), 5)[:, None] * np.ones((1, 4), np.uint8))
    code, out, _ = cli("graph", tmp_path / "l.npy", "--pixel-size-nm", 1, "--sigma", "0=1", "--sigma", "1=3", "--out",
                       tmp_path / "g.npz", "--json")
    assert (code, out["nodes"], out["edges"]) == (0, 2, 1)
    assert out["sigma_network_S_per_cm"] == pytest.approx(1.5, rel=1e-9)
    assert (tmp_path / "g.npz").exists()


def test_specimens_are_written_and_repeat(cli, tmp_path):
    for name in ("a", "b"):
        code, out, _ = cli("specimen", SMOKE, "--count", 3, "--seed", 5, "--out", tmp_path / name, "--json")
        assert (code, out["specimens"]) == (0, 3)
    listing = json.loads((tmp_path / "a" / "specimens.json").read_text())["specimens"]
    for row in listing:
        labels = tifffile.imread(tmp_path / "a" / "labels" / f"{row['name']}.tif")
        assert labels.shape == (80, 120)
        assert labels.max() < len(row["phases"])
        assert (labels == tifffile.imread(tmp_path / "b" / "labels" / f"{row['name']}.tif")).all()
        assert (tmp_path / "a" / "pictures" / f"{row['name']}.png").stat().st_size > 500
    assert len({json.dumps(row["parameters"]) for row in listing}) == 3


def test_a_specimen_solves_to_what_the_data_set_stores(cli, tmp_path):
    """The label files of `specimen`, solved by hand, give the conductivity that a campaign computes."""
    from ssbray import campaign, materials, units
    from ssbray.campaign import dataset

    cli("specimen", SMOKE, "--count", 1, "--seed", 5, "--out", tmp_path)
    row = json.loads((tmp_path / "specimens.json").read_text())["specimens"][0]
    tables = materials.load()
    sigma = [f"--sigma={k}={units.S_per_cm(tables.sigma(name, 298.15))!r}" for k, name in enumerate(row["phases"])]
    series: dict[str, float] = {}
    for name, asr in row["boundaries_ohm_cm2"].items():
        a, b, _ = name.split(":")
        pair = ":".join(str(row["phases"].index(phase)) for phase in (a, b))
        series[pair] = series.get(pair, 0.0) + asr
    interfaces = [f"--interface={pair}={asr!r}" for pair, asr in series.items()]
    code, out, err = cli("solve", tmp_path / "labels" / "specimen-000.tif", "--grains",
                         tmp_path / "truth" / "grains" / "specimen-000.tif", "--pixel-size-nm",
                         row["pixel_size_nm"], *sigma, *interfaces, "--json")
    assert code == 0, err
    outcome = campaign.evaluate(dataset.tasks(campaign.load(SMOKE), 1, 5)[0])
    assert out["sigma_eff_S_per_cm"] == pytest.approx(outcome.values["sigma_eff_S_per_cm"], rel=1e-9)


@pytest.mark.parametrize(("arguments", "says"), [
    (["specimen", "absent.yaml", "--count", "1", "--seed", "0", "--out", "x"], "cannot be read"),
    (["specimen", str(SMOKE), "--count", "0", "--seed", "0", "--out", "x"], "--count = 0"),
    (["specimen", str(SMOKE), "--count", "1", "--seed", "-1", "--out", "x"], "--seed = -1"),
    (["campaign", "status", "nothing", "--dir", "nowhere"], "no such campaign"),
    (["campaign", "run", "absent.yaml"], "cannot be read"),
    (["campaign", "run", str(SMOKE), "--name", "../up"], "name"),
    (["campaign", "run", str(SMOKE), "--workers", "0"], "--workers"),
    (["train", "surrogate", "--data", "nowhere", "--out", "x"], "no ledger here"),
    (["evaluate", "surrogate", "--model", "nowhere", "--data", "x"], "nowhere"),
    (["frobnicate"], "invalid choice"),
    ([], "COMMAND"),
])
def test_bad_input_is_one_line_and_exit_code_2(cli, arguments, says):
    code, out, err = cli(*arguments)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
    assert out == ""


def test_help_answers_without_the_heavy_libraries():
    code = ("import sys\nfrom ssbray.cli import main\n"
            "try:\n    main(['campaign', 'run', '--help'])\nexcept SystemExit:\n    pass\n"
            "print(sorted({'ray', 'mlflow', 'torch', 'petsc4py', 'matplotlib'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")

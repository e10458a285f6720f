"""The files beside the package keep their promises."""

from __future__ import annotations

import copy
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from ssbray import campaign

ROOT = Path(__file__).parents[1]


SPECS = sorted({*(ROOT / "jobs").glob("*.yaml")} - {ROOT / "jobs" / name for name in ("rayjob.yaml", "study.yaml")})


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_every_job_is_a_valid_spec(path):
    spec = campaign.load(path)
    assert spec.evaluations > 0
    assert spec.reference_design.coating == "bare"


def test_the_main_job_plans_enough_solves():
    assert campaign.solves_planned(campaign.load(ROOT / "jobs" / "llzo_nmc.yaml")) >= 100


def test_the_cluster_passes_rays_own_validation_and_our_rules():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    validate_config(prepare_config(copy.deepcopy(config)))
    types = config["available_node_types"]
    assert types[config["head_node_type"]]["resources"]["CPU"] == 0
    assert types["solvers"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in types["head"]["node_config"]
    text = (ROOT / "cluster.yaml").read_text()
    assert "0.0.0.0" not in text
    assert text.count("RAY_AUTH_MODE=token") == 2
    assert "--dashboard-host=127.0.0.1" in text


def test_only_the_package_is_packaged():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["packages"]["find"]["include"] == ["ssbray*"]
    assert project["project"]["license"] == "Apache-2.0"


def test_every_dependency_is_pinned():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {line.split("==")[0].lower().replace("_", "-")
              for line in (ROOT / "jobs" / "constraints.txt").read_text().splitlines() if "==" in line}
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    names = {re.match(r"[A-Za-z0-9_.-]+", entry).group().lower().replace("_", "-") for entry in wanted}
    assert names - pinned == {"petsc4py"}  # follows the PETSc that is found


def test_setup_does_nothing_when_there_is_nothing_to_do():
    if not (ROOT / ".venv" / ".ssbray-setup").exists():
        pytest.skip("not an environment made by jobs/setup.sh")
    subprocess.run([ROOT / "jobs" / "setup.sh"], capture_output=True, check=True)
    done = subprocess.run([ROOT / "jobs" / "setup.sh"], capture_output=True, text=True, check=True, timeout=5)
    assert done.stderr == ""
    assert done.stdout == ""


def test_make_help_lists_the_targets():
    done = subprocess.run(["make", "-C", ROOT, "--no-print-directory", "help"], capture_output=True, text=True,
                          check=True)
    for target in ("setup", "campaign", "test", "bench", "serve", "clean", "help"):
        assert f"make {target} " in done.stdout

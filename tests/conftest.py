"""Settings and fixtures of the whole test run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ssbray.cli import main
from ssbray.cluster import session

session.prepare()  # before any test module imports Ray


@pytest.fixture
def cli(capsys):
    """Run a command in this process; returns exit code, JSON or text of standard output, and standard error."""
    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code
        captured = capsys.readouterr()
        out = json.loads(captured.out) if "--json" in arguments and captured.out else captured.out
        return code, out, captured.err
    return run


@pytest.fixture(scope="session")
def real_data():
    """Real micrographs and volumes, which are not part of the repository."""
    place = Path(os.environ.get("SSBRAY_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (place / "nmc_electrode_256.tiff").exists():
        pytest.skip(f"no real data in {place} (set SSBRAY_REAL_DATA)")
    return place

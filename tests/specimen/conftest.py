"""What the tests of the specimens share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ssbray.materials import Materials
from ssbray.materials import load as load_materials
from ssbray.specimen import Layer, ProcessLaws, ProcessParameters, Structure, structure
from ssbray.specimen.laws import load as load_laws


@pytest.fixture(scope="session")
def laws() -> ProcessLaws:
    return load_laws()


@pytest.fixture(scope="session")
def materials() -> Materials:
    return load_materials()


@pytest.fixture
def state(laws, materials):
    """Structure of given parameters."""
    return lambda **parameters: structure(ProcessParameters(**parameters), laws, materials)


@pytest.fixture
def plain(state, materials):
    """A dense, fully wetted bilayer with one layer of a phase; keywords replace fields of the structure."""

    def build(phase: str | None = None, thickness_nm: float = 40.0, **changes: object) -> Structure:
        layers = () if phase is None else (Layer(
            sort="coating", phase=phase, thickness_nm=thickness_nm,
            asr_ohm_cm2=materials.layer_asr_ohm_cm2(phase, thickness_nm)),)
        return replace(state(), **{"layers": layers, "relative_density": 1.0, "contact_fraction": 1.0, **changes})

    return build

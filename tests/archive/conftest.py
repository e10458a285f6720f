"""A small archive with one of everything, and two locations of one sample."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace

import numpy as np
import pytest

from ssbray.archive import Archive, Entry, put_graph, put_micrograph, put_segmentation, put_solution
from ssbray.domain import FeatureGraph, Micrograph, PhaseMap, ThinLoss, TransportSolution
from ssbray.rng import stream

INPUTS = {"axis": "y", "sigma_S_per_m": {"LLZO": 0.05, "pore": 0.0}}
CODE = "1.0"


def micrograph(index=0):
    rng = stream(1, "archive test", index)
    return Micrograph(images={"haadf": rng.random((24, 32), dtype=np.float32),
                              "bf": rng.random((24, 32), dtype=np.float32)},
                      eds={"La": rng.poisson(2.0, (12, 16)).astype(np.float32)}, pixel_size_nm=2.5,
                      metadata={"beam_energy_keV": 200.0, "index": index}, source_sha256=f"{index:064d}")


def phase_map():
    labels = np.zeros((24, 32), np.uint8)
    labels[10:, :8] = 1
    return PhaseMap(labels=labels, phases=("LLZO", "pore"), pixel_size_nm=2.5, grains=labels.astype(np.int32) + 1,
                    boundaries={"LLZO:LLZO:grain boundary": 12.5})


def feature_graph(edges=1):
    return FeatureGraph(node_features=np.array([[1.0], [2.0]]), node_names=("area",),
                        edge_index=np.array([[0], [1]])[:, :edges], edge_features=np.array([[3.0, 4.0]])[:edges],
                        edge_names=("length", "asr"), terminals=np.array([1, 2]), phase=np.array([0, 1]),
                        phases=("LLZO", "pore"), sigma_network=0.031, thickness_m=6e-8)


def solution(sigma=0.0, asr=np.inf):
    none = np.zeros(0, np.int64)
    return TransportSolution(
        sigma_eff=sigma, asr=asr, axis="y", boundary="dirichlet", percolates=sigma > 0, reason="a pore blocks it",
        dissipation_fraction={"phase:0": 1.0}, potential=np.full((24, 32), np.nan),
        current_density=np.zeros((2, 24, 32)), dissipation=np.zeros((24, 32)), dofs=10, iterations=3, residual=1e-9,
        solver="amg", seconds={"total": 0.25},
        faces=ThinLoss(first=none, second=none, axis=none, across=np.zeros(0), along=np.zeros(0)),
        tensor=np.eye(2), lower=1.0, upper=2.0, corners={"connected": (1.0, 2.0)}, warnings=("thin",))


@dataclass(frozen=True)
class Filled:
    sample: Entry
    location: Entry
    micrograph: Entry
    segmentation: Entry
    graph: Entry
    solution: Entry


def fill(archive):
    shot = put_micrograph(archive, micrograph(), sample="pellet A", location="site 1")
    put_micrograph(archive, micrograph(1), sample="pellet A", location="site 2")
    segmented = put_segmentation(archive, phase_map(), [shot])
    made = put_graph(archive, feature_graph(), segmented)
    solved = put_solution(archive, solution(), [segmented, made], inputs=INPUTS, code=CODE)
    sample, location, *_ = archive.lineage(shot)
    return Filled(sample, location, shot, segmented, made, solved)


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """Filled once; tests work on copies, as every entry waits for the disk."""
    directory = tmp_path_factory.mktemp("archive") / "template"
    with Archive(directory) as archive:
        filled = fill(archive)
    return directory, filled


@pytest.fixture
def directory(tmp_path, template, request):
    """Where an archive may be made; a filled one lies there already for tests that ask for `filled` or `kept`."""
    place = tmp_path / "archive"
    if {"filled", "kept"} & set(request.fixturenames):
        shutil.copytree(template[0], place)
    return place


@pytest.fixture
def kept(directory, template):
    """Entries of a filled archive that nobody has open."""
    return Filled(**{name: replace(entry, path=directory / entry.path.relative_to(template[0]))
                     for name, entry in vars(template[1]).items()})


@pytest.fixture
def archive(directory):
    with Archive(directory) as opened:
        yield opened


@pytest.fixture
def filled(archive, template):
    """Entries of the filled archive that is open."""
    return Filled(**{name: archive.get(entry.id) for name, entry in vars(template[1]).items()})


@pytest.fixture
def files(directory):
    def content():
        """Bytes of every entry file, by its path."""
        return {path: path.read_bytes() for path in sorted((directory / "entries").glob("*/*"))}
    return content

"""What was solved is found by what went in, and by nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ssbray.archive import (
    Archive,
    graph_of,
    micrograph_of,
    phase_map_of,
    put_graph,
    put_micrograph,
    put_segmentation,
    put_solution,
    recall_solution,
    solution_of,
)
from ssbray.errors import InputError
from tests.archive.conftest import CODE, INPUTS, feature_graph, micrograph, phase_map, solution


def same(a, b):
    """Equal in every field, arrays bit by bit, types included."""
    assert type(a) is type(b)
    for field in dataclasses.fields(a):
        one, two = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray):
            assert (one.dtype, one.shape, one.tobytes()) == (two.dtype, two.shape, two.tobytes()), field.name
        elif dataclasses.is_dataclass(one):
            same(one, two)
        elif isinstance(one, dict) and any(isinstance(value, np.ndarray) for value in one.values()):
            assert list(one) == list(two)
            assert all(np.array_equal(one[key], two[key]) and one[key].dtype == two[key].dtype for key in one)
        else:
            assert one == two, field.name


def test_the_types_of_the_package_come_back_whole(filled):
    same(micrograph(), micrograph_of(filled.micrograph))
    same(phase_map(), phase_map_of(filled.segmentation))
    same(feature_graph(), graph_of(filled.graph))
    same(solution(), solution_of(filled.solution))


def test_a_graph_without_edges_and_a_map_without_grains(archive, filled):
    same(feature_graph(0), graph_of(put_graph(archive, feature_graph(0), filled.segmentation)))
    bare = dataclasses.replace(phase_map(), grains=None)
    same(bare, phase_map_of(put_segmentation(archive, bare, [filled.micrograph])))


def test_an_entry_is_not_read_as_another_kind(filled):
    for read, entry in ((micrograph_of, filled.segmentation), (phase_map_of, filled.graph), (graph_of, filled.solution),
                        (solution_of, filled.sample)):
        with pytest.raises(InputError, match="is not a"):
            read(entry)


def test_shots_of_one_place_share_it(archive, filled):
    again = put_micrograph(archive, micrograph(2), sample="pellet A", location="site 1")
    assert archive.lineage(again)[:2] == [filled.sample, filled.location]
    assert len(archive.find("sample")) == 1
    assert len(archive.find("location")) == 2


def test_a_result_is_recalled(archive, filled):
    parents = [filled.graph, filled.segmentation]  # in any order
    same(solution(), recall_solution(archive, parents, inputs=dict(reversed(INPUTS.items())), code=CODE))
    assert archive.recall("solution", INPUTS, code=CODE, parents=parents) == filled.solution
    assert filled.solution.inputs == INPUTS
    assert filled.solution.code == CODE


def test_other_inputs_parents_or_code_are_another_computation(archive, filled):
    parents = [filled.graph, filled.segmentation]
    for inputs, code, among in (({**INPUTS, "axis": "x"}, CODE, parents), (INPUTS, "1.1", parents),
                                (INPUTS, CODE, parents[:1]), ({}, CODE, parents)):
        assert recall_solution(archive, among, inputs=inputs, code=code) is None
    assert archive.recall("graph", INPUTS, code=CODE, parents=parents) is None


def test_the_first_result_stands(archive, filled, files):
    before = files()
    again = put_solution(archive, solution(sigma=2.0, asr=1.0), [filled.graph, filled.segmentation], inputs=INPUTS,
                         code=CODE)
    assert again == filled.solution
    assert files() == before


def test_equal_results_of_different_inputs_are_told_apart(archive, filled):
    other = put_solution(archive, solution(), [filled.graph], inputs={**INPUTS, "rtol": 1e-6}, code=CODE)
    assert other != filled.solution
    assert recall_solution(archive, [filled.graph], inputs={**INPUTS, "rtol": 1e-6}, code=CODE) is not None


def test_a_lost_result_is_solved_again(archive, filled):
    """Even where the second result is not the first one, as its timings never are."""
    parents = [filled.graph, filled.segmentation]
    filled.solution.path.unlink()
    assert archive.recall("solution", INPUTS, code=CODE, parents=parents) is None
    again = put_solution(archive, dataclasses.replace(solution(), seconds={"total": 9.0}), parents, inputs=INPUTS,
                         code=CODE)
    assert recall_solution(archive, parents, inputs=INPUTS, code=CODE).seconds == {"total": 9.0}
    assert again != filled.solution


def test_a_segmentation_is_remembered_by_its_model(archive, filled):
    made = put_segmentation(archive, phase_map(), [filled.micrograph], inputs={"model": "abc"}, code="2",
                            probabilities=np.full((2, 24, 32), 0.5, np.float32))
    assert archive.recall("segmentation", {"model": "abc"}, code="2", parents=[filled.micrograph]) == made
    assert made.arrays["probabilities"].shape == (2, 24, 32)
    with pytest.raises(InputError, match="together"):
        put_segmentation(archive, phase_map(), [filled.micrograph], inputs={"model": "abc"})


def test_memory_outlives_the_process(directory):
    with Archive(directory) as archive:
        sample = archive.remember("sample", {"a": np.inf}, code="1", values={"b": 2})
    with Archive(directory, write=False) as archive:
        assert archive.recall("sample", {"a": np.inf}, code="1") == sample
        with pytest.raises(InputError, match="opened for reading"):
            archive.add("sample", values={"b": 3})

"""The linear solver: stops at the property, falls back in the open, fails loudly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from ssbray.errors import SolverError
from ssbray.fea import assemble, krylov, problem, q1, solve
from ssbray.fea.thin import Interfaces
from tests.fea.test_exact import phase_map

SIGMA = {0: 1.0, 1: 1e-3, 2: 0.03}


def noise(shape, seed=0):
    return phase_map(np.random.default_rng(seed).integers(0, 3, shape))


@pytest.mark.parametrize("rtol", [1e-3, 1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("seed", range(4))
def test_the_conductivity_is_as_exact_as_asked(rtol, seed):
    made = noise((60, 50), seed)
    exact = solve(made, SIGMA, rtol=1e-14).sigma_eff
    found = solve(made, SIGMA, rtol=rtol)
    assert 0 <= found.sigma_eff / exact - 1 <= rtol  # from above, as any potential
    assert found.iterations < 30


def test_a_loose_tolerance_saves_iterations():
    counts = [solve(noise((60, 50)), SIGMA, rtol=rtol).iterations for rtol in (1e-4, 1e-8, 1e-12)]
    assert counts[0] < counts[1] < counts[2]


def test_without_hypre_the_answer_is_the_same_and_the_user_is_told(monkeypatch):
    made = noise((40, 40))
    usual = solve(made, SIGMA)
    monkeypatch.setattr(krylov, "packages", lambda: {"hypre": False})
    other = solve(made, SIGMA)
    assert other.solver == "cg+gamg"
    assert other.sigma_eff == pytest.approx(usual.sigma_eff, rel=2e-8)
    assert any("no hypre" in line for line in other.warnings)


def test_what_does_not_converge_is_discarded(monkeypatch):
    monkeypatch.setattr(krylov, "MAX_ITERATIONS", 2)
    with pytest.raises(SolverError, match="did not converge in 2 iterations"):
        solve(noise((60, 50)), SIGMA)


def test_what_is_not_positive_definite_is_discarded():
    matrix = sparse.csr_matrix(np.array([[1.0, 2.0], [2.0, 1.0]]))
    with krylov.Multigrid(matrix, 2) as grid, pytest.raises(SolverError, match="broke down"):
        grid.solve(np.array([1.0, -1.0]), 1e-8, 1.0)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", [(7, 6), (4, 5, 3), (2, 3), (1, 4), (2, 2, 2)])
def test_the_stencil_is_the_sum_of_its_elements(shape, periodic):
    """Against entry by entry assembly, with pores, splits and interfaces."""
    from ssbray.fea import forms

    made = noise(shape, 5)
    sigma = {label: [1.0, 0.2, 0.0][label] for label in range(len(made.phases))}
    pairs = {(0, 1): 1e-10} if len(made.phases) > 1 else {}
    one = problem.prepare(made, sigma, Interfaces(pairs=pairs), 0, periodic)
    if not one.open_axes[0]:
        one = problem.prepare(made, {label: 1.0 for label in sigma}, Interfaces(pairs=pairs), 0, periodic)
    d = problem.discretise(one)
    matrix = assemble.matrix(d.mesh, d.sigma, d.joint, d.row, d.n_free).toarray()
    expected = np.zeros((d.n_free + 1,) * 2)
    across, _, lumped = forms.two_sided(len(shape))
    for dofs, weight, local in ((d.mesh.dofs, d.sigma, forms.conduction_matrix(len(shape))),
                                (d.joint.dofs.reshape(-1, 2 ** len(shape)), d.joint.conductance * ~d.joint.lumped,
                                 across),
                                (d.joint.dofs.reshape(-1, 2 ** len(shape)), d.joint.conductance * d.joint.lumped,
                                 lumped)):
        for at, one_weight in zip(d.row[dofs], weight, strict=True):
            np.add.at(expected, np.ix_(at, at), one_weight * local)  # -1 is the last row
    assert matrix == pytest.approx(expected[:-1, :-1], abs=1e-14)


def test_solving_again_and_again_keeps_no_memory():
    import psutil

    made, process = noise((120, 120)), psutil.Process()
    for _ in range(5):
        solve(made, SIGMA, bounds=True)
    before = process.memory_info().rss
    for _ in range(40):
        solve(made, SIGMA, bounds=True)
    assert process.memory_info().rss - before < 8e6  # a vector a solve would be 10 MB


def test_the_same_solve_gives_the_same_bits():
    made = noise((50, 40), 3)
    one, other = (q1.respond(problem.prepare(made, SIGMA, Interfaces(), 0, False), [0], 1e-8) for _ in range(2))
    assert (one.corrections[0] == other.corrections[0]).all()


def test_a_thin_periodic_map_of_extreme_contrast_is_solved():
    """Bad and good conductors in a ring, joined well: pinned in the bad one the good one would hang loose."""
    made = phase_map(np.array([[0, 0, 0, 0, 0, 0, 2, 2, 2, 1]]))
    sigma = {0: 3.3e-9, 1: 34.6, 2: 1.29}
    solution = solve(made, sigma, {(0, 2): 1e-23}, axis="y", boundary="periodic", tensor=True)
    assert solution.tensor[0, 0] == pytest.approx(10 / (6 / 3.3e-9 + 3 / 1.29 + 1 / 34.6), rel=1e-7)
    assert solution.tensor[1, 1] == pytest.approx((6 * 3.3e-9 + 3 * 1.29 + 34.6) / 10, rel=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_interfaces_of_any_stiffness_take_few_iterations(seed):
    random = np.random.default_rng(seed)
    sigma = {0: 1.0, 1: 10 ** -random.uniform(0, 8), 2: 10 ** -random.uniform(0, 4)}
    pairs = {pair: 10 ** random.uniform(-16, -6) for pair in ((0, 1), (1, 2), (0, 2))}
    boundary = ["dirichlet", "periodic"][seed % 2]
    found = solve(noise((40, 40), seed), sigma, pairs, boundary=boundary)
    exact = solve(noise((40, 40), seed), sigma, pairs, boundary=boundary, rtol=1e-13)
    assert found.iterations < 60
    assert found.sigma_eff == pytest.approx(exact.sigma_eff, rel=2e-8)

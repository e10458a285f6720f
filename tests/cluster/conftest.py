from __future__ import annotations

import pytest

from ssbray.cluster.session import connect
from ssbray.cluster.workers import RayWorkers
from tests.campaign import fakes


@pytest.fixture(scope="session")
def ray_cluster():
    """One small cluster for the whole test run."""
    with connect(cpus=2):
        yield


@pytest.fixture
def pool():
    """Makes solvers, and ends them."""
    made = []

    def make(evaluate=fakes.evaluate, **options):
        made.append(RayWorkers(evaluate=evaluate, **options))
        return made[-1]

    yield make
    for workers in made:
        workers.close()

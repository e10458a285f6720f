from __future__ import annotations

import pytest

from ssbray.cluster.session import connect


@pytest.fixture(scope="session")
def ray_cluster():
    """One small cluster for the whole test run."""
    with connect(cpus=2):
        yield

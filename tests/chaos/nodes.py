"""A toy campaign on two nodes with a solver each; one goes without a word, and the other makes its solve again."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from ssbray.campaign import SerialAnnealers, run
from ssbray.cluster.session import prepare

prepare()  # before Ray is imported

import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from ssbray.cluster.workers import RayWorkers  # noqa: E402
from tests.campaign import fakes  # noqa: E402
from tests.chaos import toy  # noqa: E402

HERE = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20}


class Killer(fakes.Silence):
    """After some solves, the node is gone."""

    def __init__(self, nodes, mortal):
        super().__init__()
        self._left, self._nodes, self._mortal = 10, nodes, mortal

    def solved(self, outcome, cached):
        self._left -= 1
        if self._left == 0:
            self._nodes.remove_node(self._mortal, allow_graceful=False)


def main(directory):
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **HERE})
    try:
        nodes.add_node(num_cpus=1, **HERE)
        mortal = nodes.add_node(num_cpus=1, **HERE)
        ray.init(address=nodes.address, log_to_driver=False, _node_ip_address=HERE["node_ip_address"])
        nodes.wait_for_nodes()
        workers = RayWorkers(solvers=2, evaluate=toy.slow)
        summary = run(fakes.spec(**toy.SPEC), directory, workers=workers, learner=fakes.QuadraticLearner(),
                      annealers=SerialAnnealers(), listener=Killer(nodes, mortal))
        workers.close()
        end = time.monotonic() + 60  # Ray notices in its own time
        while (alive := sum(node["Alive"] for node in ray.nodes())) > 2 and time.monotonic() < end:
            time.sleep(0.5)
        print("\n" + json.dumps({"summary": summary, "nodes_at_the_end": alive}))
    finally:
        ray.shutdown()
        nodes.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Ray Serve's environment: the shortest way from a request to a model, and no work where there are no requests."""

import os

#: gRPC between replicas where Ray would go through its object store; no thread of its own for each small step; a
#: controller that looks at three replicas twice a second, not ten times. Arrays of a frame, and graphs, need more than
#: the 4 MiB of a message; they are bounded by `limits.pixels` and by the regions that a map may have.
QUICK = {
    "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(2**30),
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
    "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "5000",
}


def prepare() -> None:
    """Set it for a cluster that this process is about to start, where the user has not."""
    for name, value in QUICK.items():
        os.environ.setdefault(name, value)


def of_replica(threads: int) -> dict[str, str]:
    """The environment of a replica, on any cluster."""
    return QUICK | {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}

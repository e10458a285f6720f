"""Joining a Ray cluster, or starting one on this machine."""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from pathlib import Path

from ssbray.errors import InputError

PATIENCE_S = 10.0  #: for a cluster's head to take a connection
#: one thread per worker, set before numpy is imported there; two solves must not fight over two cores
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")}
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # the new one prints a banner on standard output whatever the verbosity
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",  # a thread that outlives its cluster must not start another
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # with it Ray 2.60 keeps a local cluster on the loopback interface
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}


def prepare() -> None:
    """Set Ray's environment, where the user has not. Only what happens before Ray is imported counts."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


@contextmanager
def connect(cpus: int | None = None) -> Iterator[None]:
    """Join the cluster that RAY_ADDRESS names, or start one here for as long as the context lasts.

    Within another `connect` it joins that.

    A local cluster listens on the loopback interface, has no dashboard, and demands a token that
    exists only in a private temporary file.

    Parameters
    ----------
    cpus : CPUs of a local cluster; those this process may use when not given.

    Raises
    ------
    InputError
        There is no such cluster, or none can be started here.
    """
    prepare()
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        _begin(cpus)
        yield
    finally:
        ray.shutdown()


@contextmanager
def connect_quietly(cpus: int | None = None) -> Iterator[None]:
    """`connect`, and what is printed meanwhile goes to stderr: Ray tells of dead workers where answers belong."""
    with connect(cpus), redirect_stdout(sys.stderr):
        yield


def _begin(cpus: int | None) -> None:
    """Join or start; a cluster that is not there, or cannot be, is for the user to mend."""
    import ray

    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            _reach(address)
            ray.init(log_to_driver=False, configure_logging=False)
        else:
            _require_token()
            ray.init(address="local",  # else Ray joins whatever cluster was last started on this machine
                     num_cpus=cpus or len(os.sched_getaffinity(0)), include_dashboard=False, log_to_driver=False,
                     configure_logging=False, object_store_memory=256 * 2**20, _node_ip_address="127.0.0.1")
    except Exception as error:  # Ray raises errors of every kind, from sockets to its own
        why = " ".join(str(error).split())[:300] or type(error).__name__
        if address:
            raise InputError("RAY_ADDRESS", address, f"this cluster cannot be joined ({why}): start it, or unset "
                             "RAY_ADDRESS to run here") from None
        raise InputError("Ray", "on this machine", f"does not start ({why}): see that the machine is not overloaded, "
                         "and has room in memory and in Ray's temporary directory (RAY_TMPDIR)") from None


def _reach(address: str) -> None:
    """See that somebody listens there; Ray itself would try for minutes. OSError if not."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE_S).close()


@cache
def _require_token() -> None:
    """Give the local cluster a token of our own, readable by nobody else, that ends with this process.

    Ray turns authentication on by itself when it starts a cluster and RAY_AUTH_MODE is not set; its
    own token would be a world-readable file in the home directory.
    """
    if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return
    private = Path(tempfile.mkdtemp(prefix="ssbray-"))
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    descriptor = os.open(private / "token", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(private / "token")
    logging.getLogger("ray._private.authentication.authentication_token_setup").setLevel(logging.ERROR)


def local() -> bool:
    """Whether the cluster is this machine's own, and will not grow."""
    return not os.environ.get("RAY_ADDRESS")


def cluster_gpus() -> float:
    """GPUs that Ray knows of."""
    import ray

    return float(ray.cluster_resources().get("GPU", 0.0))


def cluster_cpus() -> int:
    """CPUs that Ray knows of."""
    import ray

    return int(ray.cluster_resources().get("CPU", 0))

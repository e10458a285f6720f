"""Serve until interrupted: what `ssbray serve` does, for those who have a checkout and no installed command.

    python serve/run.py --model campaigns/llzo-nmc/model --spec jobs/llzo_nmc.yaml
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1])  # `serve` is not part of the installed package
sys.path.insert(0, ROOT)

from serve.environment import prepare  # noqa: E402
from ssbray.cluster.session import connect  # noqa: E402
from ssbray.errors import InputError  # noqa: E402
from ssbray.service.settings import Settings, check_bind  # noqa: E402

SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
SHUTDOWN_S = 10.0  #: for requests under way, before Ray ends what is left


def main() -> int:
    """Serve until interrupted; exit code 2 for a model or spec that cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="directory of a trained surrogate, or models:/NAME@champion")
    parser.add_argument("--segmenter", help="directory of a trained segmenter, or models:/NAME@champion")
    parser.add_argument("--tracking-uri", help="of MLflow, for models:/NAME@champion")
    parser.add_argument("--spec", help="the study that the surrogate was trained on")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()
    try:
        return serve_until_signal(Settings(surrogate=args.model, segmenter=args.segmenter, spec=args.spec,
                                           port=args.port, tracking_uri=args.tracking_uri))
    except InputError as error:
        print(f"serve: {error}", file=sys.stderr)
        return 2


def check(settings: Settings) -> None:
    """Load everything once, here, so that what is wrong is one line and not the end of a replica."""
    from serve.registry import located
    from ssbray import campaign
    from ssbray.segmentation import Segmenter
    from ssbray.service.keys import Keys
    from ssbray.surrogate import Surrogate

    check_bind(settings)
    if settings.keys:
        Keys.read(settings.keys)
    if settings.surrogate is None:
        raise InputError("--surrogate", None, "is needed: give the directory of a trained surrogate")
    settings, _ = located(settings)
    assert settings.surrogate is not None
    Surrogate.load(settings.surrogate)
    if settings.segmenter is not None:
        Segmenter.load(settings.segmenter, settings.device)
    if settings.spec is not None:
        campaign.load(settings.spec)


def serve_until_signal(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM; SIGHUP puts what the models' names mean by then in the place of what runs."""
    check(settings)
    with running(settings):
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        print(f"serving on http://{shown}:{settings.port} (the page; POST /v1/predict); Ctrl-C ends it", flush=True)
        renewal = None
        while signal.sigwait(SIGNALS) == signal.SIGHUP:  # in a thread, so that a roll-out does not put off the end
            if renewal is None or not renewal.is_alive():
                renewal = threading.Thread(target=renew, args=(settings,), daemon=True)
                renewal.start()
    return 0


def renew(settings: Settings) -> None:
    """A roll-out under way; where the new models are no good the old ones go on, and a line says why."""
    try:
        check(settings)
        deploy(settings)
        print("serving what the models' names mean now", flush=True)
    except Exception as error:  # whatever it is, it is no reason to stop what runs
        print(f"ssbray: serving as before: {' '.join(str(error).split())[:300]}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[None]:
    """The application on Ray, local or the one of RAY_ADDRESS, for as long as the context lasts."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    prepare()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))  # for the replicas
    with connect():
        from ray import serve
        from ray.serve.context import _get_global_client

        serve.start(http_options={"host": settings.host, "port": settings.port},
                    logging_config={"log_level": "WARNING", "enable_access_log": False})
        try:
            deploy(settings)
            yield
        finally:
            _get_global_client().shutdown(timeout_s=SHUTDOWN_S)  # `serve.shutdown` has no such limit to give


def deploy(settings: Settings) -> None:
    """Put an application in the place of the one that runs; returns when it answers."""
    from ray import serve

    from serve.app import build

    serve.run(build(settings), name="ssbray", route_prefix="/")


if __name__ == "__main__":
    sys.exit(main())

"""Serve the surrogate of a campaign on 127.0.0.1 until interrupted.

    python serve/run.py --model campaigns/llzo-nmc/model --spec jobs/llzo_nmc.yaml
"""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1])  # `serve` is not part of the installed package
sys.path.insert(0, ROOT)

from ssbray import campaign, surrogate  # noqa: E402
from ssbray.cluster.session import connect  # noqa: E402
from ssbray.errors import InputError  # noqa: E402


def main() -> int:
    """Serve until interrupted; exit code 2 for a model or spec that cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="directory of a trained surrogate")
    parser.add_argument("--spec", required=True, help="the study that it was trained on")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()
    try:
        campaign.load(args.spec)
        surrogate.Surrogate.load(args.model)
    except InputError as error:
        print(f"serve: {error}", file=sys.stderr)
        return 2
    with running(Path(args.model).resolve(), Path(args.spec).resolve(), args.port):
        print(f"serving on http://127.0.0.1:{args.port} (POST /v1/predict); Ctrl-C ends it", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


@contextlib.contextmanager
def running(model: Path, spec: Path, port: int) -> Iterator[None]:
    """The application on a local Ray, for as long as the context lasts."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))  # for the replicas
    with connect():
        from ray import serve

        from serve.app import Endpoint

        serve.start(http_options={"host": "127.0.0.1", "port": port, "request_timeout_s": 30},
                    logging_config={"log_level": "WARNING"})
        serve.run(Endpoint.bind(str(model), str(spec)), name="ssbray", route_prefix="/")
        try:
            yield
        finally:
            serve.shutdown()


if __name__ == "__main__":
    sys.exit(main())

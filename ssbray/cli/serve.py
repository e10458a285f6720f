"""`ssbray serve`: the endpoint, on this machine's loopback interface unless told otherwise."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

import ssbray
from ssbray.errors import InputError

OPTIONS = ("segmenter", "surrogate", "spec", "tracking_uri", "host", "port", "keys", "device", "log")


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser("serve", help="the endpoint: micrographs in, conductivity with its interval out",
                                  description="Serve a page at / and POST /v1/predict until Ctrl-C or SIGTERM; on "
                                  "SIGHUP look for newer models. Options go before what --config says.")
    command.add_argument("--config", metavar="FILE", help="such as serve/serve.yaml, which `serve run` takes too")
    for part, made in (("segmenter", "`ssbray train segmenter`"), ("surrogate", "`ssbray train surrogate`")):
        names = (f"--{part}", "--model") if part == "surrogate" else (f"--{part}",)
        command.add_argument(*names, metavar="M", help=f"from {made}; or models:/ssbray-{part}@champion")
    command.add_argument("--tracking-uri", metavar="URI", help="MLflow's, for models:/ (default: MLFLOW_TRACKING_URI)")
    command.add_argument("--spec", metavar="SPEC.yaml", help="study of the surrogate, for process parameters")
    command.add_argument("--host", help="default 127.0.0.1")
    command.add_argument("--port", type=int, help="default 8000")
    command.add_argument("--keys", metavar="FILE", help="sha256 of API keys, mode 0600; without a key nothing is told")
    command.add_argument("--new-key", metavar="NAME", help="make a key, print it, add its sha256 to --keys, and end")
    command.add_argument("--i-know-this-is-open", dest="known_open", action="store_true",
                         help="listen beyond this machine without keys")
    command.add_argument("--device", choices=("cpu", "cuda"))
    command.add_argument("--log", metavar="FILE", help="a line of JSON per request")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve, or make a key."""
    from ssbray.service import settings as service

    if args.new_key is not None:
        return _new_key(args)
    given = service.read(args.config) if args.config else {}
    given |= {name: getattr(args, name) for name in OPTIONS if getattr(args, name) is not None}
    given |= {"known_open": True} if args.known_open else {}
    settings = service.parse(given)
    service.check_bind(settings)
    return int(_runner().serve_until_signal(settings))


def _new_key(args: argparse.Namespace) -> int:
    from ssbray.service import keys

    if args.keys is None:
        raise InputError("--keys", None, "name the file that the key's sha256 is to be added to")
    print(keys.add(args.keys, args.new_key))
    print(f"ssbray: this key is shown once; its sha256 is in {args.keys}", file=sys.stderr)
    return 0


def _runner() -> Any:
    """The module that starts Ray Serve; it lies beside the package in a checkout, not in it."""
    root = Path(ssbray.__file__).resolve().parents[1]
    if not (root / "serve" / "run.py").is_file():
        raise InputError("serve", str(root), "has no serve/ folder: run `ssbray serve` from a checkout")
    sys.path.insert(0, str(root))
    return importlib.import_module("serve.run")

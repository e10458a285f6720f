"""Runs the application and puts others in its place: a line of settings as JSON on standard input, a line back."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from serve.run import deploy, running  # noqa: E402
from ssbray.service.settings import parse  # noqa: E402

if __name__ == "__main__":
    with running(parse(json.loads(sys.stdin.readline()))):
        print("up", flush=True)
        for line in sys.stdin:
            deploy(parse(json.loads(line)))
            print("replaced", flush=True)

"""Rows of the surrogate for the one table: accuracy and honesty on designs that it has not seen, beside baselines.

    python benchmarks/learnt.py --model MODEL --data STORE
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json

from record import record

from ssbray.cli import main as ssbray


def main() -> None:
    """Evaluate, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    options = parser.parse_args()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = ssbray(["evaluate", "surrogate", "--model", options.model, "--data", options.data, "--json"])
    if code:
        raise SystemExit(code)
    scores = json.loads(out.getvalue())
    case = f"{scores['n']} designs of llzo_nmc.yaml"
    for name, quantity in (("mape_percent", "MAPE %"), ("crps", "CRPS of ln sigma"), ("nll", "NLL of ln sigma")):
        peers = {other: row[name] for other, row in scores["baselines"].items() if row.get(name) is not None}
        record("surrogate", case, quantity, scores[name], peers,
               note="baselines of ours, most of them on our subdivided network")
        print(case, quantity, scores[name], peers)
    cover = scores["coverage90"]
    low, high = cover["interval95"]
    record("surrogate", case, "90 % intervals that hold, %", 100 * cover["share"], {}, less_is_better=False,
           spread=f"({100 * low:.0f} to {100 * high:.0f})", note="90 is right")


if __name__ == "__main__":
    main()

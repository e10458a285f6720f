"""Entry point for `ray job submit`: train a surrogate from a data set on the cluster's disk.

    ray job submit --working-dir . -- python jobs/train.py --data /data/specimens --out /data/surrogate --device cuda

Takes the options of `ssbray train surrogate`. What an interrupted training had done is done again.
"""

import os
import sys

from ssbray.cli import main

if __name__ == "__main__":
    os.environ.setdefault("RAY_ADDRESS", "auto")  # inside a job there is a cluster to join; never start another
    sys.exit(main(["train", "surrogate", *sys.argv[1:]]))

"""Entry point for `ray job submit`: a campaign of a spec in jobs/, on the cluster it is submitted to.

    ray job submit --working-dir . --submission-id llzo-nmc -- python jobs/campaign.py jobs/llzo_nmc.yaml --dir /data

Takes the options of `ssbray campaign run`. A job that was lost is submitted again: it goes on where it stopped.
"""

import os
import sys

from ssbray.cli import main

if __name__ == "__main__":
    os.environ.setdefault("RAY_ADDRESS", "auto")  # inside a job there is a cluster to join; never start another
    sys.exit(main(["campaign", "run", *sys.argv[1:]]))

"""Entry point for `ray job submit`: campaigns of a home side by side, where the home is on the cluster's disk.

    ray job submit --working-dir . -- python jobs/compare.py llzo-nmc llzo-nmc-air --dir /data

Takes the options of `ssbray campaign compare`.
"""

import sys

from ssbray.cli import main

if __name__ == "__main__":
    sys.exit(main(["campaign", "compare", *sys.argv[1:]]))

"""`python -m ssbray.cli`."""

import sys

from ssbray.cli import main

sys.exit(main())

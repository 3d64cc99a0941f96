"""`python -m sinkprune`: see sinkprune/cli.py."""

import sys

from sinkprune.cli import main

sys.exit(main())

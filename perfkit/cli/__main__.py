"""`python -m perfkit.cli`: the `perfkit` command where its script is not on the path."""

import sys

from perfkit.cli.main import main

sys.exit(main())

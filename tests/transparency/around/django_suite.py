"""Runs Django's own `runtests.py` in this process: ``python django_suite.py MODULE RUNTESTS ARGUMENT…``.

MODULE is imported first, `outcomes` where nothing is to be put around.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path
from typing import Any

import outcomes
from django.test.runner import DiscoverRunner

run_suite = DiscoverRunner.run_suite


def run_and_write(self: DiscoverRunner, suite: Any, **named: Any) -> Any:
    result = run_suite(self, suite, **named)
    outcomes.write(*outcomes.of_unittest(result))
    return result


if __name__ == "__main__":
    importlib.import_module(sys.argv[1])
    DiscoverRunner.run_suite = run_and_write
    sys.argv = sys.argv[2:]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")

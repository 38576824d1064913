"""Runs Django's own tests of a cache backend, from its source, against ours; prints as JSON what became of them.

    python tests/support/django_cache_suite.py <Django's tests folder> sync|async [redis URL]

``async`` puts every call of the suite through its async twin. The aliases that want a certain number of entries to go
when there are too many are left out, as Django leaves them out for Redis and memcached.
"""

from __future__ import annotations

import json
import sys
import unittest
import warnings
from pathlib import Path
from typing import Any

CALLS = ("get", "set", "add", "touch", "delete", "get_many", "set_many", "delete_many", "get_or_set", "has_key", "incr")
CALLS += ("decr", "clear")


def configure(tests: Path, url: str) -> None:
    sys.path.insert(0, str(tests))
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="of-a-test",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=["perfkit_django", "cache"],
        MIDDLEWARE=[],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        USE_TZ=False,
        PERFKIT={"environment": "testing", "cache": {"redis_url": url or None, "redis_timeout": 10.0}},
    )
    django.setup()


def through_async() -> None:
    """Let each blocking call of the backend be its async twin."""
    from asgiref.sync import async_to_sync

    from perfkit_django.cache import PerfkitCache

    def twin(name: str) -> Any:
        def call(self: Any, *arguments: Any, **options: Any) -> Any:
            return async_to_sync(getattr(self, "a" + name))(*arguments, **options)

        return call

    for name in CALLS:
        setattr(PerfkitCache, name, twin(name))


def main(tests: str, kind: str, url: str = "") -> int:
    configure(Path(tests), url)
    if kind == "async":
        through_async()
    from cache.tests import BaseCacheTests, caches_setting_for_tests  # type: ignore[import-not-found]
    from django.test import TestCase, override_settings
    from django.test.runner import DiscoverRunner

    warnings.simplefilter("ignore")
    backend = "perfkit_django.cache.PerfkitCache"
    caches = caches_setting_for_tests(BACKEND=backend, TIMEOUT=300, exclude={"cull", "zero_cull"})
    suite = override_settings(CACHES=caches)(type("PerfkitCacheTests", (BaseCacheTests, TestCase), {}))
    runner = DiscoverRunner(verbosity=0, interactive=False)
    runner.setup_test_environment()
    databases = runner.setup_databases()
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(suite).run(result)
    runner.teardown_databases(databases)
    failed = {str(test): text[-2000:] for test, text in (*result.failures, *result.errors)}
    sys.stdout.write(
        json.dumps({"ran": result.testsRun, "failed": failed, "skipped": [str(test) for test, _ in result.skipped]})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

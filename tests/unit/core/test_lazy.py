"""Importing when it is used, and what the app has imported."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

import pytest

from perfkit.core.lazy import imported


def test_a_module_that_nobody_imported_is_none() -> None:
    assert imported("half_imported_by_nobody") is None


def test_a_module_that_was_imported_is_returned() -> None:
    assert imported("importlib.util") is sys.modules["importlib.util"]


def test_a_module_is_none_while_another_thread_still_imports_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "half_imported"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import threading\nentered, go_on = threading.Event(), threading.Event()\n"
        "from half_imported import inner\nentered.set()\ngo_on.wait(30)\n"
    )
    (package / "inner.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    thread = threading.Thread(target=importlib.import_module, args=("half_imported",))
    thread.start()
    try:
        while "half_imported.inner" not in sys.modules:
            assert thread.is_alive()
        module = sys.modules["half_imported"]
        module.entered.wait(30)
        assert imported("half_imported.inner") is None
        assert imported("half_imported") is None
        module.go_on.set()
        thread.join(30)
        assert imported("half_imported.inner") is sys.modules["half_imported.inner"]
    finally:
        sys.modules["half_imported"].go_on.set()
        thread.join(30)
        for name in ("half_imported", "half_imported.inner"):
            sys.modules.pop(name, None)

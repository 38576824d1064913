"""Links that open a line of the user's own code in an editor: in development only, and of files that a stack named.

An editor listens to a scheme of its own (``vscode://file/home/me/shop/views.py:48``). Which schemes there may be is a
list, so that no setting and no data makes a link that runs something else.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec

from perfkit.config.sections import EDITORS, DashboardSettings

__all__ = ["Editor", "editor_of", "own_file"]


class Editor(msgspec.Struct, frozen=True):
    """How to open a file.

    Attributes:
        template: A URL with ``{path}`` and ``{line}``.
        path_map: Beginnings of paths where the app runs, and what they are on the machine of the editor.
    """

    template: str
    path_map: Mapping[str, str] = {}

    def url(self, site: str) -> str:
        """Return what opens *site* (``shop/views.py:48``); empty where it is no file of the app."""
        found = own_file(site)
        if found is None:
            return ""
        file, line = found
        path = str(file)
        for inside in sorted(self.path_map, key=len, reverse=True):
            start = inside.rstrip("/")
            if path.startswith(f"{start}/"):
                path = self.path_map[inside].rstrip("/") + path[len(start) :]
                break
        path = path.replace("\\", "/")
        if not path.startswith("/"):
            path = f"/{path}"  # a drive of Windows
        return self.template.replace("{path}", quote(path, safe="/:")).replace("{line}", str(line))


def editor_of(
    settings: DashboardSettings, environment: str, variables: Mapping[str, str] | None = None
) -> Editor | None:
    """Return the editor that *settings* name, or in whose terminal the server runs; None outside of development."""
    if environment != "development" or settings.editor == "off":
        return None
    wished = settings.editor
    if wished == "auto":
        wished = _around(os.environ if variables is None else variables)
    template = EDITORS.get(wished, wished if "{path}" in wished else "")
    return Editor(template, settings.path_map) if template else None


def _around(variables: Mapping[str, str]) -> str:
    """Return the editor whose terminal this is, by what it tells its children; empty where it is none."""
    if variables.get("TERM_PROGRAM") == "vscode":
        return "cursor" if "CURSOR_TRACE_ID" in variables else "vscode"
    if "PYCHARM_HOSTED" in variables or variables.get("TERMINAL_EMULATOR", "").startswith("JetBrains"):
        return "pycharm"
    return "zed" if "ZED_TERM" in variables else ""


def own_file(site: str, root: Path | None = None) -> tuple[Path, int] | None:
    """Return file and line of *site* (``shop/views.py:48``), which the capture named, never a visitor.

    None where it lies outside of *root* (the working directory) and is no loaded module of the app, where it is no
    Python file, and where it is not there (any more).
    """
    path, _, said = site.rpartition(":")
    if not path.endswith(".py") or not (said.isascii() and said.isdigit() and len(said) <= 7):
        return None
    try:
        home = (root or Path.cwd()).resolve()
        file = (home / path).resolve()
        is_own = (file.is_relative_to(home) or _is_of_the_app(file)) and file.is_file()
    except (OSError, RuntimeError, ValueError):  # the second for links that lead round in a circle, up to Python 3.12
        return None
    return (file, int(said)) if is_own else None


def _is_of_the_app(file: Path) -> bool:
    """Return True if *file* is the source of a loaded module that was not installed: of an app run from elsewhere."""
    is_installed = any(part in ("site-packages", "dist-packages") for part in file.parts)
    if is_installed or file.is_relative_to(sysconfig.get_path("stdlib")):
        return False
    return any(getattr(module, "__file__", None) == str(file) for module in list(sys.modules.values()))

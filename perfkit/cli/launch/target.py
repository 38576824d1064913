"""Which app is meant: `module:attribute` found and imported, with errors that say what to write instead."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from perfkit.core.code.places import is_users
from perfkit.core.errors import PerfkitError

__all__ = ["Target", "TargetError", "found"]

NAMES = ("app", "application", "create_app", "make_app", "asgi", "wsgi")
"""What an app is called where only its module is given, the likeliest first."""

FACTORIES = ("create_app", "make_app")


class TargetError(PerfkitError, LookupError):
    """There is no such app, or it is none."""


class Target(NamedTuple):
    """An app as it is named on the command line.

    Attributes:
        module: Dotted name of the module.
        attribute: Dotted name in it; empty: the likeliest.
        is_factory: True where it is a function that makes the app.
        folder: Where modules are looked for first.
    """

    module: str
    attribute: str
    is_factory: bool
    folder: str

    @classmethod
    def parsed(cls, text: str, *, factory: bool = False, folder: str = ".") -> Target:
        """Read ``package.module:app``, ``package.module``, ``path/to/file.py:app`` or ``module:create_app()``.

        Raises:
            TargetError: It is none of these.
        """
        if not Path(folder).is_dir():
            raise TargetError(
                f"There is no folder {folder}. The app is looked for there first. Look at what --app-dir says."
            )
        place, _, attribute = text.partition(":")
        if attribute.endswith("()"):
            attribute, factory = attribute[:-2], True
        if place.endswith(".py"):
            path = Path(folder, place)
            if not path.is_file():
                raise TargetError(
                    f"There is no file {path}. It must hold the app. Look at its path, or write module:app."
                )
            folder, place = str(path.parent), path.stem
            if not place.isidentifier():
                raise TargetError(
                    f"{path.name} cannot be imported by any program. The name of a module has letters, digits and _ "
                    f"only. Rename it to {re.sub(r'[^0-9a-zA-Z_]', '_', place)}.py."
                )
        if not all(part.isidentifier() for part in place.split(".")) or not all(
            part.isidentifier() for part in attribute.split(".") if attribute
        ):
            raise TargetError(
                f"{text!r} names no app. It must be module:attribute, such as shop.main:app. "
                "Write the dotted name of the module, a colon, and what the app is called in it."
            )
        return cls(place, attribute, factory, str(Path(folder).resolve()))


def found(target: Target) -> Any:
    """Import and return the app that *target* names.

    Raises:
        TargetError: There is no such module or attribute, or what is there cannot be called. An error of the
            module's own code comes as its cause.
    """
    if target.folder not in sys.path:
        sys.path.insert(0, target.folder)
    module = _module(target)
    app = _attribute(module, target) if target.attribute else _likeliest(module, target)
    if not callable(app):
        is_of = "returned an object" if target.is_factory else "is"
        raise TargetError(
            f"{_name(target)} {is_of} of type {type(app).__name__}, which cannot be called. An app is a function or an "
            f"object that a server calls. {_offer(_apps_of(vars(module)), target)}"
        )
    return app


def _module(target: Target) -> Any:
    try:
        return importlib.import_module(target.module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if target.module != missing and not target.module.startswith(f"{missing}."):
            raise TargetError(
                f"{target.module} cannot be imported: there is no module {missing!r} that it wants. Everything that "
                "the app imports must be installed. Install it, or run perfkit in the app's own environment."
            ) from error
        near = difflib.get_close_matches(missing.rpartition(".")[2], _modules_beside(target, missing), n=1)
        meant = f"Did you mean {near[0]}?" if near else "Write its dotted name, or give its folder with --app-dir."
        raise TargetError(
            f"There is no module {missing!r}. It was looked for in {target.folder} and in Python's own places. {meant}"
        ) from None
    except Exception as error:
        raise TargetError(
            f"{target.module} cannot be imported: {_told(error)}. Its own code raised that. {_MEND}"
        ) from error
    except SystemExit as ended:
        raise TargetError(
            f"{target.module} cannot be imported: it ended the program ({_told(ended)}). A module that is imported "
            'must not end. Put what it does as a program under if __name__ == "__main__".'
        ) from ended


def _attribute(module: Any, target: Target) -> Any:
    value = module
    for name in target.attribute.split("."):
        if not hasattr(value, name):
            near = difflib.get_close_matches(name, [each for each in dir(value) if not each.startswith("_")], n=1)
            names = [near[0]] if near else _apps_of(vars(module))
            raise TargetError(
                f"The module {target.module} has no {name!r}. It must have an app of that name. {_offer(names, target)}"
            )
        value = getattr(value, name)
    return _made(value, target) if target.is_factory else value


def _likeliest(module: Any, target: Target) -> Any:
    for name in NAMES:
        value = getattr(module, name, None)
        if callable(value):
            is_factory = target.is_factory or name in FACTORIES
            return _made(value, target._replace(attribute=name)) if is_factory else value
    raise TargetError(
        f"The module {target.module} has none of {', '.join(NAMES)}. The app must have a name. "
        f"{_offer(_apps_of(vars(module)), target)}"
    )


def _made(factory: Any, target: Target) -> Any:
    if not callable(factory):
        raise TargetError(
            f"{_name(target)} is of type {type(factory).__name__}, which cannot be called. A factory is a function "
            "that makes the app. Leave --factory and () out."
        )
    try:
        app = factory()
    except (Exception, SystemExit) as error:
        is_app = isinstance(error, TypeError) and _wants_a_request(factory)
        raise TargetError(
            f"{_name(target)}() raised {_told(error)}. A factory is called without arguments and returns the app. "
            + ("It looks like the app itself: leave --factory and () out." if is_app else _MEND)
        ) from error
    if inspect.iscoroutine(app):
        app.close()
        raise TargetError(
            f"{_name(target)}() is a coroutine. A factory must return the app at once. "
            "Leave --factory and () out if it is the app itself, or make it a plain function."
        )
    return app


_MEND = "Mend it there; --debug shows the whole trace."


def _wants_a_request(factory: Any) -> bool:
    """Return whether *factory* takes what a server gives an app."""
    try:
        names = set(inspect.signature(factory).parameters)
    except (TypeError, ValueError):
        return False
    return bool(names & {"environ", "start_response", "scope", "receive"})


def _name(target: Target) -> str:
    return f"{target.module}:{target.attribute or NAMES[0]}"


def _offer(names: Iterable[str], target: Target) -> str:
    named = [f"{target.module}:{name}" for name in names][:3]
    return f"Did you mean {' or '.join(named)}?" if named else "Write what the app is called after the colon."


def _apps_of(names: Mapping[str, Any]) -> list[str]:
    """Return which *names* of a module look like an app of a framework."""
    kinds = ("Flask", "FastAPI", "Starlette", "WSGIHandler", "ASGIHandler", "Quart", "Litestar", "Sanic", "App", "API")
    return [name for name, value in names.items() if type(value).__name__ in kinds]


def _modules_beside(target: Target, missing: str) -> list[str]:
    package, _, _ = missing.rpartition(".")
    folder = Path(target.folder, *package.split(".")) if package else Path(target.folder)
    try:
        return [path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
    except OSError:
        return []


def _told(error: BaseException) -> str:
    """Say what *error* is, and where in the app's code it was raised."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if is_users(file):
            place = f" at {file}:{trace.tb_lineno}"
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__} ({error.msg}) at {error.filename}:{error.lineno}"
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}{f' ({said[0][:200]})' if said else ''}{place}"

"""A page that is followed as its reader follows it: commands pasted, files saved, fixes applied, outputs compared."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from doc_pages import ROOT, SKIP, Block, blocks, text
from patience import PATIENCE, until
from processes import family_of, left_of, stop

__all__ = ["PastedPage", "alike", "shell_path"]

SERVES = re.compile(r"\b(uvicorn|flask run|runserver|gunicorn)\b")
PORT = re.compile(r"\b8000\b")
FILE = re.compile(r"`([\w/]+\.py)`")

NUMBER = re.compile(r"\d[\d.,]*(?: ?(?:µs|ms|s|%|points?)\b| %)?")
"""A figure with its unit: it differs from machine to machine, and from run to run."""

ASIDE = re.compile(r"\([^()→]*(?:\)|(?=\n\s+\d+ →))")
"""What stands in brackets; where a line of a fixed width ends, the end of it is missing."""

SITE = re.compile(r"[\w/]+\.py:\d+")


def alike(output: str) -> list[str]:
    """Return the lines of *output* without figures, brackets and margins, to be compared with those of another run."""
    return [" ".join(NUMBER.sub("#", line).split()) for line in ASIDE.sub("", output).splitlines()]


class PastedPage:
    """A page that is followed in a folder of its own.

    Attributes:
        outputs: What the last command printed, for each block of output that the page shows.
    """

    def __init__(self, page: str, folder: Path, port: int, path: str, *, installs: bool, end: str = "") -> None:
        """Follow *page* in *folder*, its server at *port*.

        Args:
            path: The PATH of the reader's shell.
            installs: Whether ``pip install`` is run, in the checkout; False where all is installed already.
            end: The heading at which the reader stops; empty for the end of the page.
        """
        self._end = end
        self._page, self._folder, self._port, self._installs = page, folder, port, installs
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PERFKIT_", "PYTHON", "DJANGO"))}
        # Two files with one name and one second of change would be one to Python's cache of what it compiled.
        self.environment = {
            **kept,
            "PATH": path,
            "PERFKIT_URL": f"http://127.0.0.1:{port}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_COLOR": "1",
            # Some releases of Python 3.11 break where two threads parse at once, as this plugin's late imports may.
            "PYTEST_ADDOPTS": "" if installs else "-p no:hypothesispytest",
        }
        self._server: subprocess.Popen[bytes] | None = None
        self._last = self._output = ""
        self.outputs: list[str] = []

    def follow(self, then: Callable[[str], object] = lambda url: None) -> None:
        """Do all that the page says, from top to bottom, and *then* what is given, while its server still runs."""
        try:
            for block, above in self._steps():
                match block.language:
                    case "sh":
                        self._paste(block)
                    case "python":
                        self._save(block, above)
                    case "diff":
                        self._apply(block, above)
                    case "text":
                        self._compare(block)
                    case other:
                        raise AssertionError(f"{self._page}:{block.line}: nobody knows what to do with {other}")
            then(self.environment["PERFKIT_URL"])
        finally:
            self._stop()

    def _steps(self) -> Iterator[tuple[Block, str]]:
        """Yield the blocks of the page, each with the paragraph above it."""
        source = text(self._page)
        lines = source.splitlines()
        last = lines.index(self._end) if self._end else len(lines)
        for block in blocks(source):
            if block.line > last:
                break
            above: list[str] = []
            for line in reversed(lines[: block.line - 2]):
                if SKIP.match(line) or (not line and not above):
                    continue
                if not line:
                    break
                above.append(line)
            yield block, " ".join(reversed(above))

    def _paste(self, block: Block) -> None:
        for line in block.code.splitlines():
            command = PORT.sub(str(self._port), line)
            if command.startswith("pip install"):
                if self._installs:
                    self._run(command, ROOT, seconds=600)
            elif command.startswith("export "):
                self.environment.update(each.split("=", 1) for each in shlex.split(command)[1:])
            elif SERVES.search(command):
                self._serve(command)
            else:
                self._run(command, self._folder)

    def _serve(self, command: str) -> None:
        self._stop()
        with (self._folder / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                ["sh", "-c", command],
                cwd=self._folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(lambda: self._status(), lambda status: status == 0)

    def _status(self) -> int:
        """Return 0 once the server answers."""
        assert self._server is not None
        assert self._server.poll() is None, (self._folder / "server.log").read_text()[-3000:]
        return self._shell(f"perfkit health {self.environment['PERFKIT_URL']} --quiet", self._folder).returncode

    def _stop(self) -> None:
        """Press Ctrl-C."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGINT)
            left_of(family_of(self._server.pid))
            stop(self._server)
            self._server = None

    def _shell(self, command: str, folder: Path, seconds: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", command], cwd=folder, env=self.environment, capture_output=True, text=True, timeout=seconds
        )

    def _run(self, command: str, folder: Path, seconds: float = 300.0) -> None:
        done = self._shell(command, folder, seconds)
        # 1 says that there is something to be told.
        fine = (0, 1) if command.startswith("perfkit advise") else (0,)
        assert done.returncode in fine, f"{self._page}: {command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        self._last, self._output = command, done.stdout

    def _save(self, block: Block, above: str) -> None:
        path = self._folder / FILE.findall(above)[-1]
        begun = path.read_text() + "\n" if "at the end of" in above.lower() else ""
        path.write_text(begun + block.code)

    def _apply(self, block: Block, above: str) -> None:
        path = self._folder / FILE.findall(above)[-1]
        source = path.read_text()
        for part in block.code.split("@@\n"):
            old = "".join(line[1:] for line in part.splitlines(True) if not line.startswith("+"))
            new = "".join(line[1:] for line in part.splitlines(True) if not line.startswith("-"))
            assert source.count(old) == 1, f"{self._page}:{block.line}: {path.name} has not once {old!r}"
            source = source.replace(old, new)
        path.write_text(source)

    def _compare(self, block: Block) -> None:
        """Wait until the last command prints what the page shows of it, but for figures."""
        wanted = [line for part in block.code.split("\n\n") if "PK101" in part for line in alike(part)]
        assert wanted, f"{self._page}:{block.line}: the output tells of nothing"

        def missing() -> list[str]:
            self._run(self._last, self._folder)
            output = " ".join(alike(self._output))
            return [line for line in wanted if line not in output]

        until(missing, lambda lines: not lines)
        sites = SITE.findall(block.code)
        assert set(sites) <= set(SITE.findall(self._output)), self._output
        self.outputs.append(self._output)


def shell_path(folder: Path, inherited: Mapping[str, str]) -> str:
    """Return the PATH of a shell in which the programs of *folder* come first."""
    return f"{folder}{os.pathsep}{inherited['PATH']}"

"""The deployment that we show: its probes are answered, its hook is a command of ours, its server's options exist."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_pages import blocks, text
from starlette.applications import Starlette
from starlette.testclient import TestClient

from perfkit.cli.main import parser
from perfkit_asgi import PerfkitMiddleware

PAGE = "docs/how-to/kubernetes.md"


def deployment() -> dict[str, Any]:
    found = [yaml.safe_load(block.code) for block in blocks(text(PAGE)) if block.language == "yaml"]
    (wanted,) = [each for each in found if each.get("kind") == "Deployment"]
    assert isinstance(wanted, dict)
    return wanted


def container() -> dict[str, Any]:
    (only,) = deployment()["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def test_pods_are_those_that_the_deployment_selects() -> None:
    spec = deployment()["spec"]
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


def test_each_probe_is_answered_to_a_stranger_and_knows_its_port() -> None:
    app = Starlette()
    app.add_middleware(PerfkitMiddleware, environment="production")
    ports = {port["name"] for port in container()["ports"]}
    with TestClient(app) as client:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = container()[probe]["httpGet"]
            assert asked["port"] in ports
            assert client.get(asked["path"]).status_code == 200, probe


def test_the_hook_is_a_command_of_ours_that_ends_before_the_pod_is_killed() -> None:
    program, *arguments = container()["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "perfkit"
    options = parser().parse_args(arguments)
    grace = deployment()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert options.wait + 30 <= grace, "uvicorn and gunicorn let requests in flight go on for up to 30 s"


def test_the_server_has_the_options_that_it_is_given() -> None:
    program, *arguments = container()["command"]
    done = subprocess.run(
        [Path(sys.executable).with_name(program), "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert not [each for each in arguments if each.startswith("--") and each not in done.stdout]


@pytest.mark.parametrize("page", [PAGE, "docs/how-to/grafana.md"])
def test_every_yaml_of_a_page_is_yaml(page: str) -> None:
    found = [yaml.safe_load(block.code) for block in blocks(text(page)) if block.language == "yaml"]
    assert found
    assert all(isinstance(each, dict) for each in found)

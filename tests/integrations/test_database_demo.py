"""The demo's seeded problems are found in every framework, at the right line, and nothing at the healthy route."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from demo_shops import SEED

from perfkit_demo.described import FRAMEWORKS
from perfkit_demo.shop.seed import temporary_shop

SUPPORT = Path(__file__).parents[1] / "support"
WANTED = {
    "n_plus_one": ("PK101", "catalogue.py", "list_products"),
    "duplicate_query": ("PK102", "sales.py", "total_of"),
    "over_fetch": ("PK103", "catalogue.py", "show_product"),
    "missing_index": ("PK201", "catalogue.py", "search"),
}
ROUTES = {
    "n_plus_one": "GET /products",
    "duplicate_query": "GET /cart",
    "over_fetch": "GET /products/",
    "missing_index": "GET /search",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[dict[str, object]]]]:
    """Findings after the healthy route alone, and after all of them, by framework; each in a process of its own."""
    results = {}
    paths = [str(Path(entry).resolve()) for entry in sys.path if entry]
    with temporary_shop(SEED) as seeded:
        for framework in FRAMEWORKS:
            database = Path(shutil.copy(seeded, tmp_path_factory.mktemp(framework) / "shop.db"))
            done = subprocess.run(
                [sys.executable, str(SUPPORT / "demo_findings.py"), framework, str(database)],
                capture_output=True,
                text=True,
                timeout=100,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PERFKIT_ENVIRONMENT": "testing"},
            )
            assert done.returncode == 0, done.stderr[-3000:]
            results[framework] = json.loads(done.stdout.splitlines()[-1])
    return results


def line_of(site: str) -> str:
    path, _, line = site.rpartition(":")
    return Path(path).read_text().splitlines()[int(line) - 1]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_healthy_route_has_no_finding(found: dict[str, dict[str, list[dict[str, object]]]], framework: str) -> None:
    assert found[framework]["healthy"] == []


@pytest.mark.parametrize("kind", WANTED)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_seeded_problem_is_found_at_its_line_with_its_fix(
    found: dict[str, dict[str, list[dict[str, object]]]], framework: str, kind: str
) -> None:
    code, file, _ = WANTED[kind]
    matching = [each for each in found[framework]["all"] if each["kind"] == kind]
    (finding,) = [each for each in matching if f"{framework}_shop/{file}" in str(each["site"])]
    assert finding["code"] == code
    line = line_of(str(finding["site"]))
    words = {"n_plus_one": "rating", "duplicate_query": "total", "over_fetch": "product", "missing_index": "found"}
    assert words[kind] in line.lower()
    fix = finding["fix"]
    assert isinstance(fix, dict)
    orm = "django" if framework == "django" else "alembic" if kind == "missing_index" else "sqlalchemy"
    assert fix[orm]
    assert fix["sql"]


@pytest.mark.parametrize("kind", WANTED)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_seeded_problem_tells_its_route_and_the_part_of_it(
    found: dict[str, dict[str, list[dict[str, object]]]], framework: str, kind: str
) -> None:
    (finding,) = [each for each in found[framework]["all"] if each["kind"] == kind]
    evidence = finding["evidence"]
    assert isinstance(evidence, dict)
    assert str(evidence["route"]).startswith(ROUTES[kind])
    assert list(evidence["routes"]) == [evidence["route"]]
    assert 0.0 < evidence["route_share"] <= 1.0


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_missing_index_is_to_be_copied_and_once_made_it_is_fixed(
    found: dict[str, dict[str, list[dict[str, object]]]], framework: str
) -> None:
    (finding,) = [each for each in found[framework]["all"] if each["kind"] == "missing_index"]
    fix, evidence = finding["fix"], finding["evidence"]
    assert isinstance(fix, dict)
    assert isinstance(evidence, dict)
    assert fix["sql"].startswith("CREATE INDEX ix_product_sku")
    assert "ON product (sku" in fix["sql"]
    assert fix["django"].startswith("migrations.AddIndex('product', models.Index(fields=['sku'")
    assert fix["alembic"].startswith("op.create_index('ix_product_sku")
    assert evidence["verified_by"] == "planner"
    assert evidence["calls"] == 1
    (after,) = [each for each in found[framework]["after"] if each["kind"] == "missing_index"]
    assert after["state"] == "fixed"
    assert str(after["message"]).startswith("Fixed, ")
    proof = after["evidence"]
    assert isinstance(proof, dict)
    assert proof["calls_since"] == 6
    assert proof["seconds_after"] > 0.0
    assert proof["cost_now"] < proof["cost_before"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_there_is_nothing_else(found: dict[str, dict[str, list[dict[str, object]]]], framework: str) -> None:
    kinds = sorted(str(each["kind"]) for each in found[framework]["all"])
    assert kinds == ["duplicate_query", "missing_index", "n_plus_one", "over_fetch"]

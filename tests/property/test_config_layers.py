"""Merging layers, against the obvious model: walk each leaf of each layer in order, the last one stands."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from perfkit.config import PerformanceConfig, validate_performance_config
from perfkit.config.conversion import Conversion
from perfkit.config.fields import Path, leaves
from perfkit.config.layers import Layer, merge
from perfkit.config.loader import load

KEYS = st.sampled_from(["a", "b", "c"])
# A small alphabet: the full one is built at its first use, which takes seconds.
TEXT = st.text('aetruflsnox/._-{}[]:,"015 \nü', max_size=12)
VALUES = st.one_of(st.integers(), st.none(), TEXT)
TREES = st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=3), max_leaves=8)
LAYERS = st.lists(st.dictionaries(KEYS, TREES, max_size=3), max_size=4)

REAL_KEYS = sorted({key for path, _ in leaves(PerformanceConfig) for key in path})
ANYTHING = st.recursive(
    st.one_of(VALUES, st.booleans(), st.floats(), st.binary(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.one_of(st.sampled_from(REAL_KEYS), TEXT, st.integers()), inner, max_size=4),
    ),
    max_leaves=12,
)


def flat(values: dict[str, Any], path: Path = ()) -> dict[Path, Any]:
    found: dict[Path, Any] = {}
    for key, value in values.items():
        here = (*path, key)
        found |= flat(value, here) if isinstance(value, dict) else {here: value}
    return found


def obvious(layers: list[dict[str, Any]]) -> dict[Path, tuple[Any, int]]:
    """Return value and number of the layer behind each path; a value and a dict at one place exclude each other."""
    standing: dict[Path, tuple[Any, int]] = {}
    for number, layer in enumerate(layers):
        for path, value in flat(layer).items():
            for other in list(standing):
                shorter = min(len(path), len(other))
                if path[:shorter] == other[:shorter]:
                    del standing[other]
            standing[path] = (value, number)
    return standing


@given(LAYERS)
def test_the_last_layer_that_names_a_leaf_wins_and_is_its_source(layers: list[dict[str, Any]]) -> None:
    merged = merge([Layer(source=str(number), values=layer) for number, layer in enumerate(layers)])
    expected = obvious(layers)
    assert flat(merged.values) == {path: value for path, (value, _) in expected.items()}
    assert merged.sources == {path: str(number) for path, (_, number) in expected.items()}


@given(LAYERS)
def test_merging_changes_no_layer_and_shares_no_dict_with_one(layers: list[dict[str, Any]]) -> None:
    before = repr(layers)
    merged = merge([Layer(source="", values=layer) for layer in layers])
    for path in flat(merged.values):
        inner = merged.values
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = "changed"
    assert repr(layers) == before


@given(ANYTHING)
def test_validation_never_raises_and_speaks_in_sentences(anything: Any) -> None:
    for issue in validate_performance_config(anything).errors:
        assert issue.message.endswith(".")
        assert issue.message.count(". ") >= 2


@given(st.dictionaries(st.sampled_from(REAL_KEYS), ANYTHING, max_size=5))
def test_a_config_that_was_accepted_is_valid(settings: dict[str, Any]) -> None:
    config, issues = load(PerformanceConfig, settings=settings, environ={})
    again = Conversion(PerformanceConfig, {})
    assert again.section(PerformanceConfig, config) == config
    if not issues:
        assert again.issues == []


@given(
    st.dictionaries(
        st.sampled_from(["PERFKIT_" + "__".join(p).upper() for p, _ in leaves(PerformanceConfig)]),
        TEXT,
        max_size=4,
    )
)
def test_any_text_in_the_environment_is_read_or_reported(environ: dict[str, str]) -> None:
    _, issues = load(PerformanceConfig, environ=environ)
    for issue in issues:
        assert issue.message.endswith(".")

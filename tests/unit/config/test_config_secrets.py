"""A secret is never shown: not by a config, not by an error."""

from __future__ import annotations

import traceback

import msgspec
import pytest

from perfkit.config import AccessSettings, get_performance_config
from perfkit.config.fields import Field, Path, leaves, options, render
from perfkit.config.performance_config import PerformanceConfig
from perfkit.core.errors import ConfigurationError
from perfkit.core.settings import Settings

TOKEN = "hunter2-hunter2-hunter2"
SECRETS = [(path, field) for path, field in leaves(PerformanceConfig) if field.is_secret and str in options(field.type)]


def settings_with(path: Path, value: object) -> dict[str, object]:
    nested: object = value
    for key in reversed(path):
        nested = {key: nested}
    assert isinstance(nested, dict)
    return nested


@pytest.mark.parametrize(("path", "field"), SECRETS, ids=[render(path) for path, _ in SECRETS])
def test_a_config_shows_no_secret(path: Path, field: Field) -> None:
    secret = f"redis://:{TOKEN}@localhost" if field.name.endswith("_url") else TOKEN
    config = get_performance_config(overrides=settings_with(path, secret), environ={})
    assert TOKEN not in repr(config)
    assert TOKEN not in str(config)
    section: Settings = getattr(config, path[0])
    assert TOKEN not in repr(section.__rich_repr__())
    assert f"{field.name}=<hidden>" in repr(section)


@pytest.mark.parametrize("path", [path for path, _ in SECRETS], ids=render)
@pytest.mark.parametrize("bad", ["hunter2", "hunter2 " * 5, ["hunter2"], {"hunter2": "hunter2"}, b"hunter2"])
def test_an_error_shows_no_secret(path: Path, bad: object) -> None:
    with pytest.raises(ConfigurationError) as raised:
        get_performance_config(overrides=settings_with(path, bad), environ={})
    assert "hunter2" not in "".join(traceback.format_exception_only(raised.value))
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_a_secret_that_is_not_set_is_shown_as_none() -> None:
    assert "token=None" in repr(AccessSettings())


def test_a_section_with_a_secret_still_shows_the_rest() -> None:
    assert repr(AccessSettings(access="off", token=TOKEN)).startswith("AccessSettings(access='off', ")


def test_a_token_has_its_name_in_every_struct_that_holds_one() -> None:
    for path, field in leaves(PerformanceConfig):
        if any(word in field.name for word in ("token", "password", "secret")):
            assert field.is_secret, f"{render(path)} needs extra={{'secret': True}}"


def test_the_secret_itself_can_be_read() -> None:
    settings = msgspec.structs.replace(AccessSettings(), token=TOKEN)
    assert settings.token == TOKEN

"""No secret leaves in the text of an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.core.privacy.redaction import redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://u:hunter2@db/x refused", "postgres://***@db/x refused"),
        ("redis://:hunter2@h:1", "redis://***@h:1"),
        ("mysql://u:hunt@er2@h", "mysql://***@h"),
        ("amqp://u:hunter2/x@h", "amqp://***@h"),
        ("host=db password=hunter2 user=u", "host=db password=*** user=u"),
        ("PASSWORD = 'hunter2 x'; PWD=hunter2;", "PASSWORD = ***; PWD=***;"),
        ('{"api_key": "hunter2", "a": 1}', '{"api_key": ***, "a": 1}'),
        ("db_password:hunter2", "db_password:***"),
        ("Authorization: Bearer hunter2", "Authorization: Bearer ***"),
        ("nothing to hide at https://example.com/a?b=c", "nothing to hide at https://example.com/a?b=c"),
    ],
)
def test_secrets_are_hidden_and_the_rest_is_not(text: str, shown: str) -> None:
    assert redacted(text) == shown


@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters="@:/,;&)}'\"*"), min_size=8),
    user=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
)
def test_no_password_of_a_url_is_shown(secret: str, user: str) -> None:
    assert secret not in redacted(f"could not reach postgresql://{user}:{secret}@server:5432/shop")


@given(text=st.text(st.characters()))
def test_every_text_can_be_redacted_and_sent(text: str) -> None:
    shown = redacted(text, most=100)
    assert len(shown) <= 100
    shown.encode()


def test_a_huge_text_is_cut_before_it_is_searched() -> None:
    assert len(redacted("password=" * 1_000_000)) <= 1000

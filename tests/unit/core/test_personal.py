"""What an app's own words may tell of its users is left out; what went wrong stays readable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.core.privacy.personal import impersonal, query_keys

SECRETS = {
    "password": "login failed for password=hunter2-x1",
    "url": "could not connect to postgresql://shop:hunter2@db/shop",
    "bearer": "401 with Authorization: Bearer abcDEF123.xyz",
    "json": '{"api_key": "k-93jd02", "page": 2}',
    "quoted": "the session was 'a9f8e7d6'",
    "card": "card 4111 1111 1111 1111 was declined",
    "digits": "customer 123456789012 not found",
    "mail": "no user ann.smith+x@example.com",
    "jwt": "bad token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
    "aws": "AKIAIOSFODNN7EXAMPLE2 is not allowed",
    "hex": "digest 9f86d081884c7d659a2feaa0c55ad015 differs",
    "uuid": "no row 3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "postgresql": "duplicate key value: Key (email)=(bob at example) already exists",
    "pem": "-----BEGIN PRIVATE KEY-----\nMIIEv\nabc\n-----END PRIVATE KEY-----",
    "iban": "iban: DE89370400440532013000",
    "cookie": "Cookie: sid=abc; theme=dark",
    "second cookie": "Cookie: theme=dark; sid=abc",
    "beside": "bad password 'hunter2'",
    "pydantic": "name\n  too short [type=string_too_short, input_value='hunter2', input_type=str]",
    "pydantic dict": "x [type=missing, input_value={'a': 'hunter2', 'b': 1}, input_type=dict]",
    "pydantic, cut": "x [type=missing, input_value={'a': 'hunter2', 'b': ",
    "parameters": "(IntegrityError) UNIQUE\n[SQL: INSERT INTO u VALUES (?, ?)]\n[parameters: ('ann', 'hunter2')]\n",
    "row": "violates not-null constraint\nDETAIL:  Failing row contains (1, ann, hunter2 (x), null).",
    "mysql": "(1062, \"Duplicate entry 'ann-hunter2' for key 'user.name'\")",
}
LEFT_OUT = {
    "password": "hunter2",
    "url": "hunter2",
    "bearer": "abcDEF123",
    "json": "k-93jd02",
    "quoted": "a9f8e7d6",
    "card": "4111",
    "digits": "123456789012",
    "mail": "ann.smith",
    "jwt": "dozjgNry",
    "aws": "AKIA",
    "hex": "9f86d081",
    "uuid": "3f2504e0",
    "postgresql": "bob at example",
    "pem": "MIIEv",
    "iban": "DE8937",
    "cookie": "abc",
    "second cookie": "abc",
    "beside": "hunter2",
    "pydantic": "hunter2",
    "pydantic dict": "hunter2",
    "pydantic, cut": "hunter2",
    "parameters": "hunter2",
    "row": "hunter2",
    "mysql": "hunter2",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_secrets_are_left_out(kind: str) -> None:
    assert LEFT_OUT[kind] not in impersonal(SECRETS[kind])


@pytest.mark.parametrize(
    "text",
    [
        "division by zero",
        "boom",
        "'Product' object has no attribute 'reviews'",
        "relation shop_product does not exist",
        "connection to server at 10.0.0.12, port 5432 failed: timeout after 30 s",
        "invalid literal for int() with base 10: 'x'",
        "No module named shop.inventory.services.warehouse_connector",
        "expected 3 arguments, got 2",
    ],
)
def test_what_went_wrong_stays_readable(text: str) -> None:
    assert impersonal(text) == text


@given(st.text(max_size=3000))
def test_any_text_can_be_written_and_is_bounded(text: str) -> None:
    impersonal(text).encode()
    assert len(impersonal(text)) <= 500
    query_keys(text).encode()


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ""),
        ("category=toys&page=2", "category=█&page=█"),
        ("q=", "q=█"),
        ("hunter2", "█"),
        ("a=1&&b=2", "a=█&b=█"),
        ("filter[name]=x", "filter[name]=█"),
        ("<script>=1", "█"),
        ("eyJhbGciOiJIUzI1NiJ9x9=1", "█"),
        ("%61=1", "█"),
        ("utm_source=x&sort.by=y", "utm_source=█&sort.by=█"),
    ],
)
def test_of_a_query_only_plain_keys_stay(query: str, shown: str) -> None:
    assert query_keys(query) == shown


def test_a_query_of_many_keys_is_cut() -> None:
    assert query_keys("&".join(f"k{n}=v" for n in range(5_000))).count("=") == 30


PIECES = ("x", "token", "password=", "a@", "://", "(", "1 ", "-----BEGIN ", "key:", "'", "a.", " ")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("piece", PIECES)
def test_no_text_takes_long(piece: str) -> None:
    """A pattern that goes back and forth over the text would take minutes for these."""
    for _ in range(20):
        assert len(impersonal(piece * (2_000 // len(piece)))) <= 500

"""What can be found wrong: the word, the code and how much it matters at least."""

from __future__ import annotations

from perfkit.core.findings import Priority

__all__ = ["CODES", "PRIORITIES"]

CODES = {
    "n_plus_one": "PK101",
    "duplicate_query": "PK102",
    "over_fetch": "PK103",
    "write_in_loop": "PK104",
    "count_for_exists": "PK105",
    "large_in_list": "PK106",
    "chatty_commits": "PK107",
    "function_on_column": "PK111",
    "leading_wildcard_like": "PK112",
    "implicit_cast": "PK113",
    "offset_pagination": "PK114",
    "select_star": "PK115",
    "unbounded_result": "PK116",
    "not_in_subquery": "PK117",
    "order_by_random": "PK118",
    "cartesian_join": "PK119",
    "or_over_columns": "PK120",
    "slow_query": "PK121",
    "missing_index": "PK201",
    "missing_fk_index": "PK202",
    "unused_index": "PK203",
    "duplicate_index": "PK204",
    "redundant_index": "PK205",
    "stale_statistics": "PK206",
    "connection_leak": "PK131",
    "pool_too_small": "PK132",
    "pool_too_large": "PK133",
    "idle_in_transaction": "PK134",
    "long_transaction": "PK135",
    "lock_wait": "PK136",
    "connection_churn": "PK137",
    "inactive_capture": "PK139",
}
"""Kind → code, the same for ever: people write codes into their settings."""

PRIORITIES = {
    "n_plus_one": Priority.HIGH,
    "over_fetch": Priority.MEDIUM,
    "write_in_loop": Priority.MEDIUM,
    "duplicate_query": Priority.MEDIUM,
    "cartesian_join": Priority.HIGH,
    "slow_query": Priority.MEDIUM,
    "connection_leak": Priority.HIGH,
    "pool_too_small": Priority.HIGH,
    "idle_in_transaction": Priority.HIGH,
    "long_transaction": Priority.MEDIUM,
    "lock_wait": Priority.HIGH,
    "connection_churn": Priority.MEDIUM,
    "inactive_capture": Priority.HIGH,
    "not_in_subquery": Priority.MEDIUM,
    "function_on_column": Priority.MEDIUM,
    "leading_wildcard_like": Priority.MEDIUM,
    "implicit_cast": Priority.MEDIUM,
    "missing_index": Priority.HIGH,
    "missing_fk_index": Priority.MEDIUM,
    "stale_statistics": Priority.MEDIUM,
}
"""Kind → priority where nothing else decides; `Priority.LOW` for the others."""

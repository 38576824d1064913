"""The database optimizer: from the slow query to the line of code and the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfkit.core.lazy import lazily

if TYPE_CHECKING:
    from perfkit.database.indexes.advice import Analysis, IndexAdvice, LeftOut, Verification
    from perfkit.database.indexes.analysis import analyze
    from perfkit.database.indexes.recommend import recommend_indexes
    from perfkit.database.indexes.verification import verify_applied
    from perfkit.database.optimizer import DatabaseOptimizer
    from perfkit.database.patterns.observed import ObservedQuery
    from perfkit.database.patterns.request import find_request_patterns
    from perfkit.database.patterns.statements import find_statement_patterns
    from perfkit.database.query.result import Plan, QueryResult
    from perfkit.database.report.statistics import SlowQuery
    from perfkit.database.report.texts import Caller, RouteUse
    from perfkit.database.settings import DatabaseSettings
    from perfkit.database.shapes.shape import QueryShape, fingerprint
    from perfkit.database.snapshot import CaptureState, DatabaseSnapshot
    from perfkit.database.workload.state import IndexState

__all__ = [
    "Analysis",
    "Caller",
    "CaptureState",
    "DatabaseOptimizer",
    "DatabaseSettings",
    "DatabaseSnapshot",
    "IndexAdvice",
    "IndexState",
    "LeftOut",
    "ObservedQuery",
    "Plan",
    "QueryResult",
    "QueryShape",
    "RouteUse",
    "SlowQuery",
    "Verification",
    "analyze",
    "find_request_patterns",
    "find_statement_patterns",
    "fingerprint",
    "recommend_indexes",
    "verify_applied",
]

__getattr__ = lazily(
    __name__,
    {
        "Analysis": "perfkit.database.indexes.advice",
        "verify_applied": "perfkit.database.indexes.verification",
        "analyze": "perfkit.database.indexes.analysis",
        "IndexAdvice": "perfkit.database.indexes.advice",
        "LeftOut": "perfkit.database.indexes.advice",
        "Verification": "perfkit.database.indexes.advice",
        "recommend_indexes": "perfkit.database.indexes.recommend",
        "Caller": "perfkit.database.report.texts",
        "IndexState": "perfkit.database.workload.state",
        "RouteUse": "perfkit.database.report.texts",
        "CaptureState": "perfkit.database.snapshot",
        "DatabaseOptimizer": "perfkit.database.optimizer",
        "DatabaseSettings": "perfkit.database.settings",
        "DatabaseSnapshot": "perfkit.database.snapshot",
        "ObservedQuery": "perfkit.database.patterns.observed",
        "Plan": "perfkit.database.query.result",
        "QueryResult": "perfkit.database.query.result",
        "QueryShape": "perfkit.database.shapes.shape",
        "SlowQuery": "perfkit.database.report.statistics",
        "find_request_patterns": "perfkit.database.patterns.request",
        "find_statement_patterns": "perfkit.database.patterns.statements",
        "fingerprint": "perfkit.database.shapes.shape",
    },
)

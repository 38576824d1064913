"""Findings, scores and components of made-up services, for the samples of pages."""

from __future__ import annotations

from perfkit.advice import Load, Loss, Part, Score, rank
from perfkit.cache.snapshot import CacheSnapshot, NamespaceSnapshot
from perfkit.core.findings import Finding, Priority
from perfkit.core.status import Status
from perfkit.database.report.statistics import Caller, SlowQuery
from perfkit.database.snapshot import DatabaseSnapshot
from perfkit.load_balancer.servers import Circuit, ServerState
from perfkit.load_balancer.snapshot import LoadBalancerSnapshot, ServerSnapshot

HOSTILE = '"><img src=x onerror=alert(1)>'
SCRIPTED = "javascript:alert(2)"

N_PLUS_ONE = Finding(
    code="PK101",
    kind="n_plus_one",
    component="database",
    priority=Priority.HIGH,
    message="214 queries in one request load Product.reviews one by one (452 ms, 78 % of its database time).",
    action="Load them with the products.",
    site="shop/views/products.py:48",
    object="review",
    evidence={
        "query": "SELECT review.id, review.stars, review.text FROM review WHERE review.product_id = ?",
        "shape": "a1b2c3d4",
        "count": 214,
        "distinct": 214,
        "seconds": 0.452,
        "rows": 903,
        "relation": "Product.reviews",
        "requests": 9360,
    },
    fix={
        "sql": "SELECT … FROM review WHERE product_id IN (…)",
        "django": 'products = Product.objects.filter(category=category).prefetch_related("review_set")[:200]',
        "sqlalchemy": "select(Product).options(selectinload(Product.reviews))",
    },
    estimate={"queries_saved": 213.0, "seconds_saved": 0.45},
    fingerprint="n1",
)
BLOCKED = Finding(
    code="PK401",
    kind="blocked_loop",
    component="performance",
    priority=Priority.MEDIUM,
    message="daily_report blocked the event loop 42 times, 4.98 s in all, 0.12 s at most; nothing else ran.",
    action="Await an async call instead, or run it in a thread (asyncio.to_thread, or a plain def endpoint).",
    site="shop/views/sales/reports.py:99",
    object="GET /reports/daily",
    evidence={"count": 42, "seconds": 4.98, "longest": 0.125, "waiting": 31, "code": "time.sleep(0.12)"},
    fingerprint="b1",
)
SHORT = Finding(
    code="PK305",
    kind="ttl_too_short",
    component="cache",
    priority=Priority.MEDIUM,
    message="61 % of the misses in the cache namespace home are values that were there and had expired.",
    action="Raise their ttl, or let stale values serve while new ones are loaded.",
    object="home",
    evidence={"expired_of_misses": 0.61, "hit_ratio": 0.64, "load_seconds": 41.2, "sizes": {"0.5": 0.5, "1": 0.64}},
    fix={"python": "@cache.memoized(ttl=..., stale_while_revalidate=30, tags=[...])"},
    confidence="likely",
    estimate={"hit_ratio_gain": 0.1},
    fingerprint="c1",
)


def findings(*extra: Finding) -> tuple[Finding, ...]:
    """Ranked as the system does."""
    return tuple(rank((SHORT, BLOCKED, N_PLUS_ONE, *extra), Load(requests=302_400, seconds=20_000.0)))


SCORE = Score(
    value=66,
    status=Status.WARNING,
    parts=(
        Part(
            name="speed",
            points=21,
            maximum=40,
            losses=(
                Loss(points=17, reason="GET /products is slower than its target of 300 ms"),
                Loss(points=2, reason=BLOCKED.message, code="PK401", fingerprint="b1"),
            ),
        ),
        Part(name="errors", points=25, maximum=25),
        Part(
            name="database",
            points=4,
            maximum=15,
            losses=(Loss(points=11, reason=N_PLUS_ONE.message, code="PK101", fingerprint="n1"),),
        ),
        Part(
            name="cache",
            points=7,
            maximum=10,
            losses=(Loss(points=3, reason=SHORT.message, code="PK305", fingerprint="c1"),),
        ),
        Part(name="runtime", points=9, maximum=10, losses=(Loss(points=1, reason="CPU is used to 93 %"),)),
    ),
)
FINE = Score(
    value=100,
    status=Status.HEALTHY,
    parts=(
        Part(name="speed", points=54, maximum=54),
        Part(name="errors", points=33, maximum=33),
        Part(name="runtime", points=13, maximum=13),
    ),
    left_out={"database": "no statement was seen", "cache": "fewer than 100 look-ups"},
)


def a_database(texts: str = "") -> DatabaseSnapshot:
    shapes = (
        (f"SELECT review.id, review.stars FROM review WHERE review.product_id = ?{texts}", 2_001_000, 0.0009, 0),
        (
            "SELECT product.id, product.name FROM product WHERE product.name LIKE ? ORDER BY product.name LIMIT ?",
            1830,
            0.081,
            212,
        ),
    )
    top = tuple(
        SlowQuery(
            sql=sql,
            id=str(calls),
            system="postgresql",
            summary=sql[:20],
            calls=calls,
            slow=slow,
            total=calls * mean,
            mean=mean,
            p95=mean * 2.5,
            callers=(Caller(f"shop/views/products.py:{calls % 90}{texts}", "f", calls),),
        )
        for sql, calls, mean, slow in shapes
    )
    return DatabaseSnapshot(statements=2_100_000, seconds=1950.0, errors=3, slow=212, top=top)


def a_cache(name: str = "home") -> CacheSnapshot:
    space = NamespaceSnapshot(
        hits=6400, misses=3600, hit_ratio=0.64, loads=3600, load_seconds=266.0, saved_seconds=471.0
    )
    return CacheSnapshot(
        strategy="adaptive",
        entries=812,
        bytes=38 * 1024 * 1024,
        max_bytes=64 * 1024 * 1024,
        hits=6400,
        misses=3600,
        hit_ratio=0.64,
        namespaces={name: space, "default": NamespaceSnapshot()},
    )


def a_load_balancer(name: str = "stock") -> LoadBalancerSnapshot:
    states = (ServerState.HEALTHY, ServerState.EJECTED, ServerState.DRAINING)
    servers = {
        f"{name}-{at}": ServerSnapshot(
            name=f"{name}-{at}",
            address=f"10.0.0.{at}:80",
            weight=1.0,
            state=each,
            circuit=Circuit.CLOSED,
            picks=900 - 200 * at,
            in_flight=2,
            latency=0.071,
            error_share=0.001,
        )
        for at, each in enumerate(states)
    }
    return LoadBalancerSnapshot(status=Status.WARNING, strategy="auto", healthy=1, is_panicking=False, servers=servers)


def hostile_findings() -> tuple[Finding, ...]:
    return tuple(
        Finding(
            code=HOSTILE,
            kind=HOSTILE,
            component=HOSTILE,
            priority=Priority.HIGH,
            message=f"{number}{HOSTILE}" + "m" * 900,
            action=HOSTILE + "a" * 900,
            site=f"/{HOSTILE}.py:3",
            object=SCRIPTED + HOSTILE,
            evidence={
                HOSTILE: HOSTILE,
                "list": [HOSTILE] * 9,
                "table": {HOSTILE: {HOSTILE: HOSTILE}},
                "number": float("nan"),
                "long": "x" * 900,
                "bytes": b"\xff",
                "\ud800": object,
            },
            fix={HOSTILE: f"{HOSTILE}\n" + "f" * 5000, "sql": "\ud800\0\u202e"},
            confidence=HOSTILE,
            estimate={HOSTILE: float("inf")},
            fingerprint=str(number),
        )
        for number in range(30)
    )


HOSTILE_SCORE = Score(
    value=0,
    status=Status.CRITICAL,
    parts=(
        Part(
            name=HOSTILE,
            points=0,
            maximum=100,
            losses=tuple(Loss(points=5, reason=HOSTILE + "r" * 500, code=HOSTILE) for _ in range(20)),
        ),
    ),
    left_out={HOSTILE: HOSTILE},
)

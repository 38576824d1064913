"""Workloads over the tables of `index_schemas`, and what a database administrator would say to each."""

from __future__ import annotations

from index_cases import EVERYWHERE, NOT_MARIADB, POSTGRESQL, Case, kinds, one_of

__all__ = ["FIELD_CASES"]

_TICKET = "SELECT id, subject, updated_at FROM tickets"

FIELD_CASES = [
    Case(
        name="open tickets of a tenant, newest first",
        schema="tickets",
        workload=[(f"{_TICKET} WHERE tenant_id = ? AND state = 'open' ORDER BY updated_at DESC LIMIT 25", 5000)],
        advised=[
            one_of(
                "tickets(tenant_id, state",
                "tickets(state, tenant_id",
                "tickets(tenant_id, updated_at",
                "tickets(tenant_id)",
            )
        ],
    ),
    Case(
        name="tickets of a tenant that are not deleted",
        schema="tickets",
        workload=[("SELECT id, state FROM tickets WHERE tenant_id = ? AND deleted_at IS NULL", 5000)],
        advised=[one_of("tickets(tenant_id")],
    ),
    Case(
        name="the next page by its key",
        schema="tickets",
        workload=[(f"{_TICKET} WHERE tenant_id = ? AND id > ? ORDER BY id LIMIT 50", 5000)],
        advised=[one_of("tickets(tenant_id")],
        dialects=NOT_MARIADB,
    ),
    Case(
        name="one index for a list, a page and a count of the same tenant",
        schema="tickets",
        workload=[
            (f"{_TICKET} WHERE tenant_id = ? ORDER BY updated_at DESC LIMIT 25", 3000),
            ("SELECT count(*) FROM tickets WHERE tenant_id = ?", 2000),
            (f"{_TICKET} WHERE tenant_id = ? AND updated_at >= '2026-11-01 00:00:00'", 1000),
        ],
        advised=[one_of("tickets(tenant_id")],
        allowed=kinds("unbounded_result"),
    ),
    Case(
        name="tickets of nobody",
        schema="tickets",
        workload=[(f"{_TICKET} WHERE assignee_id IS NULL AND state = 'waiting'", 2000)],
        advised=[one_of("tickets(state", "tickets(assignee_id", "tickets(id", "tickets(updated_at")],
    ),
    Case(
        name="the queue",
        schema="jobs",
        workload=[
            (
                "SELECT id, payload FROM jobs WHERE state IN ('queued', 'retry') AND run_at <= "
                "'2026-11-20 00:00:00' ORDER BY run_at LIMIT 10",
                100_000,
            )
        ],
        advised=[one_of("jobs(run_at", "jobs(state")],
    ),
    Case(
        name="readings of a device in a span",
        schema="readings",
        workload=[
            (
                "SELECT taken_at, value FROM readings WHERE device_id = ? AND taken_at BETWEEN "
                "'2026-03-01 00:00:00' AND '2026-03-08 00:00:00'",
                5000,
            )
        ],
        advised=[one_of("readings(device_id", "readings(taken_at, device_id")],
    ),
    Case(
        name="the last reading of a device",
        schema="readings",
        workload=[("SELECT max(taken_at) FROM readings WHERE device_id = ?", 5000)],
        advised=[one_of("readings(device_id")],
    ),
    Case(
        name="the readings of one hour",
        schema="readings",
        workload=[("SELECT device_id, value FROM readings WHERE taken_at >= '2026-08-01 23:00:00'", 500)],
        advised=[one_of("readings(taken_at")],
        allowed=kinds("unbounded_result"),
    ),
    Case(
        name="followers the other way round",
        schema="followers",
        workload=[("SELECT follower_id FROM follows WHERE followee_id = ?", 5000)],
        advised=[one_of("follows(followee_id")],
    ),
    Case(
        name="posts of those one follows",
        schema="followers",
        workload=[
            (
                "SELECT p.id, p.body FROM follows f JOIN posts p ON p.author_id = f.followee_id "
                "WHERE f.follower_id = ? ORDER BY p.published_at DESC LIMIT 20",
                5000,
            )
        ],
        advised=[one_of("posts(author_id")],
    ),
    Case(
        name="lines of a product",
        schema="invoices",
        workload=[("SELECT sum(quantity) FROM invoice_lines WHERE product_id = ?", 5000)],
        advised=[one_of("invoice_lines(product_id")],
    ),
    Case(
        name="an account by its address in small letters, the other table first",
        schema="invoices",
        workload=[
            (
                "SELECT c.keeper, a.name FROM countries c JOIN accounts a ON a.country = c.code "
                "WHERE lower(a.email) = 'owner77@example.org'",
                5000,
            )
        ],
        advised=[one_of("accounts(lower(email)")],
        kinds=kinds("function_on_column"),
        dialects=NOT_MARIADB,
    ),
    Case(
        name="rare states of a table that is joined second",
        schema="invoices",
        workload=[
            (
                "SELECT a.name, i.total FROM accounts a JOIN invoices i ON i.account_id = a.id "
                "WHERE i.status IN ('draft', 'disputed')",
                3000,
            )
        ],
        advised=[one_of("invoices(status", "invoices(account_id")],
        dialects=POSTGRESQL,
    ),
    Case(
        name="articles of a tag",
        schema="tags",
        workload=[
            ("SELECT a.title FROM article_tags t JOIN articles a ON a.id = t.article_id WHERE t.tag_id = 700", 5000)
        ],
        advised=[one_of("article_tags(tag_id")],
    ),
    Case(
        name="answers to an article, which few are",
        schema="tags",
        workload=[("SELECT id, title FROM articles WHERE parent_id = ?", 5000)],
        advised=[one_of("articles(parent_id")],
    ),
    Case(
        name="messages from or to somebody",
        schema="messages",
        workload=[("SELECT id, body FROM messages WHERE sender_id = ? OR recipient_id = ?", 5000)],
        advised=[one_of("messages(sender_id"), one_of("messages(recipient_id")],
    ),
    Case(
        name="a talk of two",
        schema="messages",
        workload=[
            (
                "SELECT id, body FROM messages WHERE sender_id = ? AND recipient_id = ? ORDER BY sent_at DESC LIMIT 50",
                5000,
            )
        ],
        advised=[one_of("messages(sender_id", "messages(recipient_id")],
    ),
    Case(
        name="a counter found by its name",
        schema="counters",
        workload=[("UPDATE counters SET hits = hits + 1 WHERE name = ?", 50_000)],
        advised=[one_of("counters(name")],
    ),
    Case(
        name="open tickets as an ORM asks for them",
        schema="tickets",
        workload=[
            (
                'SELECT "tickets"."id", "tickets"."subject" FROM "tickets" WHERE ("tickets"."tenant_id" = ? AND '
                '"tickets"."state" IN (\'open\', \'waiting\')) ORDER BY "tickets"."updated_at" DESC LIMIT 21',
                5000,
            )
        ],
        advised=[
            one_of(
                "tickets(tenant_id, state",
                "tickets(state, tenant_id",
                "tickets(tenant_id, updated_at",
                "tickets(tenant_id)",
            )
        ],
        dialects=NOT_MARIADB,
    ),
    Case(
        name="prices of an account through two joins",
        schema="invoices",
        workload=[
            (
                "SELECT sum(l.price) FROM invoice_lines l JOIN invoices i ON i.id = l.invoice_id "
                "JOIN accounts a ON a.id = i.account_id WHERE a.id = ?",
                5000,
            )
        ],
        advised=[one_of("invoices(account_id")],
    ),
    Case(
        name="articles of a tag by a query within",
        schema="tags",
        workload=[
            ("SELECT title FROM articles WHERE id IN (SELECT article_id FROM article_tags WHERE tag_id = 700)", 5000)
        ],
        advised=[one_of("article_tags(tag_id")],
    ),
    Case(
        name="messages from and to somebody, one after the other",
        schema="messages",
        workload=[
            (
                "SELECT id, body FROM messages WHERE sender_id = ? UNION ALL "
                "SELECT id, body FROM messages WHERE recipient_id = ?",
                5000,
            )
        ],
        advised=[one_of("messages(sender_id"), one_of("messages(recipient_id")],
    ),
    # What asks for nothing.
    Case(
        name="old readings are deleted once a day",
        schema="readings",
        workload=[
            ("DELETE FROM readings WHERE taken_at < '2026-01-02 00:00:00'", 1),
            ("INSERT INTO readings (id, device_id, kind, taken_at, value) VALUES (?, ?, ?, ?, ?)", 100_000),
        ],
    ),
    Case(
        name="one product on an invoice",
        schema="invoices",
        workload=[("SELECT price FROM invoice_lines WHERE invoice_id = ? AND product_id = ?", 50_000)],
    ),
    Case(
        name="a page of many by the key itself",
        schema="messages",
        workload=[("SELECT id, body FROM messages WHERE id > ? ORDER BY id LIMIT 100", 5000)],
    ),
    Case(
        name="the most seen, of what is counted all the time",
        schema="counters",
        workload=[
            ("SELECT name, hits FROM counters ORDER BY hits DESC LIMIT 10", 20),
            ("UPDATE counters SET hits = hits + 1 WHERE id = ?", 5_000_000),
        ],
    ),
    Case(
        name="a table of countries",
        schema="counters",
        workload=[("SELECT name FROM countries WHERE code = ?", 1_000_000)],
    ),
    Case(
        name="readings that are written far more than read",
        schema="readings",
        workload=[
            ("SELECT value FROM readings WHERE device_id = ?", 5),
            ("INSERT INTO readings (id, device_id, kind, taken_at, value) VALUES (?, ?, ?, ?, ?)", 5_000_000),
        ],
    ),
    Case(
        name="one of two kinds",
        schema="readings",
        workload=[("SELECT device_id, value FROM readings WHERE kind = 'heat'", 500)],
        allowed=kinds("unbounded_result"),
        dialects=POSTGRESQL,
    ),
    Case(
        name="whom one follows, by the beginning of the key",
        schema="followers",
        workload=[
            ("SELECT followee_id FROM follows WHERE follower_id = ?", 50_000),
            ("SELECT 1 FROM follows WHERE follower_id = ? AND followee_id = ?", 50_000),
            ("DELETE FROM follows WHERE follower_id = ? AND followee_id = ?", 500),
        ],
    ),
    Case(
        name="lines of an invoice",
        schema="invoices",
        workload=[
            ("SELECT product_id, price FROM invoice_lines WHERE invoice_id = ? ORDER BY position", 50_000),
            ("SELECT total FROM invoices WHERE number = 'R-0000042'", 50_000),
        ],
    ),
    Case(
        name="what an index at hand leaves over",
        schema="invoices",
        workload=[("SELECT number, total FROM invoices WHERE account_id = ? AND status = 'open'", 20_000)],
        setup=["CREATE INDEX present ON invoices (account_id)"],
    ),
    Case(
        name="most invoices are paid",
        schema="invoices",
        workload=[("SELECT account_id, sum(total) FROM invoices WHERE status = 'paid' GROUP BY account_id", 20)],
        allowed=kinds("unbounded_result"),
        dialects=POSTGRESQL,
    ),
    Case(
        name="tags of an article",
        schema="tags",
        workload=[("SELECT tag_id FROM article_tags WHERE article_id = ?", 50_000)],
    ),
    Case(
        name="an index kept downwards serves upwards too",
        schema="tickets",
        workload=[
            (f"{_TICKET} ORDER BY updated_at LIMIT 20", 5000),
            (f"{_TICKET} ORDER BY updated_at DESC LIMIT 20", 5000),
        ],
        setup=["CREATE INDEX present ON tickets (updated_at DESC)"],
        dialects=NOT_MARIADB,
    ),
    Case(
        name="the first column of an index of two",
        schema="tickets",
        workload=[
            ("SELECT count(*) FROM tickets WHERE tenant_id = ?", 5000),
            (f"{_TICKET} WHERE tenant_id = ? ORDER BY updated_at DESC LIMIT 25", 5000),
        ],
        setup=["CREATE INDEX present ON tickets (tenant_id, updated_at)"],
        dialects=EVERYWHERE,
    ),
]

"""Keeping a grant alive: its stored refresh token is renewed before it is old, used or not.

Entra ends a refresh token after 90 days without use. Each renewal writes a secret version, and a secret with more than
500 cannot be backed up: once a week is 52 a year
(https://learn.microsoft.com/entra/identity-platform/refresh-tokens).
"""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta

from shared.domain.connection import Health, Lifecycle, Row
from shared.domain.credential import Method

KEEPALIVE_AFTER = timedelta(days=7)
"""Age at which a stored refresh token is renewed."""

_SPREAD_SECONDS = 24 * 3600


def renewal_at(row: Row) -> datetime | None:
    """When the stored refresh token is to be renewed: spread over a day, so that those made together part.

    None for what cannot be renewed: a grant that is dead waits for a person.
    """
    if row.connection.method is not Method.OAUTH or row.active_version is None or waits_for_a_person(row):
        return None
    stored = row.stored_at or row.connection.created_at
    return stored + KEEPALIVE_AFTER + timedelta(seconds=zlib.crc32(row.id.encode()) % _SPREAD_SECONDS)


def waits_for_a_person(row: Row) -> bool:
    """Whether nothing that this service does by itself can make anything of the grant."""
    return row.connection.method is Method.OAUTH and row.connection.status.state is Health.NEEDS_RECONNECT


def is_same_exchange(row: Row, tried: Row) -> bool:
    """Whether `row` still has the attempt under way that `tried` began, on the same credential."""
    return (row.lifecycle, row.exchange, row.active_version) == (
        Lifecycle.ACTIVE,
        tried.exchange,
        tried.active_version,
    )

"""The names under which the service measures itself. Alerts, the workbook and docs/operations.md use the same ones."""

from __future__ import annotations

from enum import StrEnum


class Metric(StrEnum):
    """A metric's name; its attributes stand beside it. None carries an id of a connection, a tenant or a person."""

    CONNECTIONS = "connections"
    """Gauge, by `state` and `method`: counted by the daily round over all connections."""
    OLDEST_SUCCESS_AGE = "rotation.oldest_success_age"
    """Gauge in seconds, by `method`: since the newest success of the self-rotating connection that is worst off."""
    OVERDUE = "rotation.overdue"
    """Gauge, by `method`: connections that have gone without a success for a day longer than their interval, but those
    that need a reconnect; by the daily round."""
    DUE_NEXT = "due.next"
    """Gauge, by `within` (day, week, month, later): connections by when they next owe something; by the daily round."""
    TRANSITIONS = "connection.transitions"
    """Counter, by `state` and `method`: a connection came into this state."""
    EXPIRY_WARNINGS = "connection.expiry_warnings"
    """Counter, by `days` (30, 14, 7, 1, 0): a credential's known end is at most this near."""
    ROTATIONS = "rotations"
    """Counter, by `outcome` (success, failed), `method` and `trigger`: runs that ended."""
    ROTATION_DURATION = "rotation.duration"
    """Histogram in seconds, by `outcome` and `method`: from a run's start to its end."""
    TICKS = "work.ticks"
    """Counter: times that the timer has sent what was due."""
    OLDEST_DUE_AGE = "due.oldest_age"
    """Gauge in seconds: how long the oldest due row has been waiting, as the timer saw it; 0 for none."""
    POISONED = "work.poisoned"
    """Counter, by `queue`: messages given up after their last try."""
    ACCESS_TOKEN_DURATION = "access_token.duration"
    """Histogram in milliseconds, by `source` (memory, row, entra): our answer to a request for a token."""
    ACCESS_TOKEN_REFUSED = "access_token.refused"
    """Counter, by `reason` (needs-reconnect, upstream): requests for a token that got none."""
    THROTTLED = "upstream.throttled"
    """Counter, by `service` (entra, graph, key-vault, storage, event-grid, customer-vault): answers that told us to
    slow down."""

"""Where the load run's relays stand, and who goes through them."""

from __future__ import annotations

import pytest

from bench.load.troubles import Relays
from local.environment import storage_connection_string
from local.ports import LAST_BASE, Ports, Refused


def test_the_host_reaches_tables_and_queues_through_the_relays_and_blobs_directly() -> None:
    ports = Ports.from_base(7371)
    relays = Relays.beside(ports)
    assert {relays.table, relays.queue} & set(ports.all()) == set()
    told = relays.connection_string(ports)
    direct = storage_connection_string(ports)
    for port, relay in ((ports.table, relays.table), (ports.queue, relays.queue)):
        direct = direct.replace(f":{port}/", f":{relay}/")
    assert told == direct
    assert f":{ports.blob}/" in told


def test_a_stack_at_the_last_ports_leaves_none_for_the_relays() -> None:
    assert Relays.beside(Ports.from_base(LAST_BASE - 2)).queue == 65_535
    with pytest.raises(Refused, match="two ports"):
        Relays.beside(Ports.from_base(LAST_BASE - 1))

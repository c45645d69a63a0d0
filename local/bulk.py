"""Fills a table fast: the client spends more time on building and parsing transactions than the emulator on them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import AccountSasPermissions, ResourceTypes, generate_account_sas

from local.environment import EMULATOR_ACCOUNT, EMULATOR_KEY

MAX_CHANGES = 100
VERSION = {"x-ms-version": "2019-02-02", "DataServiceVersion": "3.0"}
PART = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 0\r\n\r\n"
HEADERS = "Content-Type: application/json\r\nPrefer: return-no-content\r\nDataServiceVersion: 3.0\r\n\r\n"


async def create(connection_string: str, table: str, entities: Sequence[Mapping[str, Any]]) -> None:
    """Create entities of one partition, in transactions of 100.

    Their values are strings and truth values; other types are strings with an OData annotation beside them.
    Raises `RuntimeError` when one was not created.
    """
    account = re.findall("TableEndpoint=([^;]+)", connection_string)[0]
    batches = f"{account}/$batch?{_signature()}"
    async with aiohttp.ClientSession(headers=VERSION) as session:
        for start in range(0, len(entities), MAX_CHANGES):
            changes = "".join(
                f"--changeset_1\r\n{PART}POST {account}/{table} HTTP/1.1\r\n{HEADERS}{json.dumps(entity)}\r\n"
                for entity in entities[start : start + MAX_CHANGES]
            )
            body = (
                f"--batch_1\r\nContent-Type: multipart/mixed; boundary=changeset_1\r\n\r\n{changes}--changeset_1--\r\n"
            )
            async with session.post(
                batches,
                data=f"{body}\r\n--batch_1--\r\n",
                headers={"Content-Type": "multipart/mixed; boundary=batch_1"},
            ) as answer:
                if (await answer.text()).count("HTTP/1.1 204") != len(entities[start : start + MAX_CHANGES]):
                    raise RuntimeError(f"table {table} took less than it was given")


def _signature() -> str:
    return generate_account_sas(
        AzureNamedKeyCredential(EMULATOR_ACCOUNT, EMULATOR_KEY),
        ResourceTypes(service=True, object=True),
        AccountSasPermissions(add=True, write=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )

"""The service does what its OpenAPI document says: schemathesis makes requests of it and judges what comes back.

Each operation gets requests that the document allows and that it forbids: every boundary of every field, every field
left out or of another type, and random ones. `make test` sends the same at each run; `make fuzz` sends more, and other
ones each time.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import hypothesis
import pytest
import pytest_asyncio
import schemathesis
from hypothesis.errors import Flaky
from schemathesis import BaseSchema, Case, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.pytest.lazy import get_all_tests

from local.stack import Stack
from shared.web.docs import OPENAPI
from tests.e2e.conformance import Organisation, can_name, chance, is_allowed, stripped

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES") or 10)
"""Random requests per operation, and random sequences."""
SEQUENCES = 10
"""How many of them build on each other."""
SEED = int(os.environ.get("SCHEMATHESIS_SEED") or 0)
FIXED = SEED == 0
"""The same requests at each run."""

OFF = {
    "unsupported_method": "the Functions host answers 404, not 405, to a method that no function takes on a path",
}
"""Checks that are switched off, and why; all others are on."""

WELCOME = ["2xx", "404", "409", "412"]
"""What a request that the document allows may meet: what it names may be gone, taken, or another version by now."""

UNWELCOME = ["401", "404", "415", "422"]
"""What one that it forbids may meet, and 400 for what is no JSON. Any other 400 comes later: it was let in."""

CONFIG = {
    "seed": SEED,
    "generation": {
        "max-examples": EXAMPLES,
        "deterministic": FIXED,
        "database": "none",
        "with-security-parameters": False,  # ours would replace them; `ignored_auth` sends none, and wrong ones
    },
    "checks": {
        **{name: {"enabled": False} for name in OFF},
        "positive_data_acceptance": {"expected-statuses": WELCOME},
        "negative_data_rejection": {"expected-statuses": UNWELCOME},
        "max_response_time": 10,
    },
    "output": {"sanitization": {"enabled": False}},  # nothing here is anybody's secret
}

DOCUMENT = json.loads(OPENAPI.read_text())
OPERATIONS = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def organisation(stack: Stack, organisations: list[str]) -> AsyncIterator[Organisation]:
    async with Organisation.made(stack, organisations.pop()) as known:
        yield known
        asked = {operation for operation, _ in known.answers}
        assert not {operation for operation in asked if not known.answers[operation, 200]}, "nothing ever succeeded"


@pytest_asyncio.fixture(loop_scope="session")
async def another(stack: Stack, organisations: list[str]) -> AsyncIterator[Organisation]:
    async with Organisation.made(stack, organisations.pop()) as known:
        yield known


def document() -> BaseSchema:
    return schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig.from_dict(CONFIG))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_does_what_the_document_says(operation: str, organisation: Organisation) -> None:
    def test(case: Case[Any]) -> None:
        if FIXED and operation == "connections_create" and is_allowed(case) and chance(case) % 3:
            return  # four methods' bodies share most of their fields, and each takes its time
        if isinstance(case.body, dict):
            case.body = stripped(case.body)
        named = can_name(case) and chance(case) % 2 == 0
        if named:
            organisation.name_in(case)
        organisation.judge(case, case.call(**organisation.transport), named=named)

    # pytest 9.2 takes the operations' names off the tests that schemathesis's own decorator makes
    for made in get_all_tests(
        schema=document().include(operation_id=operation), test_func=test, settings=None, given_kwargs=None
    ):
        assert isinstance(made, Ok), made.err()
        _, run = made.ok()
        run()


def test_what_follows_from_an_answer_does_what_the_document_says(another: Organisation) -> None:
    failed: list[FailureGroup] = []

    class Following(document().as_state_machine()):  # type: ignore[misc]  # a class that is made at run time
        """A create, then what its answer leads to: read, change, rotate, delete."""

        def before_call(self, case: Case[Any]) -> None:
            if isinstance(case.body, dict):
                case.body = stripped(case.body)
            if is_allowed(case):
                another.name_in(case, path=False)

        def get_call_kwargs(self, case: Case[Any]) -> dict[str, Any]:  # noqa: ARG002 -- schemathesis's signature
            return another.transport

        def validate_response(self, response: Response, case: Case[Any], *_: Any, **__: Any) -> None:
            try:
                another.judge(case, response, named=True, recorder=self.recorder)
            except FailureGroup as group:
                failed.append(group)
                raise

    some = hypothesis.settings(Following.TestCase.settings, max_examples=SEQUENCES, database=None)
    for number in range(max(2, EXAMPLES // SEQUENCES)):
        with suppress(Flaky):  # hypothesis expects the same answers each time, but what was made once is there now
            hypothesis.seed(SEED + number)(Following).run(settings=some)
        assert not failed, failed[0]

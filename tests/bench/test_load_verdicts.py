"""The load run's verdicts: a run without harm breaks none, and each harm breaks the promise that it is about."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bench.load.evidence import Evidence, Shown
from bench.load.ledger import Ledger, Wish
from bench.load.verdicts import BEFORE_A_KILL, LEFT_BY_A_KILL, judge
from shared.domain.connection import Lifecycle
from shared.domain.passwords import display_name
from tests.bench.load_harms import (
    KILLED,
    Harm,
    bring_back,
    change_row,
    disable_the_version_in_use,
    due_rows,
    forget_line,
    forget_record,
    free_a_name,
    half_made,
    keep_a_name,
    leave_a_message,
    leave_an_old_version_readable,
    leave_out_of_the_list,
    list_twice,
    lose,
    lose_a_due_row,
    lose_a_request,
    lose_a_secret,
    make_the_refused,
    make_twice,
    overwrite_a_change,
    password_of_the_deleted,
    poison,
    put_right,
    record_twice,
    rotate_without_a_line,
    shows,
    surprise,
    tell_twice,
    third_password,
    undelete_secret,
    write_down,
    write_line_twice,
)
from tests.bench.load_world import (
    CODE,
    DELETED,
    NOW,
    ROTATED,
    RUN,
    SECRET,
    SUBMITTED,
    TOKEN,
    secret,
    untouched,
    version,
)

CUT_SHORT = 3
"""Things under way when the host was killed."""
SECOND = timedelta(seconds=1)
LONG_BEFORE = KILLED - BEFORE_A_KILL - SECOND


def broken(harm: Harm) -> dict[str, list[str]]:
    """The promises that are broken after `harm`, with what was found."""
    ledger, found = untouched()
    harm(ledger, found)
    verdicts = judge(ledger, found, cut_short=CUT_SHORT, kills=[KILLED])
    return {promise: findings for promise, findings in verdicts.items() if findings}


CREATED = "what was created is there and hands out a token"
UNDECIDED = "what got no final answer is wholly there or wholly gone"
CHANGED = "what was changed stays changed"
ROTATED_SINCE = "each accepted rotation has run"
LISTED = "the list shows each connection once, and nothing else"
NAMES = "each name is free or belongs to the connection that has it"
PASSWORDS = "at most two managed passwords an app, each known"
VAULT = "Key Vault holds what rows name, and nothing else can be read"
DUE = "each due row belongs to a row, and each row has its own"
OWED = "nothing is owed"
UPKEEP = "upkeep finds nothing to put right"
RECORDS = "history, audit and events are complete"
SECRETS = "no secret outside Key Vault"

UNEXPLAINED = f"no row names the due row of {DELETED} written at {{}}, and no kill explains it"
UNNAMED = f"no row names the due row of {DELETED} at {NOW - timedelta(hours=1)}, and the timer left it there"
DISAGREE = f"by-secret ({SECRET}): the history has 1 rotations, the audit log 0, the topic 1"


def test_a_run_without_harm_keeps_every_promise() -> None:
    assert broken(lambda *_: None) == {}


@pytest.mark.parametrize(
    ("harm", "promise", "finding"),
    [
        (lose, CREATED, f"by-code ({CODE}) is lost: 404"),
        (shows("by-code", token=424), CREATED, f"by-code ({CODE}) hands out no token: 424"),
        (bring_back, "what was deleted is gone", f"deleted ({DELETED}) was deleted and is answered 200"),
        (half_made, UNDECIDED, f"by-code ({CODE}) hands out no token: 424"),
        (make_the_refused, UNDECIDED, "refused was refused and is answered 200"),
        (overwrite_a_change, CHANGED, f"by-code ({CODE}): description is None, and should be 'new'"),
        (lose_a_request, ROTATED_SINCE, f"by-secret ({SECRET}): 1 accepted requests to rotate, and no run ended since"),
        (list_twice, LISTED, f"{CODE} is listed 2 times"),
        (leave_out_of_the_list, LISTED, f"{CODE} is there and not listed"),
        (make_twice, LISTED, f"{CODE} answers for 2 creations"),
        (shows("by-code", named=None), NAMES, f"the name by-code leads to None, and {CODE} should have it"),
        (keep_a_name, NAMES, f"the name row n!deleted! belongs to nobody: {DELETED}"),
        (free_a_name, NAMES, "by-code has 1 name rows"),
        (third_password, PASSWORDS, "app an-app has 3 managed passwords"),
        (password_of_the_deleted, PASSWORDS, f"no row knows password key-9 of app b: {display_name(DELETED, 1, RUN)}"),
        (undelete_secret, VAULT, "secret conn-deleted is there and no connection has it"),
        (leave_an_old_version_readable, VAULT, "secret conn-by-code: version v1 can be read and no row names it"),
        (disable_the_version_in_use, VAULT, "secret conn-by-code: the version in use cannot be read"),
        (lose_a_secret, VAULT, f"connection {CODE} has no secret"),
        (lose_a_due_row, DUE, f"the due row of {CODE} is missing"),
        (due_rows(1, hours=-1), DUE, UNNAMED),
        (due_rows(4, hours=24), DUE, "no row names 4 due rows of before the kills, which cut 3 things short"),
        (due_rows(3, hours=24, written=KILLED + SECOND), DUE, UNEXPLAINED.format(KILLED + SECOND)),
        (due_rows(3, hours=24, written=LONG_BEFORE), DUE, UNEXPLAINED.format(LONG_BEFORE)),
        (change_row(0, superseded=("v1",)), OWED, "settle: 1 rows"),
        (leave_a_message, OWED, "queue work: 1 messages"),
        (put_right(hintsRestored=1), UPKEEP, "hintsRestored 1"),
        (put_right(advanced=2), UPKEEP, "advanced 2"),
        (put_right(passwordsRemoved=1), UPKEEP, "passwordsRemoved 1"),
        (put_right(failed=1), UPKEEP, "failed 1"),
        (put_right(rows=0), UPKEEP, "the round looked at no row"),
        (forget_line, RECORDS, f"by-code ({CODE}): 0 audit lines of its create"),
        (write_line_twice, RECORDS, f"deleted ({DELETED}): 2 audit lines of its delete"),
        (tell_twice, RECORDS, f"by-code ({CODE}): 2 events of its create"),
        (rotate_without_a_line, RECORDS, DISAGREE),
        (record_twice, RECORDS, f"by-secret ({SECRET}): rotation {RUN} has more than one record"),
        (forget_record, RECORDS, f"by-secret ({SECRET}): rotated {ROTATED}, the newest record says None"),
        (write_down(TOKEN, "log host.log"), SECRETS, "an access token in log host.log"),
        (write_down(SUBMITTED, "table connections"), SECRETS, "a client secret in table connections"),
        (write_down("t" * 30, "queue work"), SECRETS, "a refreshToken of Key Vault in queue work"),
        (write_down(TOKEN, "the event topic"), SECRETS, "an access token in the event topic"),
        (poison, "no message was given up", "1 messages went to a poison queue, 0 are there"),
        (surprise, "every answer could be expected", "GET connection: 500 InternalServerError (2 times)"),
    ],
)  # fmt: skip
def test_each_harm_breaks_its_promise(harm: Harm, promise: str, finding: str) -> None:
    assert finding in broken(harm).get(promise, [])


def test_what_a_dying_process_leaves_for_the_timer_is_no_harm() -> None:
    assert broken(due_rows(CUT_SHORT, hours=24)) == {}
    assert broken(due_rows(LEFT_BY_A_KILL, hours=24, written=LONG_BEFORE)) == {}


def test_a_creation_without_answer_may_have_happened_or_not() -> None:
    def wholly_there(ledger: Ledger, _: Evidence) -> None:
        ledger.wishes[0].made, ledger.wishes[0].id = False, None

    def wholly_gone(ledger: Ledger, found: Evidence) -> None:
        ledger.wishes.append(Wish("unanswered", "oauth", tries=3))
        found.shown["unanswered"] = Shown(404)

    assert broken(wholly_there) == {}
    assert broken(wholly_gone) == {}


def test_a_row_that_is_being_deleted_names_no_secret_of_its_own() -> None:
    deleting = change_row(0, lifecycle=Lifecycle.DELETING)
    assert "secret conn-by-code is there and no connection has it" in broken(deleting)[VAULT]
    assert broken(lambda _, found: found.secrets.update(new=secret(version("v1", clientSecret="q" * 30))))[VAULT]

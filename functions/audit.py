"""The audit log."""

from datetime import UTC, datetime, timedelta

import azure.functions as func

from functions.api import api
from shared.domain.audit import AuditLog
from shared.domain.caller import Permission
from shared.domain.errors import Problem, ValidationFailed
from shared.web import cursor
from shared.web.answers import AuditLogList
from shared.web.endpoint import Call
from shared.web.queries import AuditQuery

blueprint = func.Blueprint()
ANONYMOUS = func.AuthLevel.ANONYMOUS

LOOK_BACK = timedelta(days=90)
"""How far a request without `from` reaches."""
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
"""Nothing is older than this service."""


@blueprint.function_name("audit_logs_list")
@blueprint.route(route="v1/audit-logs", methods=["GET"], auth_level=ANONYMOUS)
@api.endpoint(Permission.AUDIT)
async def audit_logs_list(call: Call, query: AuditQuery) -> AuditLogList:
    """Who did what, newest first; of one connection or of the whole organisation, 90 days back unless told."""
    now = call.app.clock() + timedelta(seconds=1)
    until = max(min(query.to or now, now), BEGINNING)
    since = max(query.from_ or until - LOOK_BACK, BEGINNING)
    if since >= until:
        raise ValidationFailed([Problem("custom", ("from",), "Must be earlier than `to`")])
    scope = ("audit", call.caller.org_id, query.connection_id, str(query.from_), str(query.to))
    page = await call.app.auditing.page(
        call.caller.org_id,
        connection_id=query.connection_id,
        since=since,
        until=until,
        after=cursor.decode(query.cursor, *scope, places=cursor.TIMES),
        limit=query.limit,
    )
    return AuditLogList(
        audit_logs=[AuditLog.model_validate(item) for item in page.items],
        next_cursor=cursor.encode(page.next_key, *scope),
    )

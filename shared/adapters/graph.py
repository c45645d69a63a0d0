"""Microsoft Graph through azure-core's own pipeline.

Sources: https://learn.microsoft.com/graph/api/application-list, -addpassword, -removepassword
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from azure.core import AsyncPipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import UserAgentPolicy
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from shared.adapters.azure_errors import TIMED_OUT, retry_seconds, was_never_sent
from shared.domain.credential import ClientSecret
from shared.domain.errors import DirectoryRefused, ProductError, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from shared.domain.graph_errors import HOME_TENANT, explain_graph
from shared.services.ports import AppAuthority, Audience, GraphSession, ListedPassword, NewPassword, Registration

SERVICE = "Microsoft Graph"
HOLDS_TWO = "AzureADandPersonalMicrosoftAccount"
SELECT = "id,signInAudience,passwordCredentials"

_NONSENSE = f"{SERVICE} gave an answer that makes no sense; try again later"


class AzureGraph:
    """`Graph` over HTTPS.

    Nothing is sent again and no redirect is followed, since the pipeline has no policy that would: throttling is sat
    out by the row, and a lost answer looked after. aiohttp repeats a GET whose kept-alive connection was cut, never a
    POST. The time-outs are `transport`'s.
    """

    def __init__(self, *, url: str, authority: AppAuthority, transport: AsyncHttpTransport[Any, Any]) -> None:
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            url, policies=[UserAgentPolicy("keyvault-connections")], transport=transport
        )
        self._authority = authority

    async def sign_in(self, credential: ClientSecret) -> GraphSession:
        """See `Graph`."""
        token = await self._authority.app_token(credential, Audience.GRAPH)
        return _Session(self._client, credential.client_id, token.access_token)


class _Session:
    """`GraphSession` with one token."""

    def __init__(self, client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse], client_id: str, token: str) -> None:
        self._client = client
        self._client_id = client_id
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    async def registration(self) -> Registration | None:
        """See `GraphSession`."""
        query = {"$filter": f"appId eq '{UUID(self._client_id)}'", "$select": SELECT}
        answer = await self._send(HttpRequest("GET", "/applications", params=query, headers=self._headers))
        _check(answer)
        found = _parsed(_Applications, answer)
        if found is None:  # not to be taken for an app that is not there
            raise UpstreamUnavailable(SERVICE, _NONSENSE)
        return found.value[0].registration() if found.value else None

    async def add_password(self, object_id: str, *, display_name: str, ends_at: datetime) -> NewPassword:
        """See `GraphSession`."""
        wanted = {"displayName": display_name, "endDateTime": ends_at.astimezone(UTC).isoformat(timespec="seconds")}
        answer = await self._post(object_id, "addPassword", {"passwordCredential": wanted})
        _check(answer)
        added = _parsed(_Added, answer)
        if added is None:  # the password exists all the same
            raise UpstreamTimeout(SERVICE, _NONSENSE)
        return NewPassword(str(added.key_id), added.secret_text, added.end_date_time)

    async def remove_password(self, object_id: str, key_id: str) -> None:
        """See `GraphSession`."""
        answer = await self._post(object_id, "removePassword", {"keyId": key_id})
        if not _is_gone(answer):
            _check(answer)

    async def _post(self, object_id: str, action: str, body: dict[str, Any]) -> AsyncHttpResponse:
        path = f"/applications/{UUID(object_id)}/{action}"
        return await self._send(HttpRequest("POST", path, json=body, headers=self._headers))

    async def _send(self, request: HttpRequest) -> AsyncHttpResponse:
        request.url = self._client.format_url(request.url)
        try:
            return await self._client.send_request(request)
        except AzureError as error:
            if was_never_sent(error):
                raise UpstreamUnavailable(SERVICE) from error
            raise UpstreamTimeout(SERVICE) from None  # its text may repeat what arrived of the answer


class _Answer(BaseModel):
    """What is read of Graph's answers; the rest is left alone."""

    model_config = ConfigDict(alias_generator=to_camel)


class _Password(_Answer):
    key_id: UUID
    display_name: str | None = None
    hint: str | None = None
    end_date_time: AwareDatetime | None = None


class _Application(_Answer):
    id: UUID
    sign_in_audience: str | None = None
    password_credentials: Sequence[_Password]

    def registration(self) -> Registration:
        """In the port's terms."""
        passwords = [
            ListedPassword(str(each.key_id), each.display_name, each.hint, each.end_date_time)
            for each in self.password_credentials
        ]
        return Registration(str(self.id), passwords, self.sign_in_audience == HOLDS_TWO)


class _Applications(_Answer):
    value: Sequence[_Application]


class _Added(_Answer):
    key_id: UUID
    secret_text: Annotated[str, StringConstraints(min_length=1), Field(repr=False)]
    end_date_time: AwareDatetime


class _Error(_Answer):
    code: str = ""
    message: str = ""


class _Refused(_Answer):
    error: _Error


Parsed = TypeVar("Parsed", bound=_Answer)


def _parsed(kind: type[Parsed], answer: AsyncHttpResponse) -> Parsed | None:
    """The answer's body; None when it is of another shape. Pydantic's own error would repeat it."""
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError:
        return None


def _is_gone(answer: AsyncHttpResponse) -> bool:
    """Graph itself says that there is no such password or app; something on the way may answer 404 too."""
    refused = _parsed(_Refused, answer) if answer.status_code in (400, 404) else None
    if refused is None:
        return False
    return answer.status_code == 404 or refused.error.message.startswith("No password credential found with keyId")


def _check(answer: AsyncHttpResponse) -> None:
    if answer.status_code >= 300:
        raise _refusal(answer)


def _refusal(answer: AsyncHttpResponse) -> ProductError:
    """What a refusal means. Only what Graph itself refused is refused for good."""
    status, after = answer.status_code, retry_seconds(answer.headers)
    if status in TIMED_OUT:
        return UpstreamTimeout(SERVICE)
    if status == 429 or status >= 500:
        return UpstreamUnavailable(SERVICE, retry_after=after)
    if status == 401:
        return UpstreamError(SERVICE, f"{SERVICE} did not accept the app's token; try again later")
    refused = _parsed(_Refused, answer) if status >= 400 else None
    if status == 409 or (refused is not None and _is_crowded(refused.error)):
        busy = f"{SERVICE} is busy with another change of the app; try again later"
        return UpstreamUnavailable(SERVICE, busy, retry_after=after)
    if refused is None:
        return UpstreamUnavailable(SERVICE, _NONSENSE)
    error = refused.error
    return DirectoryRefused(HOME_TENANT if status == 404 else explain_graph(status, error.code, error.message))


def _is_crowded(error: _Error) -> bool:
    """An application has one writer at a time; Graph tells the second in several ways."""
    return error.code == "Directory_ConcurrencyViolation" or "concurrent requests" in error.message.lower()

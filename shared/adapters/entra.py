"""Microsoft Entra ID: MSAL does the protocol, azure-identity proves the service's own app.

MSAL is synchronous and fetches discovery when an app object is made: it runs in a thread, one object per tenant, and
keeps nothing of what it is told (neither tokens nor failures), or memory and stale errors would grow with each grant.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import jwt
import msal

from shared.adapters.app_credential import OwnCredential
from shared.adapters.entra_answers import SERVICE, nonsense, refused
from shared.adapters.http_session import EntraSession
from shared.domain.entra_errors import RESOURCE_REFUSED
from shared.domain.errors import BadRequest, GrantRefused, UpstreamError, UpstreamUnavailable
from shared.services.ports import Authorization, Clock, Grant

log = logging.getLogger(__name__)

MAX_APPS = 256
MAX_CALLS = 16
CLOCK_SKEW_SECONDS = 300

_ISSUER_TENANT = re.compile(r"/([0-9a-fA-F-]{36})(/|$)")


class _Forgetful(dict[str, Any]):
    """MSAL's HTTP cache, remembering nothing: an administrator who mends something must not meet an old error."""

    def __setitem__(self, key: str, value: Any) -> None:
        """Forget."""


class _NoTokenCache(msal.TokenCache):  # type: ignore[misc]  # msal ships no types
    """MSAL's token cache, storing nothing: Key Vault is where grants live."""

    def add(self, event: Any, now: Any = None) -> None:
        """Forget."""


class MsalEntra:
    """`Entra` through MSAL."""

    def __init__(
        self,
        *,
        client_id: str,
        authority_host: str,
        scope: str,
        app_credential: OwnCredential,
        clock: Clock,
        session: EntraSession,
        instance_discovery: bool = True,
    ) -> None:
        self._client_id = client_id
        self._host = authority_host.rstrip("/")
        self._scopes = [scope]
        self._app_credential = app_credential
        self._clock = clock
        self._session = session
        self._instance_discovery = instance_discovery
        self._threads = ThreadPoolExecutor(max_workers=MAX_CALLS, thread_name_prefix="entra")
        self._apps: OrderedDict[str, tuple[Any, msal.ConfidentialClientApplication]] = OrderedDict()

    async def begin(self, tenant: str, *, redirect_uri: str, state: str, form_post: bool) -> Authorization:
        """See `Entra`."""
        flow = await self._call(
            tenant,
            lambda app: app.initiate_auth_code_flow(
                self._scopes,
                redirect_uri=redirect_uri,
                state=state,
                prompt="select_account",
                response_mode="form_post" if form_post else "query",
            ),
        )
        return Authorization(url=flow["auth_uri"], flow=flow)

    async def finish(self, tenant: str, flow: Mapping[str, Any], answer: Mapping[str, str]) -> Grant:
        """See `Entra`."""
        result = await self._call(
            tenant, lambda app: app.acquire_token_by_auth_code_flow(dict(flow), dict(answer), scopes=self._scopes)
        )
        return self._grant(result)

    async def redeem(self, tenant: str, code: str, *, redirect_uri: str, verifier: str | None) -> Grant:
        """See `Entra`."""
        data = {"code_verifier": verifier} if verifier else {}
        flow = {"redirect_uri": redirect_uri, "data": data}
        result = await self._call(
            tenant, lambda app: app.acquire_token_by_authorization_code(code, self._scopes, **flow)
        )
        return self._grant(result)

    async def refresh(self, tenant_id: str, refresh_token: str) -> Grant:
        """See `Entra`."""
        result = await self._call(
            tenant_id, lambda app: app.acquire_token_by_refresh_token(refresh_token, self._scopes)
        )
        if not result.get("refresh_token"):
            raise UpstreamError(SERVICE, f"{SERVICE} gave no new refresh token")
        return self._grant(result)

    async def tenant_of(self, domain: str) -> str:
        """See `Entra`. The discovery document of a verified domain names its tenant's issuer."""
        url = f"{self._host}/{domain}/v2.0/.well-known/openid-configuration"
        response = await self._in_thread(lambda: self._session.get(url))
        found = _ISSUER_TENANT.search(str(response.json().get("issuer", "")))
        if response.status_code != 200 or found is None:
            raise BadRequest(f'No Entra tenant has verified the domain "{domain}"')
        return found.group(1).lower()

    async def _call(self, tenant: str, act: Callable[[Any], Any]) -> dict[str, Any]:
        credential = await self._app_credential()
        try:
            result = await self._in_thread(lambda: act(self._app(tenant, credential)))
        except UpstreamError:
            raise
        except (ValueError, RuntimeError, LookupError) as error:
            # MSAL's words for an unknown tenant, a state or nonce that does not match, an answer with members missing.
            raise _unusable(tenant, error) from error
        if result.get("error"):
            fault = refused(result)
            raise self._own_refusal(fault) if _is_of_our_app(fault) else fault
        return dict(result)

    async def _in_thread(self, act: Callable[[], Any]) -> Any:
        """In threads of its own: an Entra that is slow must not hold up whatever else uses the loop's threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, act)

    def _own_refusal(self, refusal: Exception) -> UpstreamError:
        """Entra refused the service's own app: no caller can mend that, and no connection is to be judged by it."""
        log.error("entra.own-credential-refused %s", refusal)
        self._app_credential.forget()
        return UpstreamError(SERVICE, f"{SERVICE} refused this service's own app registration; tell the operators")

    def _app(self, tenant: str, credential: Any) -> Any:
        made_with, app = self._apps.get(tenant, (None, None))
        if app is None or made_with is not credential:
            app = msal.ConfidentialClientApplication(
                self._client_id,
                client_credential=credential,
                authority=f"{self._host}/{tenant}",
                instance_discovery=self._instance_discovery,
                http_client=self._session,
                http_cache=_Forgetful(),
                token_cache=_NoTokenCache(),
            )
            self._apps[tenant] = (credential, app)
            while len(self._apps) > MAX_APPS:
                self._apps.popitem(last=False)
        return app

    def _grant(self, result: Mapping[str, Any]) -> Grant:
        """The grant, once its ID token is shown to be meant for us (OpenID Connect Core section 3.1.3.7).

        The token came over TLS from the token endpoint itself, which stands in for its signature (ibid., item 6).
        """
        if not isinstance(result.get("access_token"), str):
            raise UpstreamError(SERVICE, f"{SERVICE} gave an answer without a token")
        if not result.get("refresh_token"):
            raise BadRequest(
                "Failed to get access token: Entra granted no refresh token. Ask for the scope offline_access."
            )
        if not isinstance(result["refresh_token"], str):
            raise nonsense()
        claims = self._verified_claims(str(result.get("id_token", "")))
        return Grant(
            tenant_id=str(claims["tid"]).lower(),
            account_id=str(claims["oid"]),
            account_name=claims.get("preferred_username"),
            refresh_token=result["refresh_token"],
            access_token=result["access_token"],
            expires_at=self._end(result),
        )

    def _end(self, result: Mapping[str, Any]) -> datetime:
        try:
            return self._clock() + timedelta(seconds=int(result.get("expires_in", 0)))
        except (TypeError, ValueError, OverflowError):  # its text may repeat the answer, so it goes no further
            raise nonsense() from None

    def _verified_claims(self, id_token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                id_token,
                audience=self._client_id,
                leeway=CLOCK_SKEW_SECONDS,
                options={
                    "verify_signature": False,
                    "verify_aud": True,
                    "verify_exp": True,
                    "verify_nbf": True,
                    "require": ["aud", "exp", "iss", "tid", "oid"],
                },
            )
        except jwt.InvalidTokenError as error:
            raise UpstreamError(SERVICE, f"{SERVICE} gave an ID token that is not meant for this service") from error
        if claims["iss"] != f"{self._host}/{claims['tid']}/v2.0":
            raise UpstreamError(SERVICE, f"{SERVICE} gave an ID token of another issuer")
        return claims


def _is_of_our_app(fault: Exception) -> bool:
    """Whether Entra refused the service's own app, not the customer's sign-in.

    With `invalid_client` it also says that Key Vault may not be asked for in that tenant. Our credential was good then,
    and one tenant's trouble must not be told the operators as everybody's. Taken for the customer's, it can do little
    harm: the connection is degraded, says what is missing, and is tried again at each use.
    """
    if not isinstance(fault, GrantRefused):
        return False
    return fault.refusal.error == "invalid_client" and fault.refusal.aadsts not in RESOURCE_REFUSED


def _unusable(tenant: str, error: Exception) -> Exception:
    text = f"{error} {error.__context__}"  # MSAL's own text hides Entra's, which it was raised from
    if "AADSTS90002" in text:
        return refused({"error": "invalid_tenant", "error_codes": [90002]})
    if "nonce in id token" in text or "state mismatch" in text:
        return BadRequest("Failed to get access token: the answer does not belong to this sign-in. Start again.")
    return UpstreamUnavailable(SERVICE, f"{SERVICE} gave an answer that makes no sense (tenant {tenant})")

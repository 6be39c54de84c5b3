"""The deployed app: its settings, its health, and a call as you."""

from __future__ import annotations

import base64
import json
import re
from typing import NamedTuple

from client.settings import may_receive_tokens

from ..az import TokenRefusedError
from ..case import Case
from ..given import SECTIONS
from ..reading import Json, Reply
from ..verdicts import CannotTellError, Findings, Wrong, command
from .surroundings import set_command, wrong_setting

AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
HEALTH = "/api/health"
PARTS = ("client credential", "signing keys")
"""What the health check may call broken."""
_NAME = re.compile(r"[A-Za-z0-9_.:\-]{1,200}")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LIST_INDEX = re.compile(r"__\d+$")


class Code(NamedTuple):
    """What a code of the API means here, and what to do. With `right` it is no fault of the tenant."""

    meaning: str
    command: str = ""
    right: str = ""


CODES = {
    "invalid_token": Code(
        "the API refuses the token that Entra has just issued for it, or Entra refuses to exchange it, as when your "
        "sessions were revoked; the log says which",
        "{log}",
    ),
    "insufficient_claims": Code("Entra demands more of you, such as a second factor", right="{client}"),
    "insufficient_scope": Code("the token lacks the scope of the function", "{preauthorize}"),
    "insufficient_role": Code(
        "you lack the app role of the function", right="an app role, which an administrator gives"
    ),
    "guest_not_allowed": Code("you are a guest, and guests may not call", right="an account that is a member"),
    "agent_user_not_allowed": Code("you are the account of an agent", right="an account of a person"),
    "consent_required": Code("nobody has consented to what the API calls", "{consent}"),
    "access_denied": Code("a policy of the tenant blocks you, or the API behind it does; the log says which", "{log}"),
    "server_misconfigured": Code("settings, registration or credential are wrong; the log names what", "{log}"),
    "internal_error": Code("the function failed; the log has the traceback", "{log}"),
    "downstream_failed": Code("the API behind it failed; the log has its status", "{log}"),
    "temporarily_unavailable": Code("Entra, Key Vault or the API behind it is down", right="another try, {later}"),
    "downstream_timeout": Code("the API behind it did not respond in time", right="another try, {later}"),
}
"""By the codes of docs/errors.md."""


def names(case: Case) -> Findings:
    """The code accepts the names of the site's app settings, and no setting that is given here is missing there."""
    deployed = case.site_settings
    ours = [name for name in deployed if name.lower().startswith(SECTIONS)]
    problems = case.problems_of(ours)
    there = {_LIST_INDEX.sub("", name.lower()) for name in ours}
    for name, reason in sorted(problems.items()):
        yield wrong_setting(case, name, reason, "on the site, ")
    for name in sorted(case.given.settings):
        if _LIST_INDEX.sub("", name.lower()) not in there and name not in problems:
            yield Wrong(f"{name} is given here and missing on the site", set_command(case, name))
    yield f"{len(ours)} names"


def health(case: Case) -> Findings:
    """The deployed app says that its settings are right."""
    reply = case.reader.send("GET", f"{_base(case)}{HEALTH}")
    if reply.status == 200:
        return
    if reply.status == 404 and case.reader.send("GET", f"{_base(case)}{case.path}").status != 404:
        yield f"not used: the app has no route {HEALTH}"
    elif reply.status == 404:
        yield Wrong(f"the app has no route {HEALTH}: it is not deployed, or cannot be imported", "azd deploy api")
    elif reply.status == 503:
        yield from _unhealthy(case, reply.body)
    else:
        raise CannotTellError(f"the app responds {reply.status}", "a way to the app: a network that it lets in")


def metadata(case: Case) -> Findings:
    """The metadata document of each address of the API names this address, and the scopes below it."""
    urls = case.settings.public_urls
    for one in urls:
        if not may_receive_tokens(one.url):
            raise CannotTellError(f"{one.url} is not https", "an address with https")
        reply = case.reader.send("GET", one.metadata)
        scopes = {f"{one.url}/{scope}" for scope in case.settings.scopes}
        if reply.status == 404:
            yield Wrong(f"{one.metadata} is not there: the app has no route for it, or is old", "azd deploy api")
        elif reply.status != 200:
            raise CannotTellError(f"{one.metadata}: {reply.status}", "a way to the app: a network that it lets in")
        elif reply.body.get("resource") != one.url or set(_texts(reply.body, "scopes_supported")) != scopes:
            what = f"{one.metadata} names another address or other scopes, so the app has other settings"
            yield Wrong(what, set_command(case, "AzureAd__PublicUrls"))
    yield f"{len(urls)} documents" if urls else "not used: AzureAd__PublicUrls names no address"


def _unhealthy(case: Case, body: Json) -> Findings:
    """What the app says: names of settings, and parts that the last requests found broken."""
    settings = [one for one in _texts(body, "settings") if _NAME.fullmatch(one)]
    broken = [one for one in _texts(body, "broken") if one in PARTS]
    for name in settings:
        yield Wrong(f"the app says that {name} is wrong", set_command(case, name))
    for part in broken:
        yield Wrong(f"the app says that its {part} cannot be loaded; its log says why", _log(case))
    if not settings and not broken:
        yield Wrong("the app is unhealthy; its log says why", _log(case))


def _texts(body: Json, name: str) -> list[str]:
    listed = body.get(name)
    return [str(one) for one in listed[:20]] if isinstance(listed, list) else []


def end_to_end(case: Case) -> Findings:
    """A token for the API, and a call as you."""
    base = _base(case)
    scope = next(iter(case.given.text("API_SCOPE").split()), f"{case.settings.client_id}/.default")
    try:
        token = case.reader.token(scope)
    except TokenRefusedError as refused:
        if refused.number in ("AADSTS65001", "AADSTS650057", ""):
            raise CannotTellError(
                f"{refused}: the Azure CLI may not ask for a token for the API",
                f"azd env set DEVELOPER_TOOL_CLIENT_IDS '[\"{AZURE_CLI}\"]' && azd provision; or {_client(case)}",
            ) from None
        raise
    own = case.settings.client_id
    if _audience_of(token) not in (own, f"api://{own}", *case.settings.audiences):
        raise CannotTellError(
            "the token for API_SCOPE is not for this API, so it was not sent", "the scope of this API in API_SCOPE"
        )
    reply = case.reader.send("GET", f"{base}{case.path}", token)
    if 200 <= reply.status < 300:
        yield f"GET {case.path}: {reply.status}"
        return
    yield _explained(case, reply)


def _audience_of(token: str) -> str:
    """For whom Entra issued a token; "" if that cannot be read."""
    try:
        claims = token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["aud"])
    except (ValueError, LookupError, TypeError):
        return ""


def _explained(case: Case, reply: Reply) -> Wrong:
    code = str(reply.body.get("code", ""))
    known = CODES.get(code)
    said = f"GET {case.path}: {reply.status} {code}".rstrip() if known else f"GET {case.path}: {reply.status}"
    if known is None and reply.status == 404:
        raise CannotTellError(said, "another route that any user may call: --path")
    if known is None:
        raise CannotTellError(said, "a look at the log of the API")
    words = {
        "log": _log(case, reply.body),
        "client": _client(case),
        "later": f"in {reply.retry_after} s" if reply.retry_after.isdecimal() else "later",
        "consent": command("az", "ad", "app", "permission", "admin-consent", "--id", case.settings.client_id),
        "preauthorize": f"azd env set DEVELOPER_TOOL_CLIENT_IDS '[\"{AZURE_CLI}\"]' && azd provision",
    }
    if known.right:
        raise CannotTellError(f"{said}: {known.meaning}", known.right.format(**words))
    return Wrong(f"{said}: {known.meaning}", known.command.format(**words))


def _base(case: Case) -> str:
    base = case.given.text("API_BASE_URL").rstrip("/")
    if not base:
        raise CannotTellError("API_BASE_URL is not given", "the address of the API, in --env-file")
    if not may_receive_tokens(base):
        raise CannotTellError("API_BASE_URL is not https", "an address with https")
    return base


def _group(case: Case) -> str:
    return case.given.text("AZURE_RESOURCE_GROUP")


def _log(case: Case, body: Json | None = None) -> str:
    """What shows the lines of a request in Application Insights: by the correlation id in `body`, or the newest."""
    correlation = str((body or {}).get("correlation_id", ""))
    try:
        listed = case.resources(f"{case.group}/providers/Microsoft.Insights/components")
    except CannotTellError:
        listed = []
    name = str(listed[0].get("name")) if listed else "NAME"
    known = (
        f"operation_Id == '{correlation.replace('-', '')}'" if _GUID.fullmatch(correlation) else "timestamp > ago(1h)"
    )
    query = f"traces | where {known} | project timestamp, message | order by timestamp desc | take 20"
    where = ("--apps", name, "--resource-group", _group(case) or "GROUP")
    return command("az", "monitor", "app-insights", "query", *where, "--analytics-query", query)


def _client(case: Case) -> str:
    return f"python3 dev.py client {case.path}"

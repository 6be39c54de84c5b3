"""The sign-in server: plain HTTP on localhost, with the sign-in pages, and switches for a person or a script."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from .applications import API, Application
from .audit import Audit
from .azure.access import Access
from .directory import Directory
from .entra.refusals import EntraError
from .faults import Faults
from .flow.guard import OwnPages
from .flow.routes import Flow
from .index_page import INDEX_HEADERS, consented_page, index_page
from .people import EVERYONE, Person
from .refused_tokens import RefusedTokens
from .requests_io import json_object, json_reply

FAULT_FIELDS = {"target", "status", "headers", "body", "delay", "times", "person", "network", "without", "every"}


@dataclass(frozen=True)
class Controls:
    """What another process can read and change."""

    audit: Audit
    faults: Faults
    roll_signing_key: Callable[..., str]
    rotate_certificate: Callable[..., object]
    refused_tokens: Mapping[str, RefusedTokens]
    directory: Directory
    azure: Mapping[str, Access]
    challenge_by_graph: Callable[..., object]
    flow: Flow
    azure_cli_token: Callable[[Person, str], str]


def build_sign_in_server(controls: Controls, entra: ASGIApp) -> Starlette:
    """The ASGI application of the sign-in server. It accepts only this machine's names, against DNS rebinding."""
    app = Starlette(
        routes=[
            Route("/", _index),
            Route("/_emulators/audit", _audit),
            Route("/_emulators/faults", _faults, methods=["POST", "DELETE"]),
            Route("/_emulators/roll-signing-key", _roll, methods=["POST"]),
            Route("/_emulators/rotate-certificate", _rotate, methods=["POST"]),
            Route("/_emulators/refuse-seen-tokens", _refuse_seen_tokens, methods=["POST"]),
            Route("/_emulators/grant", _grant, methods=["POST"]),
            Route("/_emulators/challenge", _challenge, methods=["POST"]),
            Route("/_emulators/azure-cli-token", _azure_cli_token, methods=["POST"]),
            Route("/_emulators/consented", _consented, methods=["GET", "POST"]),
            *controls.flow.routes(),
            Mount("/login.microsoftonline.com", entra),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"]),
            Middleware(OwnPages),
        ],
    )
    app.state.controls = controls
    return app


def _controls(request: Request) -> Controls:
    controls: Controls = request.app.state.controls
    return controls


async def _options(request: Request, known: Collection[str]) -> dict[str, Any]:
    """The JSON body. A page of another site cannot send that content type without being asked first (CORS)."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ValueError("the content type must be application/json")
    try:
        options = json_object(await request.body() or b"{}")
    except ValueError as problem:
        raise ValueError(f"the body must be a JSON object: {problem}") from problem
    if unknown := options.keys() - known:
        raise ValueError(f"no field {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    return options


async def _switches(request: Request, *known: str) -> dict[str, bool]:
    options = await _options(request, known)
    for name, value in options.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false, not {value!r}")
    return options


async def _index(request: Request) -> Response:
    people = _controls(request).flow.people.values()
    return HTMLResponse(index_page(people), headers=INDEX_HEADERS)


async def _consented(_request: Request) -> Response:
    return HTMLResponse(consented_page(), headers={"Cache-Control": "no-store"})


async def _audit(request: Request) -> Response:
    try:
        since = int(request.query_params.get("since", "0"))
    except ValueError:
        return json_reply({"error": "since must be a number"}, 400)
    audit = _controls(request).audit
    mark = audit.mark()
    return json_reply({"mark": mark, "entries": [dataclasses.asdict(entry) for entry in audit.entries(since)]})


async def _faults(request: Request) -> Response:
    faults = _controls(request).faults
    if request.method == "DELETE":
        faults.clear()
        return json_reply({"faults": "none"})
    try:
        options = await _options(request, FAULT_FIELDS)
        fault = faults.add(options.pop("target", ""), **options)
    except ValueError as problem:
        return json_reply({"error": str(problem)}, 400)
    return json_reply({"added": fault.describe(), "target": fault.target}, 201)


async def _roll(request: Request) -> Response:
    try:
        options = await _switches(request, "withdraw_old")
    except ValueError as problem:
        return json_reply({"error": str(problem)}, 400)
    return json_reply({"kid": _controls(request).roll_signing_key(**options)})


async def _rotate(request: Request) -> Response:
    try:
        options = await _switches(request, "register", "unregister_old", "in_vault")
    except ValueError as problem:
        return json_reply({"error": str(problem)}, 400)
    _controls(request).rotate_certificate(**options)
    return json_reply({"rotated": True})


async def _refuse_seen_tokens(request: Request) -> Response:
    """`target`: the API that shall refuse, with a plain 401, every token that it was shown before."""
    refused = _controls(request).refused_tokens
    try:
        options = await _options(request, {"target"})
        target = _one_of("target", options, refused)
    except ValueError as problem:
        return json_reply({"error": str(problem)}, 400)
    return json_reply({"refused": refused[target].refuse_seen()})


async def _grant(request: Request) -> Response:
    """Consent given later: `person` lets the API use `scope` of `resource`."""
    try:
        options = await _options(request, {"person", "resource", "scope"})
        person = _one_of("person", options, EVERYONE)
        controls = _controls(request)
        resource = _application(controls, _one_of("resource", options, controls.refused_tokens))
        scope = _one_of("scope", options, resource.scopes)
    except ValueError as problem:
        return json_reply({"error": str(problem)}, 400)
    controls.directory.grant(person, API, resource, (scope,))
    return json_reply({"granted": scope})


async def _challenge(request: Request) -> Response:
    """A claims challenge: `target` refuses the next token (of `person`), and asks for `claims` (MFA without them)."""
    controls = _controls(request)
    try:
        options = await _options(request, {"target", "person", "claims"})
        target = _one_of("target", options, {"graph", *controls.azure})
        person = _one_of("person", options, EVERYONE) if "person" in options else None
        claims = options.get("claims")
        if not isinstance(claims, (dict, type(None))):
            raise ValueError('claims must be an object, such as {"access_token": {"acrs": {"value": "c1"}}}')
    except ValueError as problem:
        return json_reply({"error": str(problem)}, 400)
    if target == "graph":
        controls.challenge_by_graph(claims, person=person)
    else:
        controls.azure[target].demands.add(claims, person=person)
    return json_reply({"challenges": target}, 201)


async def _azure_cli_token(request: Request) -> Response:
    """What `az account get-access-token --scope` would print for `person`: a token for the resource of `scope`."""
    try:
        options = await _options(request, {"person", "scope"})
        person = EVERYONE[_one_of("person", options, EVERYONE)]
        token = _controls(request).azure_cli_token(person, str(options.get("scope")))
    except ValueError as problem:
        return json_reply({"error": str(problem)}, 400)
    except EntraError as refusal:
        return json_reply({"error": str(refusal)}, 403)
    return json_reply({"accessToken": token, "tenant": person.tenant})


def _application(controls: Controls, name: str) -> Application:
    azure = controls.azure.get(name)
    return controls.directory.applications[name if azure is None else azure.kind.application]


def _one_of(name: str, options: Mapping[str, Any], choices: Collection[str]) -> str:
    value = options.get(name)
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(sorted(choices))}")
    return value

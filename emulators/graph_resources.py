"""Profiles of Graph: that of the person who calls, and those of others."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from .applications import GRAPH_URI
from .graph_routes import NOTHING, Call, GraphError, Needs, Route
from .people import Person, people_of

_OF_OTHERS = ("User.ReadBasic.All", "User.Read.All")
_OF_ONESELF = Needs(("User.Read", "User.Read.All", "User.ReadWrite.All", "Directory.AccessAsUser.All"))
METADATA = f"{GRAPH_URI}/v1.0/$metadata"


def _profile(person: Person) -> dict[str, object]:
    return {
        "businessPhones": [],
        "displayName": person.display_name,
        "givenName": person.given_name,
        "jobTitle": None,
        "mail": person.mail,
        "mobilePhone": None,
        "officeLocation": None,
        "preferredLanguage": None,
        "surname": person.surname,
        "userPrincipalName": person.upn,
        "id": person.oid,
    }


def _selected(request: Request, person: Person) -> dict[str, object]:
    profile = _profile(person)
    wanted = [name.strip() for name in request.query_params.get("$select", "").split(",") if name.strip()]
    unknown = [name for name in wanted if name not in profile]
    if unknown:
        message = f"Parsing OData Select and Expand failed: Could not find a property named '{unknown[0]}'."
        raise GraphError(400, "BadRequest", message)
    fragment = f"#users({','.join(wanted)})/$entity" if wanted else "#users/$entity"
    return {"@odata.context": METADATA + fragment, **{name: profile[name] for name in wanted or profile}}


def routes() -> list[Route]:
    """What Graph serves of profiles."""
    return [
        Route("GET", "/me", "me", _OF_ONESELF, _me),
        Route("GET", "/users", "users", Needs(_OF_OTHERS), _users, for_apps=True),
        Route("GET", "/users/{id}", "user", NOTHING, _user, for_apps=True),
    ]


def _me(call: Call) -> dict[str, object] | Response:
    """With $select."""
    return _selected(call.request, call.person)


def _users(call: Call) -> dict[str, object] | Response:
    """Everybody, on one page, with $select."""
    listed = [_selected(call.request, person) for person in people_of(call.person.tenant)]
    value = [{name: each for name, each in one.items() if name != "@odata.context"} for one in listed]
    return {"@odata.context": f"{METADATA}#users", "value": value}


def _user(call: Call) -> dict[str, object] | Response:
    """By id or user principal name, with $select."""
    wanted = call.parameters["id"]
    found = next((p for p in people_of(call.person.tenant) if wanted in (p.oid, p.upn)), None)
    own = ["User.Read"] if found == call.person else []
    Needs((*_OF_OTHERS, *own)).check(call.scopes)
    if found is None:
        raise GraphError(404, "Request_ResourceNotFound", f"Resource '{wanted}' does not exist.")
    return _selected(call.request, found)

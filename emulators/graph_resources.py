"""What Graph knows: the profile of the person who calls, and a few neighbours of it."""

from __future__ import annotations

from starlette.requests import Request

from .applications import GRAPH_URI
from .people import PEOPLE, Person

METADATA = f"{GRAPH_URI}/v1.0/$metadata"


class GraphError(Exception):
    """An error reply in Graph's shape; a 401 may carry a challenge of its own.

    `needs`: the scopes of which one would have done. The reply does not name them, as Graph's own does not.
    """

    def __init__(
        self, status: int, code: str, message: str, challenge: str = "", *, needs: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.challenge, self.needs = status, code, challenge, needs

    @property
    def verdict(self) -> str:
        """The reason, for the audit trail."""
        return f"{self.code}: needs {' or '.join(self.needs)}" if self.needs else f"{self.code}: {self}"


def _needs(scopes: frozenset[str], *any_of: str) -> None:
    if not scopes & set(any_of):
        message = "Insufficient privileges to complete the operation."
        raise GraphError(403, "Authorization_RequestDenied", message, needs=any_of)


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


def me(request: Request, person: Person, scopes: frozenset[str]) -> dict[str, object]:
    """GET /me, with $select."""
    _needs(scopes, "User.Read")
    return _selected(request, person)


def user(request: Request, person: Person, scopes: frozenset[str]) -> dict[str, object]:
    """GET /users/{id or user principal name}, with $select."""
    wanted = request.path_params["id"]
    found = next((p for p in PEOPLE.values() if wanted in (p.oid, p.upn)), None)
    _needs(scopes, "User.ReadBasic.All", "User.Read.All", *(["User.Read"] if found == person else []))
    if found is None:
        raise GraphError(404, "Request_ResourceNotFound", f"Resource '{wanted}' does not exist.")
    return _selected(request, found)


def messages(_request: Request, person: Person, scopes: frozenset[str]) -> dict[str, object]:
    """GET /me/messages; every mailbox is empty."""
    if "Mail.Read" not in scopes:
        message = "Access is denied. Check credentials and try again."
        raise GraphError(403, "ErrorAccessDenied", message, needs=("Mail.Read",))
    return {"@odata.context": f"{METADATA}#users('{person.oid}')/messages", "value": []}


def nothing(request: Request, _person: Person, _scopes: frozenset[str]) -> dict[str, object]:
    """Anything else."""
    raise GraphError(404, "ResourceNotFound", f"There is no resource at {request.url.path} in this emulator.")

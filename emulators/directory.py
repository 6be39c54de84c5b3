"""The tenant's directory: registrations, credentials, consents, roles, revocations. Mutable; safe across threads."""

from __future__ import annotations

import copy
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from .applications import AZURE_CLI, Application, FederatedCredential, ManagedIdentity
from .certificates import Certificate
from .groups import MEMBERS, group_id
from .people import ADMIN, CONTOSO, FABRIKAM, NOT_CONSENTED, TENANTS, Person, people_of
from .registrations import registrations
from .table import Table

AUTH_CONTEXTS = {"c1": frozenset({"mfa"}), "c2": frozenset({"mfa", "fido"}), "c3": frozenset[str]()}
"""Published authentication contexts → the methods their policies want: a second factor, a passkey; c3 has no policy."""

ISSUER = f"https://login.microsoftonline.com/{CONTOSO}/v2.0"
"""The issuer of the tokens of managed identities."""

EVERYBODY = "*"
"""Stands for all people in Contoso: consent given by an administrator."""


def everybody_in(tenant: str) -> str:
    """Stands for all people in this tenant."""
    return EVERYBODY if tenant == CONTOSO else f"{EVERYBODY}@{tenant}"


@dataclass(frozen=True)
class Secret:
    """A client secret and the moment it expires (seconds since the epoch)."""

    value: str
    expires: float


def _graph_alone() -> set[str]:
    """What every tenant has."""
    return {"graph"}


class Directory:
    """What administrators and users have set up. Applications have keys: client, api, graph … (see registrations)."""

    def __init__(self, table: Table) -> None:
        self.applications: dict[str, Application] = registrations(table)
        self._lock = threading.RLock()
        self._certificates: dict[str, dict[str, Certificate]] = defaultdict(dict)
        self._secrets: dict[str, list[Secret]] = defaultdict(list)
        self._federated: dict[str, list[FederatedCredential]] = defaultdict(list)
        self._consents: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self._pre_authorized: dict[tuple[str, str], set[str]] = {}
        self._optional_claims: dict[str, set[str]] = defaultdict(set)
        self._optional_claims |= {app.key: set(app.optional_claims) for app in self.applications.values()}
        self._roles: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._app_roles: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._assigned: dict[str, set[str]] = {}
        self._revoked_at: dict[str, float] = {}
        self._installed: dict[str, set[str]] = defaultdict(_graph_alone)  # by tenant: keys of applications
        self._installed[CONTOSO] = set(self.applications)
        self._disabled: set[tuple[str, str]] = set()  # tenant, key
        self._needs_mfa: set[str] = set()
        self._groups = {person: [group_id(name) for name in names] for person, names in MEMBERS.items()}
        self._names_groups = {"api"} if table.group_membership_claims == "SecurityGroup" else set()
        self._seed(table)

    def _seed(self, table: Table) -> None:
        for resource in self.applications.values():
            for client, scopes in resource.pre_authorizes.items():
                self.pre_authorize(resource, self.applications[client], scopes)
        self.pre_authorize(self.applications["api"], AZURE_CLI, table.scopes)
        self.consent_by_people(CONTOSO)
        if table.for_several_tenants:
            self.install(FABRIKAM)
        for key, roles in {"api": table.roles, **{api.key: api.roles for api in table.apis}}.items():
            for role, people in roles.items():
                for name in people:
                    self.assign_role(name, self.applications[key], role)

        self._seed_app_roles(table)

    def _seed_app_roles(self, table: Table) -> None:
        """Roles that applications hold: daemons those of the API, and the API those of Graph and of other APIs."""
        api = self.applications["api"]
        for role, daemons in table.app_roles.items():
            for name in daemons:
                self.assign_app_role(self.applications[f"daemon {name}"], api, role)
        for key, held in {"graph": table.graph_app_roles, **{one.key: one.app_roles for one in table.apis}}.items():
            for role in held:
                self.assign_app_role(api, self.applications[key], role)

    def consent_by_people(self, tenant: str) -> None:
        """Everybody in the tenant consents to what the API calls, but for those who stand for the lack of it."""
        for person in people_of(tenant):
            if NOT_CONSENTED not in person.traits:
                self.consent(person.name)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """At the end of the block, its changes to registrations, consents, policies and assignments are undone."""
        names = (
            "_consents",
            "_pre_authorized",
            "_roles",
            "_app_roles",
            "_assigned",
            "_revoked_at",
            "_needs_mfa",
            "_optional_claims",
            "_groups",
            "_names_groups",
            "_installed",
            "_disabled",
        )
        with self._lock:
            before = {name: copy.deepcopy(getattr(self, name)) for name in names}
            before["applications"] = dict(self.applications)
        try:
            yield
        finally:
            with self._lock:
                vars(self).update(before)

    # Applications and tenants

    def tenant(self, name: str) -> str | None:
        """The id of the tenant with this id or domain name, or None."""
        return TENANTS.get(name.lower())

    def application(self, client_id: str, tenant: str = CONTOSO) -> Application | None:
        """The application with this client id, if it is installed in that tenant, or None."""
        wanted = client_id.lower()
        return next((a for a in self.applications.values() if a.client_id == wanted and self.has(tenant, a)), None)

    def offered(self, client_id: str) -> Application | None:
        """The application of another tenant that may be installed anywhere (AzureADMultipleOrgs), or None."""
        wanted = client_id.lower()
        known = (app for app in self.applications.values() if app.client_id == wanted and app.for_several_tenants)
        return next(known, None)

    def resource(self, identifier: str, tenant: str = CONTOSO) -> Application | None:
        """The application in that tenant that a scope prefix or audience names, or None."""
        exposed = (a for a in self.applications.values() if (a.scopes or a.app_roles) and a.answers_to(identifier))
        return next((app for app in exposed if self.has(tenant, app)), None)

    def has(self, tenant: str, app: Application) -> bool:
        """Whether the tenant has a service principal of the application."""
        with self._lock:
            return app.key in self._installed[tenant]

    def install(self, tenant: str, *keys: str) -> None:
        """Gives the tenant the service principals of these applications, or of all. Its people consent to the API."""
        with self._lock:
            self._installed[tenant] |= set(keys or self.applications)
        if not keys:
            self.consent_by_people(tenant)

    def remove(self, tenant: str, key: str) -> None:
        """An administrator of the tenant deletes the service principal of the application."""
        with self._lock:
            self._installed[tenant] -= {key}

    def change(self, key: str, **changes: Any) -> Application:
        """Somebody edits the manifest of a registration: fields of `Application`. Returns it as it is now."""
        with self._lock:
            changed: Application = replace(self.applications[key], **changes)
            self.applications[key] = changed
        return changed

    def disable(self, tenant: str, key: str) -> None:
        """An administrator of the tenant switches the application off: nobody there may sign in to it."""
        with self._lock:
            self._disabled.add((tenant, key))

    def is_disabled(self, tenant: str, app: Application) -> bool:
        """Whether that has happened."""
        with self._lock:
            return (tenant, app.key) in self._disabled

    def ask_for_claim(self, resource: Application, name: str, *, wanted: bool = True) -> None:
        """Changes which optional claims tokens for `resource` carry."""
        with self._lock:
            self._optional_claims[resource.key] -= {name}
            self._optional_claims[resource.key] |= {name} if wanted else set()

    def asks_for_claim(self, resource: Application, name: str) -> bool:
        """Whether tokens for `resource` carry this optional claim."""
        with self._lock:
            return name in self._optional_claims[resource.key]

    def optional_claims(self, resource: Application) -> frozenset[str]:
        """The optional claims in tokens for `resource`."""
        with self._lock:
            return frozenset(self._optional_claims[resource.key])

    # Credentials

    def register_certificate(self, app: Application, certificate: Certificate) -> None:
        """Lets the application sign client assertions with this certificate's key."""
        with self._lock:
            self._certificates[app.key][certificate.x5t_s256] = certificate

    def unregister_certificate(self, app: Application, certificate: Certificate) -> None:
        """Removes the certificate. Nothing happens when it was not registered."""
        with self._lock:
            self._certificates[app.key].pop(certificate.x5t_s256, None)

    def certificates(self, app: Application) -> list[Certificate]:
        """The application's registered certificates, oldest first."""
        with self._lock:
            return list(self._certificates[app.key].values())

    def add_secret(self, app: Application, expires: float, value: str | None = None) -> str:
        """Adds a client secret (random unless given) and returns its value."""
        secret = Secret(value or secrets.token_urlsafe(30), expires)
        with self._lock:
            self._secrets[app.key].append(secret)
        return secret.value

    def secrets(self, app: Application) -> list[Secret]:
        """The application's secrets, also expired ones."""
        with self._lock:
            return list(self._secrets[app.key])

    def trust_identity(self, app: Application, identity: ManagedIdentity) -> None:
        """Adds a federated credential: tokens of this managed identity stand for the application."""
        self.federate(app, *self.federated(app), FederatedCredential(ISSUER, identity.principal_id))

    def federate(self, app: Application, *credentials: FederatedCredential) -> None:
        """Gives the application these federated credentials, and takes its others away."""
        with self._lock:
            self._federated[app.key] = list(dict.fromkeys(credentials))

    def federated(self, app: Application) -> tuple[FederatedCredential, ...]:
        """The application's federated credentials."""
        with self._lock:
            return tuple(self._federated[app.key])

    # Consent

    def grant(self, person: str, client: Application, resource: Application, scopes: tuple[str, ...]) -> None:
        """Records that `person` (or EVERYBODY) lets `client` use these scopes of `resource`."""
        with self._lock:
            self._consents[(person, client.key, resource.key)].update(scopes)

    def consent(self, person: str, client: str = "api") -> None:
        """The person (or EVERYBODY) consents to all the application's manifest requires."""
        app = self.applications[client]
        for resource, scopes in app.requires.items():
            self.grant(person, app, self.applications[resource], scopes)

    def withdraw_consent(self, person: str, client: str = "api") -> None:
        """Forgets what the person (or EVERYBODY) has consented to for this application."""
        with self._lock:
            for key in [key for key in self._consents if key[:2] == (person, client)]:
                del self._consents[key]

    def pre_authorize(self, resource: Application, client: Application, scopes: tuple[str, ...]) -> None:
        """Lets `client` use exactly these scopes of `resource` without anybody's consent; no scopes end it."""
        with self._lock:
            self._pre_authorized[(client.key, resource.key)] = set(scopes)

    def pre_authorized(self, resource: Application) -> dict[str, frozenset[str]]:
        """The scopes of `resource` that need nobody's consent, by the client id of the client."""
        known = {AZURE_CLI.key: AZURE_CLI, **self.applications}
        with self._lock:
            pairs = [(pair[0], scopes) for pair, scopes in self._pre_authorized.items() if pair[1] == resource.key]
        return {known[client].client_id: frozenset(scopes) for client, scopes in pairs if scopes}

    def grants_to(self, client: Application) -> list[tuple[str, Application, tuple[str, ...]]]:
        """What people (or EVERYBODY) have consented to for the application: who, the resource, and its scopes."""
        with self._lock:
            return [
                (who, self.applications[resource], tuple(sorted(scopes)))
                for (who, key, resource), scopes in self._consents.items()
                if key == client.key and scopes
            ]

    def forget_consent(self, client: Application, resource: Application) -> None:
        """Nobody has consented to what `client` may use of `resource`, and `resource` pre-authorizes none of it."""
        with self._lock:
            self._pre_authorized.pop((client.key, resource.key), None)
            for key in [key for key in self._consents if key[1:] == (client.key, resource.key)]:
                del self._consents[key]

    def granted(self, person: Person, client: Application, resource: Application) -> frozenset[str]:
        """What `client` may use of `resource` for this person: pre-authorized, or with theirs or an admin's consent."""
        with self._lock:
            known = self._pre_authorized.get((client.key, resource.key), set())
            own = self._consents.get((person.name, client.key, resource.key), set())
            everybodys = self._consents.get((everybody_in(person.tenant), client.key, resource.key), set())
            return frozenset(known | own | everybodys)

    # Policies

    def require_mfa(self, resource: Application) -> None:
        """Conditional Access wants a second factor before any token for `resource`."""
        with self._lock:
            self._needs_mfa.add(resource.key)

    def requires_mfa(self, resource: Application) -> bool:
        """Whether such a policy exists."""
        with self._lock:
            return resource.key in self._needs_mfa

    @staticmethod
    def auth_contexts(methods: Iterable[str]) -> frozenset[str]:
        """The authentication contexts whose policies a sign-in by these methods satisfies."""
        return frozenset(name for name, needed in AUTH_CONTEXTS.items() if needed <= set(methods))

    # Groups

    def groups(self, person: Person) -> list[str]:
        """The object ids of the groups in which this person is."""
        with self._lock:
            return list(self._groups.get(person.name, ()))

    def set_groups(self, person: str, groups: Iterable[str]) -> None:
        """Puts a person into exactly these groups, by object id."""
        with self._lock:
            self._groups[person] = list(groups)

    def name_groups(self, resource: Application, *, wanted: bool = True) -> None:
        """Whether tokens for `resource` name the groups of the user (groupMembershipClaims: SecurityGroup)."""
        with self._lock:
            self._names_groups -= {resource.key}
            self._names_groups |= {resource.key} if wanted else set()

    def groups_in_token(self, person: Person, resource: Application) -> tuple[str, ...]:
        """The groups that a token for `resource` has to name, if it names any."""
        with self._lock:
            return tuple(self._groups.get(person.name, ())) if resource.key in self._names_groups else ()

    # People

    def assign_role(self, person: str, resource: Application, role: str) -> None:
        """Gives a person an app role of `resource`."""
        with self._lock:
            self._roles[(person, resource.key)].add(role)

    def roles(self, person: Person, resource: Application) -> tuple[str, ...]:
        """The app roles of `resource` this person holds, sorted."""
        with self._lock:
            return tuple(sorted(self._roles[(person.name, resource.key)]))

    def assign_app_role(self, client: Application, resource: Application, role: str) -> None:
        """Gives an application a role of `resource`, as an administrator does (appRoleAssignedTo)."""
        with self._lock:
            self._app_roles[(client.key, resource.key)].add(role)

    def withdraw_app_roles(self, client: Application, resource: Application) -> None:
        """Takes all roles of `resource` from an application."""
        with self._lock:
            self._app_roles.pop((client.key, resource.key), None)

    def app_roles(self, client: Application, resource: Application) -> tuple[str, ...]:
        """The roles of `resource` that an application holds, sorted."""
        with self._lock:
            return tuple(sorted(self._app_roles[(client.key, resource.key)]))

    def requires_assignment(self, resource: Application) -> bool:
        """Whether only assigned people and applications may use it (appRoleAssignmentRequired)."""
        with self._lock:
            return resource.key in self._assigned

    def require_assignment(self, resource: Application, *people: str) -> None:
        """Only these people, and those directly in these groups, may use it from now on (appRoleAssignmentRequired)."""
        with self._lock:
            self._assigned[resource.key] = set(people)

    def assigned(self, resource: Application) -> frozenset[str]:
        """The people and the groups that are assigned to the application, and to none of its roles."""
        with self._lock:
            return frozenset(self._assigned.get(resource.key, ()))

    def may_use(self, person: Person, resource: Application) -> bool:
        """False when the application demands an assignment this person does not have."""
        with self._lock:
            assigned = self._assigned.get(resource.key, {person.name})
            return not assigned.isdisjoint({person.name, *self._groups.get(person.name, ())})

    def revoke_sessions(self, person: str, at: float) -> None:
        """Tokens issued to the person before that moment no longer give further tokens."""
        with self._lock:
            self._revoked_at[person] = at

    def revoked_at(self, person: Person) -> float | None:
        """When the person's sessions were last revoked, or None."""
        with self._lock:
            return self._revoked_at.get(person.name)

    @staticmethod
    def is_admin(person: Person) -> bool:
        """Whether the person may consent on everybody's behalf."""
        return ADMIN in person.traits

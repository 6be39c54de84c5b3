"""The signed-in user in a function: their claims, and the APIs that can be called as this user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..downstream import DownstreamApi, DownstreamApis
    from ..sessions import RequestContext
    from ..validation import Agent
    from .credential import UserCredential


class SignedInUser:
    """The user who signed in to call this function. It is for one request: do not keep it."""

    def __init__(self, context: RequestContext, apis: DownstreamApis) -> None:
        self._context, self._apis = context, apis

    @cached_property
    def _credentials(self) -> dict[str, UserCredential]:
        """By the name of the API."""
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    @property
    def correlation_id(self) -> str:
        """The GUID of this request in the log, in Entra's sign-in log and in an error response."""
        return self._context.record.correlation_id

    @cached_property
    def claims(self) -> Mapping[str, Any]:
        """All claims of the validated access token, by name. Never log their values.

        https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
        """
        return self._context.access_token.claims()

    @property
    def id(self) -> str:
        """The user's object id, the claim `oid`. Use it together with `tenant_id` as the key of what you store."""
        return self._context.access_token.object_id

    @property
    def tenant_id(self) -> str:
        """The id of the user's tenant, the claim `tid`."""
        return self._context.access_token.authority.tenant_id

    @property
    def name(self) -> str:
        """The name to show, the claim `name`; "" without one. Never decide by it: it changes and is not unique."""
        return str(self.claims.get("name", ""))

    @property
    def scopes(self) -> frozenset[str]:
        """What the client may do for the user: the scopes in the claim `scp`."""
        return self._context.access_token.scopes

    @property
    def roles(self) -> frozenset[str]:
        """The user's app roles in this API, the claim `roles`; empty without one."""
        return self._context.access_token.roles()

    @property
    def agent(self) -> Agent | None:
        """The agent that calls for this user (Entra Agent ID); None if no agent takes part.

        An agent has `client_id` and `blueprint` (a client id or ""), and `is_user`: whether the user is the agent's own
        account.
        """
        return self._context.access_token.agent

    @property
    def groups(self) -> frozenset[str]:
        """The object ids of the user's groups, the claim `groups`. The registration of the API must ask for it.

        Raises:
            ServerMisconfigured: the user has too many groups for the token; use `member_of`. Or the claim is no list of
                texts. 500.
        """
        from .groups import groups_in

        return groups_in(self.claims)

    def _credential(self, name: str) -> UserCredential:
        """The one credential of this request for an API. `azure_options` recognizes the tokens that it issued."""
        from .credential import UserCredential

        api = self._apis.named(name)
        credential = UserCredential(api, self._context, self._context.access_token.authority)
        return self._credentials.setdefault(api.name, credential)


def context_of(user: SignedInUser) -> RequestContext:
    """The request in which this user calls, for other packages of shared/."""
    return user._context


class User(SignedInUser):
    """The signed-in user, for `def` functions."""

    def api(self, name: str) -> DownstreamApi:
        """The downstream API that the settings `DownstreamApis__NAME__...` describe. It is called as this user.

        Args:
            name: the NAME in these settings, such as `Graph`. Upper and lower case do not matter.

        Raises:
            ServerMisconfigured: there are no such settings. 500.
        """
        return self._apis.called_by(self._context, name)

    def member_of(self, groups: Iterable[str], *, api: str = "Graph") -> frozenset[str]:
        """Asks Graph which of these groups the user is a member of, directly or through other groups.

        Graph's permission `User.Read` suffices. Each request holds 20 groups.

        Args:
            groups: object ids of groups, 1,000 at most.
            api: the NAME in the settings `DownstreamApis__NAME__...` of Microsoft Graph.

        Returns:
            The object ids in lower case. Empty: the user is in none of these groups.

        Raises:
            ValueError: a group is not a GUID. Nothing was sent.
            ApiError: the errors of `user.api(…).post`.
        """
        from .groups import PATH, confirmed, questions

        graph, found = self.api(api), set[str]()
        for question in list(questions(groups)):
            found |= confirmed(question, graph.post(PATH, json=question, idempotent=True))
        return frozenset(found)

    def token(self, name: str) -> str:
        """An access token for a downstream API as this user, for libraries that want the token itself.

        Never log it, never return it, and send it to that API alone.

        Args:
            name: as for `api`.

        Returns:
            The token as text.

        Raises:
            ClaimsChallenge: Entra demands more of the user, such as MFA. 401.
            InvalidToken: Entra no longer accepts the user's access token. 401.
            ConsentRequired: consent to the scopes of this API is missing. 403.
            AccessDenied: a policy of Entra refuses this user. 403.
            ServerMisconfigured: no such settings, or Entra does not accept this application. 500.
            ServiceUnavailable: Entra asks to wait, or does not respond. 503 with `Retry-After`.
        """
        return self._context.token_for(self._apis.named(name)).token

    def credential(self, name: str) -> UserCredential:
        """A credential for the client of an Azure SDK, such as azure-storage-blob, that acts as this user.

        It ends with the request: a client that is kept longer fails. Make a client for each request, with
        `azure_options()`.

        Args:
            name: as for `api`. `azure_options()` needs `DownstreamApis__NAME__BaseUrl`, which may be absent otherwise.

        Returns:
            An azure-core `TokenCredential`. Its errors are those of `token`, and ServerMisconfigured for a scope of
            another resource than `DownstreamApis__NAME__Scopes` names. None of them is an `AzureError`, so they pass
            through the client.

        Raises:
            ServerMisconfigured: there are no such settings. 500.
        """
        return self._credential(name)

    def azure_options(self) -> dict[str, Any]:
        """Named arguments for the client of an Azure SDK: `BlobServiceClient(url, …, **user.azure_options())`.

        All clients share one pool of connections. Waits end with the deadline of the request, redirects are not
        followed, and error responses are not retried.

        A token of `credential("NAME")` goes to the host of `DownstreamApis__NAME__BaseUrl` alone. After a claims
        challenge of the service, the request is sent once more, with a token that has the claims. This costs one more
        exchange. If that does not help, or the body cannot be sent again, ClaimsChallenge passes through the client.

        Raises:
            ImportError: azure-core is not installed.
        """
        from .azure_sdk import client_options

        return client_options(self._credentials)

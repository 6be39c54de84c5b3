"""Everything of a tenant in one thread of this process: start it, ask for an environment, stop it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType

from .api_proxy import ApiProxy
from .applications import API, API_IDENTITY
from .assembly import Services, TunnelLookup, build_site, targets_of
from .audit import Audit
from .authority import Authority
from .azure.services import emulated
from .certificates import Certificate, issue_certificate
from .connect_request import CALLERS
from .control import Controls
from .directory import Directory
from .entra.azure_cli import azure_cli_token
from .entra.service import Entra
from .entra.signing import SigningKeys
from .entra.usual_grant import usual_grant
from .environment import (
    CERTIFICATE_NAME,
    api_settings,
    client_settings,
    doctor_settings,
    downstream_settings,
    script_settings,
    site_settings,
    transport,
)
from .faults import Faults
from .flow.routes import Flow
from .flow.story import Story
from .flow.switches import Switches
from .graph import Graph
from .identity import IdentityEndpoint
from .loopback import PortTaken
from .management import Management
from .network import ANY_FREE, Network, Ports
from .recorder import Recording
from .redis_proxy import RedisProxy
from .resources.store import usual_resources
from .table import Table, read_table
from .vault import Vault
from .vault_policy import usual_policy

__all__ = ["PortTaken", "Ports", "Stack"]


class Stack:
    """The whole tenant. Make one with `Stack.start`; as a context manager it stops itself."""

    def __init__(
        self, signing: Certificate, client: Certificate, authority: Authority, table: Table, now: Callable[[], float]
    ) -> None:
        self._now = now
        self._authority = authority
        self._ca = authority.file
        self._network: Network | None = None
        self._tunnels = TunnelLookup()
        self.client_certificate = client
        """The API's newest client certificate."""
        self.audit = Audit()
        self.table = table
        self.faults = Faults((*table.keys, *(service.key for service in table.azure)))
        self.directory = Directory(table)
        self.entra = Entra(self.directory, SigningKeys(signing), now)
        self.vault = Vault(self.entra)
        self.identity = IdentityEndpoint(self.entra)
        self.graph = Graph(self.entra, self.faults)
        self.management = Management(self.entra, self.vault, usual_resources(site_settings(table)))
        """Azure Resource Manager, with what the template would have deployed."""
        switches = Switches(self.faults, table, self.graph.challenge)
        self.flow = Flow(Story(self.audit, self.entra), switches, self.directory, table)
        """What the start page shows."""
        self.apis = {api.key: ApiProxy(api) for api in table.apis}
        """The APIs of the table, by short name."""
        self.azure = {service.key: emulated(self.entra, service) for service in table.azure}
        """The Azure services of the table, by short name."""
        self.directory.register_certificate(API, client)
        self.directory.trust_identity(API, API_IDENTITY)
        self._daemons = {name: self.directory.applications[f"daemon {name}"] for name in table.daemons}
        self._daemon_secrets = {
            name: self.directory.add_secret(app, now() + 365 * 24 * 3600.0) for name, app in self._daemons.items()
        }
        self.vault.put_certificate(CERTIFICATE_NAME, client)
        self.vault.certificate_service.policies[CERTIFICATE_NAME] = usual_policy(CERTIFICATE_NAME)

    @classmethod
    def start(
        cls,
        folder: Path,
        ports: Ports = ANY_FREE,
        now: Callable[[], float] = time.time,
        table: Table | None = None,
    ) -> Stack:
        """Starts everything; writes ca.pem and the servers' certificate into `folder`.

        `table` is that of local-stack.toml unless given. Raises PortTaken, and TableError for a wrong entry.
        """
        table = read_table() if table is None else table
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(2) as pool:
            signing = pool.submit(issue_certificate, "accounts.accesscontrol.windows.net", now(), 1825)
            client = pool.submit(issue_certificate, CERTIFICATE_NAME, now())
            authority = Authority(folder)
            server = authority.certify("server", targets_of(table))
        stack = cls(signing.result(), client.result(), authority, table, now)
        stack._open(ports, server)
        return stack

    def _open(self, ports: Ports, server_certificate: Path) -> None:
        services = Services(self.entra, self.identity, self.vault, self.graph, self.apis, self.management, self.azure)
        self.recording = recording = Recording(self.audit, self.faults, self._now, self._tunnels.caller)
        refused = {
            "graph": self.graph.refused_tokens,
            **{key: api.refused_tokens for key, api in self.apis.items()},
            **{key: service.access.refused_tokens for key, service in self.azure.items()},
        }
        controls = Controls(
            self.audit,
            self.faults,
            self.roll_signing_key,
            self.rotate_client_certificate,
            refused,
            self.directory,
            {key: service.access for key, service in self.azure.items()},
            self.graph.challenge,
            self.flow,
            partial(azure_cli_token, self.entra),
        )
        site = build_site(services, recording, controls, self._tunnels)
        callers = CALLERS.union(self.table.keys)
        self._network = Network(
            site, recording, self._tunnels, targets_of(self.table), callers, server_certificate, ports
        )
        self.entra.sign_in_url = f"{self.sign_in_url}/login.microsoftonline.com"

    def stop(self) -> None:
        """Ends every connection and frees the ports; a second call does nothing."""
        network, self._network = self._network, None
        if network is not None:
            network.stop()

    def reset_contents(self) -> None:
        """Mail, files and the Azure services become what they are at the start, roles of users included."""
        for one in (self.graph.mail, self.graph.drives, *self.azure.values()):
            one.reset()

    def __enter__(self) -> Stack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def ports(self) -> Ports:
        """The real ports."""
        if self._network is None:
            raise RuntimeError("The stack is not running")
        return self._network.ports

    @property
    def sign_in_url(self) -> str:
        """The address of the sign-in server, for a person's browser."""
        return f"http://localhost:{self.ports.sign_in}"

    def environ(self, process: str) -> dict[str, str]:
        """What a process needs beyond PATH and the like: api, client, doctor, script, or an API of the table."""
        identity_url = f"http://127.0.0.1:{self.ports.identity}/msi/token"
        settings: dict[str, Callable[[], dict[str, str]]] = {
            "api": lambda: api_settings(self.table, identity_url, self.identity.header),
            "client": lambda: client_settings(self.table),
            "doctor": lambda: doctor_settings(self.table),
            **{api.key: partial(downstream_settings, self.table, api) for api in self.table.apis},
            "script": lambda: script_settings(identity_url, self.identity.script_header),
        }
        return {**transport(process, self.ports.gateway, self._ca), **settings[process]()}

    def daemon_environ(self, name: str) -> dict[str, str]:
        """What the client needs in order to call the API as the daemon of this name."""
        own = client_settings(self.table, self._daemons[name].client_id, self._daemon_secrets[name])
        return {**transport("client", self.ports.gateway, self._ca), **own}

    def redis_proxy(self, target: int) -> RedisProxy:
        """Opens Azure Managed Redis in front of the redis-server on that port of 127.0.0.1; stop it with `stop()`."""
        certificate = self._authority.certify("redis", ("localhost", "127.0.0.1"))  # not HTTP, so no proxy
        return RedisProxy(self.entra, self.audit, certificate, target)

    def route(self, api: str, url: str | None) -> None:
        """Sends requests for the host name of an API of the table there, for instance to "http://127.0.0.1:7072"."""
        self.apis[api].target = url

    def issue_access_token(
        self,
        person: str,
        *,
        app: str = "api",
        scopes: tuple[str, ...] | list[str] | None = None,
        mfa: bool = False,
        lifetime: float = 3600,
        version: int | None = None,
        **claims: object,
    ) -> str:
        """A genuine token for `app` without the sign-in. Further arguments set claims; None removes one.

        `version` is the application's own unless given: 2, and 1 for Graph.
        """
        grant = usual_grant(self.directory, person, app, scopes, mfa=mfa)
        return self.entra.access_token(grant, lifetime, version, claims)

    def issue_id_token(self, person: str, *, audience: str = "client", **claims: object) -> str:
        """A genuine ID token; `audience` is the key of the application it is for."""
        changes: Mapping[str, object] = {"aud": self.directory.applications[audience].client_id, **claims}
        return self.entra.id_token(usual_grant(self.directory, person, "api"), changes=changes)

    def issue_app_token(
        self,
        *,
        app: str = "api",
        client: str = "client",
        roles: tuple[str, ...] = ("Everything.Read",),
        version: int | None = None,
        **claims: object,
    ) -> str:
        """A genuine app-only token for `app`: it stands for the application `client` and for no person.

        Further arguments set claims; None removes one.
        """
        known = self.directory.applications
        return self.entra.app_token(known[client], known[app], roles, version, claims)

    def sign(self, header: Mapping[str, object], payload: Mapping[str, object]) -> str:
        """Signs anything with Entra's current key; see `SigningKeys.sign`."""
        return self.entra.keys.sign(header, payload)

    def roll_signing_key(self, withdraw_old: bool = False) -> str:
        """Lets a new key sign from now on and returns its id."""
        return self.entra.keys.roll(self._now(), withdraw_old=withdraw_old)

    def rotate_client_certificate(
        self, register: bool = True, unregister_old: bool = False, in_vault: bool = True
    ) -> Certificate:
        """Makes a new client certificate for the API and returns it."""
        fresh = issue_certificate(CERTIFICATE_NAME, self._now())
        old = self.directory.certificates(API)
        if register:
            self.directory.register_certificate(API, fresh)
        if in_vault:
            self.vault.put_certificate(CERTIFICATE_NAME, fresh)
        for certificate in old if unregister_old else ():
            self.directory.unregister_certificate(API, certificate)
        self.client_certificate = fresh
        return fresh

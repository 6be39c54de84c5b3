"""A tenant for the doctor that a test can break, and a small stand-in for the deployed API."""

from __future__ import annotations

import contextlib
import copy
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from doctor.__main__ import examined
from doctor.accepted import judged as judged_settings
from doctor.accepted import judged_names
from doctor.az import TokenRefusedError
from doctor.case import Case
from doctor.given import Given
from doctor.verdicts import CannotTellError, Verdict
from emulators.applications import API
from emulators.audit import Entry
from emulators.entra.azure_cli import azure_cli_token
from emulators.entra.refusals import EntraError
from emulators.people import EVERYONE
from emulators.stack import Stack

Reply = tuple[int, dict[str, Any]]
HEALTHY: Mapping[str, Reply] = {"/api/health": (200, {"status": "healthy"}), "/api/me": (200, {"displayName": "Alice"})}


class DeployedApi:
    """Responds on 127.0.0.1 as `replies` says."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = dict(HEALTHY)
        self.requests: list[tuple[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # noqa: N805 - the name that http.server calls
                self.requests.append((handler.command, handler.path))
                status, body = self.replies.get(handler.path, (404, {}))
                raw = json.dumps(body).encode()
                handler.send_response(status)
                handler.send_header("Content-Length", str(len(raw)))
                handler.end_headers()
                handler.wfile.write(raw)

            def log_message(handler, *_: object) -> None:  # noqa: N805
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def ask_here(settings: Mapping[str, str], names: Sequence[str] | None) -> dict[str, Any]:
    """As `ask_the_code`, without a process of its own. One test starts the process."""
    if names is not None:
        return {"problems": judged_names(settings, list(names)), "facts": None}
    answer: dict[str, Any] = json.loads(json.dumps(judged_settings(settings)))  # as it comes out of the process
    return answer


@dataclass
class Patient:
    """A tenant, a deployed API, and what the doctor is told of them."""

    stack: Stack
    api: DeployedApi
    environ: dict[str, str]
    person: str = "alice"
    ahead: float = 0.0
    tokens: list[str] = field(default_factory=list)
    """Every token that the doctor got."""

    @property
    def site_settings(self) -> dict[str, str]:
        """The app settings of the site."""
        (found,) = self.stack.management.resources.app_settings.values()
        return found

    def set(self, **settings: str) -> None:
        """Settings that are given to the doctor, and on the site as well."""
        self.environ.update(settings)
        self.site_settings.update(settings)

    def token(self, scope: str, _tenant: str) -> str:
        """What `az` would print."""
        try:
            token = azure_cli_token(self.stack.entra, EVERYONE[self.person], scope)
        except EntraError as refusal:
            raise TokenRefusedError("no token", "az login", f"AADSTS{refusal.code}") from None
        self.tokens.append(token)
        return token

    def verdicts(
        self, token_for: Callable[[str, str], str] | None = None, session: requests.Session | None = None
    ) -> dict[str, Verdict]:
        """What the doctor finds, by the name of the check."""
        with session or self.session() as used:
            return {one.name: one for one in examined(self.case(used, token_for))}

    def case(self, session: requests.Session, token_for: Callable[[str, str], str] | None = None) -> Case:
        """What the doctor looks at."""
        return Case(
            Given(self.environ),
            token_for=token_for or self.token,
            now=lambda: time.time() + self.ahead,
            ask=ask_here,
            session=session,
        )

    def session(self) -> requests.Session:
        """A session through the gateway."""
        own = self.stack.environ("doctor")
        session = requests.Session()
        session.trust_env = False
        session.proxies, session.verify = {"https": own["HTTPS_PROXY"]}, own["REQUESTS_CA_BUNDLE"]
        return session

    def entries(self, mark: int) -> list[Entry]:
        """What the emulators have seen of the doctor."""
        return [one for one in self.stack.audit.entries(mark) if one.service != "gateway"]


@contextlib.contextmanager
def whole_again(patient: Patient) -> Iterator[None]:
    """After the block, everything is as before."""
    stack, resources = patient.stack, patient.stack.management.resources
    vault = stack.vault
    roles = ("readers", "officers", "certificate_users", "crypto_users", "metadata_readers")
    holders = {name: set(getattr(vault, name)) for name in roles}
    secrets = {name: list(versions) for name, versions in vault._secrets.items()}
    azure = {
        name: copy.deepcopy(getattr(resources, name))
        for name in ("_documents", "app_settings", "assignments", "developers")
    }
    environ = dict(patient.environ)
    registered, trusted = stack.directory.certificates(API), stack.directory.federated(API)
    try:
        with stack.directory.unchanged():
            yield
    finally:
        for name, ids in holders.items():
            getattr(vault, name).clear()
            getattr(vault, name).update(ids)
        vault._secrets = secrets
        for certificate in stack.directory.certificates(API):
            stack.directory.unregister_certificate(API, certificate)
        for certificate in registered:
            stack.directory.register_certificate(API, certificate)
        stack.directory.federate(API, *trusted)
        for name, value in azure.items():
            setattr(resources, name, value)
        patient.environ, patient.person, patient.ahead = environ, "alice", 0.0
        patient.api.replies = dict(HEALTHY)
        patient.tokens.clear()


def refuse(_scope: str, _tenant: str) -> str:
    """`az` when nobody is signed in."""
    raise CannotTellError("the Azure CLI has no token", "az login")

"""A session of `requests` that keeps to the deadline, follows no redirect and remembers no cookie."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests import RequestException
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.exceptions import ReadTimeoutError

from .deadline_connection import Pool, SecurePool, socket_options

__all__ = ["BearerAuth", "RequestException", "deadline_session", "is_timeout", "no_auth"]

_CONNECTIONS = 32  # kept open per host; more are made and dropped


def deadline_session() -> requests.Session:
    """A session that keeps to the deadline, follows no redirect and remembers no cookie."""
    session = _NoRedirects()
    for scheme in ("https://", "http://"):
        session.mount(scheme, DeadlineAdapter())
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # one user's cookie is not the next's
    return session


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Given explicitly, it keeps requests from looking into ~/.netrc."""
    return request


class BearerAuth(requests.auth.AuthBase):
    """Sets the token through `auth=`: a header set by hand would be overwritten by an entry in ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _NoRedirects(requests.Session):
    """Without it, requests reads the whole body of a 3xx and parses its Location even when told not to follow."""

    def get_redirect_target(self, _: requests.Response) -> None:
        return None


def is_timeout(error: Exception) -> bool:
    """Whether the other side, or the deadline, ended a request for lack of time."""
    cause = error.args[0] if error.args else None  # a time-out in mid-body comes wrapped
    return isinstance(error, requests.Timeout) or isinstance(cause, ReadTimeoutError)


class DeadlineAdapter(HTTPAdapter):
    """Sends once and waits no longer than the deadline allows. Raises what `requests` raises for a time-out."""

    def __init__(self) -> None:
        super().__init__(pool_maxsize=_CONNECTIONS, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, socket_options=socket_options(), **kwargs)
        _make_punctual(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, socket_options=socket_options(), **kwargs)
        if not proxy.lower().startswith("socks"):  # that has connections of its own kind
            _make_punctual(manager)
        return manager


def _make_punctual(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}

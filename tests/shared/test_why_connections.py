"""Why nothing was fetched or loaded has its own words: a misspelled host, inspected TLS, nobody signed in."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from socket import gaierror
from types import SimpleNamespace
from typing import Any

import pytest

from shared.errors import ApiError, ServerMisconfigured, ServiceUnavailable
from shared.net.failure_words import words_for
from shared.validation.metadata import (
    EntraBusyError,
    ForeignIssuerError,
    ForeignKeySetError,
    ForeignTokenEndpointError,
    NotEntraError,
    UnknownTenantError,
    why_no_keys,
)
from tests.support.lab import Lab

UNKNOWN_NAME = "the name of the host is not known to DNS"
TLS = "TLS: the certificate is of an unknown authority, perhaps of a proxy that inspects TLS"
AT = "AzureAd__ClientCredentials__0__"
IDENTITY = "ManagedIdentityClientId"


@pytest.fixture
def no_proxy(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """This process asks DNS itself. A name that ends with .invalid does not exist (RFC 6761 §6.4)."""
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1,.invalid")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1,.invalid")
    return lab


def misspelled(lab: Lab) -> dict[str, str | None]:
    return {"AzureAd__Instance": "https://login.contoso.invalid/"}


def not_entra(lab: Lab) -> dict[str, str | None]:
    lab.stack.faults.add("entra.discovery", status=404, body="<html>hunter2")
    return {}


def a_page(lab: Lab) -> dict[str, str | None]:
    lab.stack.faults.add("entra.discovery", status=200, body="<html>hunter2")
    return {}


def inspected(lab: Lab) -> dict[str, str | None]:
    lab.stack.faults.add("entra.keys", network="tls")
    return {}


def busy(lab: Lab) -> dict[str, str | None]:
    lab.stack.faults.add("entra.discovery", status=503, headers={"Retry-After": "9"})
    return {}


def another_tenant(lab: Lab) -> dict[str, str | None]:
    return {"AzureAd__TenantId": "3c1a0000-0000-4000-8000-000000000001"}


KEYS: dict[str, tuple[Callable[[Lab], dict[str, str | None]], type[ApiError], str]] = {
    "a misspelled host": (
        misspelled,
        ServiceUnavailable,
        f"TransportError: NameResolutionError: {UNKNOWN_NAME}; is AzureAd__Instance spelled right?",
    ),
    "a host that is not Entra": (not_entra, ServiceUnavailable, "NotEntraError: HTTP 404: what responds at AzureAd__"),
    "a page in place of JSON": (a_page, ServiceUnavailable, "NotEntraError: HTTP 200 without a JSON object: what "),
    "a proxy that inspects TLS": (inspected, ServiceUnavailable, f"TransportError: SSLError: {TLS}"),
    "a busy Entra": (busy, ServiceUnavailable, "EntraBusyError: Entra is busy (HTTP 429 or 503)"),
    "another tenant": (
        another_tenant,
        ServerMisconfigured,
        "UnknownTenantError: Entra knows no tenant with the id in ",
    ),
}


@pytest.mark.parametrize("case", KEYS)
def test_why_the_signing_keys_could_not_be_fetched(no_proxy: Lab, caplog: pytest.LogCaptureFixture, case: str) -> None:
    make, kind, told = KEYS[case]
    services = no_proxy.services(**make(no_proxy))
    with pytest.raises(kind) as raised:
        services.sessions.open(no_proxy.stack.issue_access_token("alice"))
    assert told in raised.value.reason
    assert f"signing keys: fetch failed ({told}" in caplog.text
    assert not any(word in caplog.text for word in ("hunter2", "contoso.invalid"))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UnknownTenantError(), "AzureAd__TenantId"),
        (ForeignIssuerError(), "the issuer is another than that of AzureAd__Instance"),
        (ForeignKeySetError(), "the signing keys are at another host than AzureAd__Instance"),
        (ForeignTokenEndpointError(), "the token endpoint is at another host than AzureAd__Instance"),
        (NotEntraError(403), "HTTP 403: what responds at AzureAd__Instance is not Entra"),
        (NotEntraError(502), "HTTP 502: Entra, or a proxy in its place, fails"),
        (EntraBusyError(3), "Entra is busy"),
        (ValueError("hunter2"), "ValueError: what responds at AzureAd__Instance is not Entra"),
    ],
)
def test_each_failure_of_the_metadata_names_what_to_look_at(error: Exception, told: str) -> None:
    assert told in why_no_keys(error)
    assert "hunter2" not in why_no_keys(error)


def verification(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("hunter2")
    error.verify_code = code
    return error


def wrapped(error: Exception) -> Exception:
    """As requests and azure-core do: in an argument, as `reason` and as `inner_exception`."""
    middle = Exception("hunter2")
    middle.reason = error  # type: ignore[attr-defined]
    outer = Exception(middle)
    outermost = Exception("hunter2")
    outermost.inner_exception = outer  # type: ignore[attr-defined]
    return outermost


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped], ids=["as it is", "wrapped"])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        *((verification(code), "of an unknown authority") for code in (18, 19, 20, 21)),
        *((verification(code), "is for another host") for code in (62, 64)),
        *((verification(code), "Python 3.13 and newer check that") for code in range(80, 94)),
        *((verification(code), "TLS: the certificate is not accepted") for code in (1, 17, 22, 63, 65, 79, 94)),
        (verification(9), "is not valid yet, or the clock of this computer is slow"),
        (verification(10), "has ended, or the clock of this computer is fast"),
        (ssl.SSLError("hunter2"), "TLS: no handshake"),
        (gaierror("hunter2"), UNKNOWN_NAME),
        (type("NameResolutionError", (Exception,), {})("hunter2"), UNKNOWN_NAME),
        (FileNotFoundError("hunter2"), "TLS: there is no file at the path in REQUESTS_CA_BUNDLE"),
        (OSError("Could not find a suitable TLS CA certificate bundle"), "TLS: there is no file at the path in "),
        (ConnectionRefusedError("hunter2"), "the connection was refused"),
        (type("ProxyError", (Exception,), {})("hunter2"), "the proxy that HTTPS_PROXY names refused"),
        (KeyError("hunter2"), ""),
    ],
    ids=repr,
)
def test_the_kind_of_failure_is_found_inside_the_errors_of_libraries(
    error: Exception, told: str, wrap: Callable[[Exception], Exception]
) -> None:
    assert told in words_for(wrap(error))
    assert "hunter2" not in words_for(wrap(error))
    assert bool(words_for(wrap(error))) == bool(told)


@pytest.mark.parametrize("place", ["__cause__", "__context__", "reason", "inner_exception"])
def test_a_cause_is_found_twelve_levels_deep_and_no_further(place: str) -> None:
    error: Exception = gaierror()
    for _ in range(11):
        outer = Exception()
        setattr(outer, place, error)
        error = outer
    assert words_for(error) == UNKNOWN_NAME
    outer = Exception(error)
    assert words_for(outer) == ""


def test_a_cause_may_be_the_second_argument_and_the_first_found_counts() -> None:
    assert words_for(Exception("hunter2", gaierror())) == UNKNOWN_NAME
    assert words_for(Exception("a", "b", gaierror())) == ""
    both = Exception(Exception(gaierror()), ConnectionRefusedError())
    assert words_for(both) == "the connection was refused"


def test_errors_that_wrap_each_other_come_to_an_end() -> None:
    one, other = Exception(), Exception()
    one.__cause__, other.__cause__ = other, one
    assert words_for(one) == ""


def no_vault(lab: Lab, _: Path) -> dict[str, str | None]:
    return {f"{AT}KeyVaultUrl": "https://contso.invalid/"}


def vault_inspected(lab: Lab, _: Path) -> dict[str, str | None]:
    lab.stack.faults.add("vault", network="tls")
    return {}


def no_such_name(lab: Lab, _: Path) -> dict[str, str | None]:
    return {f"{AT}KeyVaultCertificateName": "nothing"}


def no_file(lab: Lab, folder: Path) -> dict[str, str | None]:
    return lab.credential("Path", CertificateDiskPath=str(folder / "hunter2.pfx"))


def a_folder(lab: Lab, folder: Path) -> dict[str, str | None]:
    return lab.credential("Path", CertificateDiskPath=str(folder))


CREDENTIALS: dict[str, tuple[Callable[[Lab, Path], dict[str, str | None]], type[ApiError], str]] = {
    "a misspelled vault": (
        no_vault,
        ServiceUnavailable,
        f"ServiceRequestError: {UNKNOWN_NAME} (vault contso.invalid); is KeyVaultUrl right, and may this app reach it?",
    ),
    "a proxy that inspects TLS": (vault_inspected, ServiceUnavailable, f"ServiceRequestError: {TLS}"),
    "a misspelled certificate": (
        no_such_name,
        ServerMisconfigured,
        "ResourceNotFoundError 404 SecretNotFound: the vault has no certificate of this name; is "
        "KeyVaultCertificateName right? (vault ",
    ),
    "no file": (no_file, ServerMisconfigured, "FileNotFoundError: there is no file at CertificateDiskPath"),
    "a folder": (a_folder, ServerMisconfigured, "IsADirectoryError: CertificateDiskPath is a folder"),
}


@pytest.mark.parametrize("case", CREDENTIALS)
def test_why_the_client_credential_could_not_be_loaded(
    no_proxy: Lab, tmp_path: Path, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    make, kind, told = CREDENTIALS[case]
    services = no_proxy.services(**make(no_proxy, tmp_path))
    with pytest.raises(kind) as raised:
        no_proxy.me(services, no_proxy.stack.issue_access_token("alice"))
    assert told in raised.value.reason
    assert told in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("source", ["KeyVault", "SignedAssertionFromVault"])
def test_a_laptop_on_which_nobody_is_signed_in(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """The true DefaultAzureCredential, limited to the ways of a developer, where none of their programs is there."""
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "dev")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    vault = {name: str(lab.environ()[AT + name]) for name in ("KeyVaultUrl", "KeyVaultCertificateName")}
    services = lab.services(**lab.credential(source, **vault))
    with pytest.raises(ServerMisconfigured, match="nobody is signed in to Azure, type `az login`; in Azure, Managed"):
        lab.me(services, lab.stack.issue_access_token("alice"))


def test_an_identity_that_is_taken_away_later_is_told_like_one_that_was_never_there(lab: Lab) -> None:
    identity = str(lab.environ()[AT + IDENTITY])
    services = lab.services(**lab.credential("SignedAssertionFromManagedIdentity", ManagedIdentityClientId=identity))
    lab.me(services, lab.stack.issue_access_token("alice"))
    (client,) = [services.entra.of(services.settings.authority)._clients._client]
    assert client is not None
    body = {"error": "invalid_request", "error_description": "hunter2"}
    credential = client.msal.client.client_assertion
    credential.__self__._identity = SimpleNamespace(get_token=raising(body))
    with pytest.raises(ServerMisconfigured, match="400: the identity with this client id is not assigned") as raised:
        lab.me(services, lab.stack.issue_access_token("olga"))
    assert "hunter2" not in raised.value.reason
    assert services.broken() == ["client credential"]


def raising(body: object) -> Callable[[str], Any]:
    """What azure-identity raises for the identity endpoint of App Service."""
    from azure.identity import CredentialUnavailableError

    def get_token(_: str) -> Any:
        raise CredentialUnavailableError(f"Token request error: (invalid_request) 400, hunter2 {body}")

    return get_token

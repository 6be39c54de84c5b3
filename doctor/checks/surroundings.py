"""Settings, tenant and clock: what everything else depends on."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from ..case import Case
from ..verdicts import CannotTellError, Findings, Wrong, command

CLOCK_SECONDS = 60
"""A clock that is further away makes tokens look not valid yet, or expired."""


def settings(case: Case) -> Findings:
    """The code of the API accepts the settings that are given."""
    for name, reason in sorted(case.answer["problems"].items()):
        yield Wrong(f"{name} {reason}", set_command(case, name))


def set_command(case: Case, name: str) -> str:
    """What changes one app setting of the site. The value is the person's to type."""
    site = ("--name", case.given.text("AZURE_FUNCTION_NAME") or "NAME")
    group = ("--resource-group", case.given.text("AZURE_RESOURCE_GROUP") or "GROUP")
    change = command("az", "functionapp", "config", "appsettings", "set", *site, *group)
    return f"{change} --settings {command(name)}=..."


def tenant(case: Case) -> Findings:
    """Entra knows the tenant, and signs as the issuer that the code expects."""
    reply = case.discovery
    if reply.status >= 500 or reply.status == 429:
        raise CannotTellError(f"Entra responds {reply.status}", "another try, some minutes later")
    if reply.status != 200:
        show = command("az", "account", "show", "--query", "tenantId", "--output", "tsv")
        yield Wrong(f"Entra knows no such tenant ({reply.status}): correct AzureAd__TenantId; this prints yours", show)
    elif reply.body.get("issuer") != case.settings.issuer and case.settings.login in case.settings.discovery_url:
        yield Wrong(
            "the issuer of the tenant is another one: correct AzureAd__Instance", set_command(case, "AzureAd__Instance")
        )


def clock(case: Case) -> Findings:
    """The clock of this machine and that of Entra."""
    try:
        theirs = parsedate_to_datetime(case.discovery.date).timestamp()
    except (ValueError, TypeError):
        raise CannotTellError("Entra's response has no date", "another try") from None
    apart = case.now() - theirs
    if abs(apart) > CLOCK_SECONDS:
        direction = "ahead of" if apart > 0 else "behind"
        yield Wrong(
            f"this clock is {abs(apart):.0f} s {direction} Entra's (Windows: w32tm /resync)",
            command("sudo", "timedatectl", "set-ntp", "true"),
        )
    yield f"within {CLOCK_SECONDS} s of Entra's"

"""Settings, tenant and clock: what everything else depends on."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from ..accepted import UNKNOWN
from ..case import Case
from ..verdicts import CannotTellError, Findings, Wrong, command, correct

CLOCK_SECONDS = 60
"""A clock that is further away makes tokens look not valid yet, or expired."""
_MEANT = "did you mean "


def settings(case: Case) -> Findings:
    """The code of the API accepts the settings that are given."""
    for name, reason in sorted(case.answer["problems"].items()):
        yield wrong_setting(case, name, reason)


def wrong_setting(case: Case, name: str, reason: str, where: str = "") -> Wrong:
    """A setting that the code refuses. An unknown one may be a restriction, misspelled: it is not just deleted."""
    what = f"{where}{name} {reason}"
    if not reason.startswith(UNKNOWN):
        return Wrong(what, set_command(case, name))
    delete = _appsettings(case, "delete", "--setting-names", name)
    meant = reason.partition(_MEANT)[2].rstrip("?")
    return Wrong(what, delete, correct(name, meant), "if nothing needs it")


def set_command(case: Case, name: str) -> str:
    """What changes one app setting of the site. The value is the person's to type."""
    return f"{_appsettings(case, 'set')} --settings {command(name)}=..."


def _appsettings(case: Case, verb: str, *rest: str) -> str:
    site = ("--name", case.given.text("AZURE_FUNCTION_NAME") or "NAME")
    group = ("--resource-group", case.given.text("AZURE_RESOURCE_GROUP") or "GROUP")
    return command("az", "functionapp", "config", "appsettings", verb, *site, *group, *rest)


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

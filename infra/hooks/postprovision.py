"""After provisioning: settings to run the API on this machine against the real tenant, and a note for `azd down`.

azd runs it; by hand: `azd hooks run postprovision`. Running it again changes nothing. Nothing it writes is a secret.
"""

from __future__ import annotations

import sys

import azd
import options
import settings_file

NEEDED = (
    "TENANT_ID",
    "API_CLIENT_ID",
    "API_SCOPE",
    "ORDERS_BASE_URL",  # <orders/>
    "ORDERS_SCOPES",  # <orders/>
    "CLOUD_NAME",
)
OURS = "APP_REGISTRATION_OBJECT_IDS"


def main() -> int:
    theirs = options.registrations_are_theirs()
    missing = [name for name in (*NEEDED, *(() if theirs else (OURS,))) if not azd.told(name)]
    if missing:
        azd.say(f"postprovision: the azd environment lacks {', '.join(missing)}. Type:\n  azd provision")
        return 1
    remembered = theirs or remember_registrations()
    write_local_settings()
    if theirs:
        say_what_the_identity_team_adds()
    say_what_next()
    return 0 if remembered else 1


def remember_registrations() -> bool:
    """For postdown.py, under names of our own: azd forgets its outputs before that hook runs.

    Ids from before remain, in case a registration was created again.
    """
    noted = azd.told("REGISTRATIONS_TO_DELETE").split(",")
    new = azd.told(OURS).split()
    ids = ",".join(dict.fromkeys(filter(None, [*noted, *new])))
    notes = {"REGISTRATIONS_TO_DELETE": ids, "REGISTRATIONS_TENANT": azd.told("TENANT_ID")}
    try:
        for name, value in notes.items():
            if azd.told(name) != value:
                azd.remember(name, value)
    except azd.UnavailableError as problem:
        azd.say(f"The app registrations could not be noted for azd down ({problem}). Type:")
        for name, value in notes.items():
            azd.say(f"  azd env set {name} {value}")
        return False
    return True


def write_local_settings() -> None:
    """local.settings.json, unless nothing on this machine could stand in for the API's credential."""
    if not azd.told("KEY_VAULT_NAME"):
        azd.say(
            f"{settings_file.NAME} is not written: the API's credential is its managed identity, which exists in\n"
            "Azure only, so the API cannot run on this machine against this tenant. Use the emulators (python3 dev.py\n"
            "run), or a second environment for development that has a certificate:\n"
            "  azd env new dev-YOURNAME\n"
            "  azd env set CLIENT_CREDENTIAL certificate\n"
            "  azd up"
        )
        return
    try:
        kept = settings_file.write(azd.ROOT, local_settings())
    except settings_file.EmulatorsRunningError:
        azd.say(f"{settings_file.NAME} is not written: dev.py emulators is using it. Stop that, then type:")
        azd.say("  azd hooks run postprovision")
        return
    if kept:
        azd.say(f"Your own {settings_file.NAME} is kept as {kept}.")
    azd.say(
        f"{settings_file.NAME} is written: `func start` runs the API here against the real tenant, once you may\n"
        "use the certificate (it takes some minutes to take effect; YOUR-ACCOUNT is whom `az login` signs in):"
    )
    signs = options.key_stays_in_vault()
    for role in ("Key Vault Crypto User", "Key Vault Reader") if signs else ("Key Vault Secrets User",):
        grant = f'az role assignment create --role "{role}" --assignee YOUR-ACCOUNT'
        azd.say(f"  {grant} --scope {azd.told('KEY_VAULT_ID')}")


def local_settings() -> dict[str, str]:
    """What function-app.bicep gives the API, but that the developer's own sign-in uses the certificate.

    That is what leaving out ManagedIdentityClientId means.
    """
    credential = "AzureAd__ClientCredentials__0__"
    cloud = options.cloud()
    return {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage": "",
        "AzureAd__Instance": cloud["loginEndpoint"],
        "AzureAd__TenantId": azd.told("TENANT_ID"),
        "AzureAd__ClientId": azd.told("API_CLIENT_ID"),
        "AzureAd__Scopes": azd.told("API_SCOPE").rpartition("/")[2],
        f"{credential}SourceType": "SignedAssertionFromVault" if options.key_stays_in_vault() else "KeyVault",
        f"{credential}KeyVaultUrl": azd.told("KEY_VAULT_URL"),
        f"{credential}KeyVaultCertificateName": azd.told("CREDENTIAL_NAME"),
        "DownstreamApis__Graph__BaseUrl": f"{cloud['graphEndpoint']}/v1.0",
        "DownstreamApis__Graph__Scopes": f"{cloud['graphEndpoint']}/.default",
        "DownstreamApis__Orders__BaseUrl": azd.told("ORDERS_BASE_URL"),  # <orders/>
        "DownstreamApis__Orders__Scopes": azd.told("ORDERS_SCOPES"),  # <orders/>
    }


def say_what_the_identity_team_adds() -> None:
    """The credential of the API, for its registration: public, all of it."""
    azd.say(
        "\nThe app registrations are somebody else's. They add the API's credential to the registration "
        f"{azd.told('API_CLIENT_ID')}:"
    )
    if azd.told("CREDENTIAL_SUBJECT"):
        azd.say(
            "a federated credential with\n"
            f"  issuer    {azd.told('CREDENTIAL_ISSUER')}\n"
            f"  subject   {azd.told('CREDENTIAL_SUBJECT')}\n"
            f"  audience  {azd.told('CREDENTIAL_AUDIENCE')}\n"
            "or, where they deploy registrations.bicep, that again with\n"
            f"  apiIdentityPrincipalId={azd.told('CREDENTIAL_SUBJECT')}"
        )
    elif azd.told("CREDENTIAL_PUBLIC_PART"):
        azd.say(
            "the public certificate that this prints\n"
            "  azd env get-value CREDENTIAL_PUBLIC_PART\n"
            "or, where they deploy registrations.bicep, that again with it as apiCertificatePem."
        )
    else:
        name, vault = azd.told("CREDENTIAL_NAME"), azd.told("KEY_VAULT_NAME")
        azd.say(f"the public part of the certificate {name} in the vault {vault}.")


def say_what_next() -> None:
    if azd.told("GRANT_ADMIN_CONSENT").lower() != "true" and azd.told("ADMIN_CONSENT_URL"):
        azd.say(
            "\nUntil somebody consents for the API, it responds with 403 consent_required. An administrator opens\n"
            f"  {azd.told('ADMIN_CONSENT_URL')}\n"
            f"or types\n  az ad app permission admin-consent --id {azd.told('API_CLIENT_ID')}"
        )
    azd.say(
        "\nOnce the code is deployed (azd up does it next; otherwise azd deploy), call the API as yourself:\n"
        "  azd env get-values > .env\n"
        "  python3 dev.py client --env-file .env /api/me\n"
        "If something refuses, this says what, and which command ends it:\n"
        "  python3 dev.py doctor --env-file .env\n"
    )


if __name__ == "__main__":
    sys.exit(main())

"""Settings that Microsoft.Identity.Web documents and this template does not have: ignored, or refused with the reason.

The two tables are those of docs/configuration.md. A setting in neither table is refused as unknown; see environ.
https://learn.microsoft.com/dotnet/api/microsoft.identity.abstractions.microsoftidentityapplicationoptions
https://learn.microsoft.com/dotnet/api/microsoft.identity.abstractions.downstreamapioptions
"""

from __future__ import annotations

import logging

from .environ import EnvironReader

_SIGN_IN = "is about sign-in pages; an API has none"
_B2C = "is for Azure AD B2C, whose tokens are not accepted here"
_BY_THE_CALL = "is not supported: each call of user.api(…) says it"

IGNORED = {
    "AzureAd__Domain": "is not needed: the tenant is AzureAd__TenantId",
    "AzureAd__CallbackPath": _SIGN_IN,
    "AzureAd__SignedOutCallbackPath": _SIGN_IN,
    "AzureAd__SignedOutRedirectUri": _SIGN_IN,
    "AzureAd__RemoteSignOutPath": _SIGN_IN,
    "AzureAd__ErrorPath": _SIGN_IN,
    "AzureAd__ResponseType": _SIGN_IN,
    "AzureAd__ResponseMode": _SIGN_IN,
    "AzureAd__Prompt": _SIGN_IN,
    "AzureAd__UsePkce": _SIGN_IN,
    "AzureAd__SaveTokens": _SIGN_IN,
    "AzureAd__WithSpaAuthCode": _SIGN_IN,
    "AzureAd__SendX5C": "is not needed: the certificate itself is registered, and named by its thumbprint",
    "AzureAd__AzureRegion": "is for apps that sign in as themselves; the exchange is not regional",
    "AzureAd__AppHomeTenantId": "is for apps that sign in as themselves",
    "AzureAd__LegacyCacheCompatibilityEnabled": "is about a cache that this template does not have",
}
"""Settings that change nothing here: name → why."""

REFUSED = {
    "AzureAd__AllowWebApiToBeAuthorizedByACL": "would let in tokens without scopes; here every token needs one",
    "AzureAd__TokenDecryptionCredentials": "is not supported: encrypted tokens are not accepted",
    "AzureAd__TokenDecryptionCertificates": "is not supported: encrypted tokens are not accepted",
    "AzureAd__TokenValidationParameters": "would change how tokens are validated, which is fixed here",
    "AzureAd__RequireHttpsMetadata": "would let the signing keys come without TLS",
    "AzureAd__MetadataAddress": "is not supported: metadata comes from AzureAd__Instance and AzureAd__TenantId",
    "AzureAd__SignUpSignInPolicyId": _B2C,
    "AzureAd__ResetPasswordPolicyId": _B2C,
    "AzureAd__EditProfilePolicyId": _B2C,
    "AzureAd__DefaultUserFlow": _B2C,
    "AzureAd__ResetPasswordPath": _B2C,
    "AzureAd__ExtraQueryParameters": "is not supported: Entra is sent what the protocol needs and no more",
    "AzureAd__ClientSecret": "must be an entry of AzureAd__ClientCredentials, of SourceType ClientSecret",
    "AzureAd__ClientCertificates": "must be entries of AzureAd__ClientCredentials",
    "AzureAd__ClientCredentialsUsingManagedIdentity": "must be an entry of AzureAd__ClientCredentials, of SourceType "
    "SignedAssertionFromManagedIdentity",
    "AzureAd__UserAssignedManagedIdentityClientId": "must be the ManagedIdentityClientId of an entry of "
    "AzureAd__ClientCredentials",
    "DownstreamApis__<name>__ProtocolScheme": "must be Bearer or left out: no other kind of token is sent",
    "DownstreamApis__<name>__RelativePath": "is not supported: make it part of BaseUrl, or of the path of each call",
    "DownstreamApis__<name>__HttpMethod": _BY_THE_CALL,
    "DownstreamApis__<name>__AcceptHeader": _BY_THE_CALL,
    "DownstreamApis__<name>__ContentType": _BY_THE_CALL,
    "DownstreamApis__<name>__ExtraHeaderParameters": _BY_THE_CALL,
    "DownstreamApis__<name>__ExtraQueryParameters": _BY_THE_CALL,
    "DownstreamApis__<name>__AcquireTokenOptions": "is not supported: the token is the user's, in their own tenant",
}
"""Settings that would weaken a check, or that need a feature that is missing here: name → why."""

HARMLESS = {
    "AzureAd__AllowWebApiToBeAuthorizedByACL": "false",
    "AzureAd__RequireHttpsMetadata": "true",
    "DownstreamApis__<name>__ProtocolScheme": "Bearer",
}
"""The value of a refused setting that describes what this template does anyway. It is accepted."""

log = logging.getLogger(__name__)


def judge_web_settings(env: EnvironReader) -> None:
    """Notes a problem for each refused setting, and logs one warning for all ignored ones."""
    ignored = [name for setting in IGNORED for name in _spelled(setting, env) if env.given(name)]
    if ignored:
        log.warning("settings of Microsoft.Identity.Web that change nothing here are ignored: %s", ", ".join(ignored))
    for setting, reason in REFUSED.items():
        for name in _spelled(setting, env):
            is_harmless = setting in HARMLESS and env.says(name, HARMLESS[setting])
            for given in env.given(name):
                if not is_harmless:
                    env.problems[given] = reason


def _spelled(setting: str, env: EnvironReader) -> list[str]:
    """The names under which a setting may be given: one, or one for each downstream API."""
    if "<name>" not in setting:
        return [setting]
    return [setting.replace("<name>", name) for name in env.children("DownstreamApis")]

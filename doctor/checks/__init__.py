"""The table of checks, in the order in which they are made and shown."""

from __future__ import annotations

from ..case import CONTRIBUTOR, MEMBER, READER, VAULT_READER
from ..verdicts import Check
from . import access, credential, deployed, registration, roles, surroundings

CHECKS = (
    Check("settings", "the code of the API accepts the settings", "the project's packages", surroundings.settings),
    Check("tenant", "Entra knows the tenant", "a way to Entra", surroundings.tenant),
    Check("clock", "this clock is right", "a way to Entra", surroundings.clock),
    Check("registration", "the tenant has the registration", MEMBER, registration.exists),
    Check("token version", "tokens are of version 2", MEMBER, registration.token_version),
    Check("audiences", "the audiences of settings and tokens agree", MEMBER, registration.audiences),
    Check("public URLs", "each address of the API is an identifier URI", MEMBER, registration.public_urls),
    Check("scopes", "the scopes of the settings are offered", MEMBER, registration.scopes),
    Check("pre-authorization", "the client needs no consent for the API", MEMBER, registration.pre_authorized),
    Check("known clients", "one prompt of the client covers the API's needs", MEMBER, registration.known_clients),
    Check("optional claims", "tokens carry the claims that the code reads", MEMBER, registration.optional_claims),
    Check("sign-in audience", "users of the allowed tenants can sign in", MEMBER, registration.sign_in_audience),
    Check("redirect URIs", "the client signs people in where it may", MEMBER, registration.redirect_uris),
    Check("certificate", "the certificate of the vault is registered", VAULT_READER, credential.certificate),
    Check("certificate's end", "the certificate is valid for a while", VAULT_READER, credential.expiry),
    Check("federated credential", "Entra trusts the identity of the site", f"{MEMBER}; {READER}", credential.federated),
    Check("service principals", "API and client are there and enabled", MEMBER, access.principal),
    Check("assignment", "you may use the API and those behind it", MEMBER, access.assignment),
    Check("permissions", "what the settings ask of other APIs is registered", MEMBER, access.permissions),
    Check("consent", "what is registered is granted", MEMBER, access.consent),
    Check("role on the vault", "the identity may use the credential", READER, roles.vault),
    Check("role on the storage", "the host has its storage", READER, roles.storage),
    Check("role on Application Insights", "the identity may send telemetry", READER, roles.insights),
    Check("access to Redis", "the identity may use the shared token cache", READER, roles.redis),
    Check("deployed settings", "the code accepts what the site has", CONTRIBUTOR, deployed.names),
    Check("health", "the deployed app is healthy", "a way to the app", deployed.health),
    Check("metadata", "clients learn how to sign in (RFC 9728)", "a way to the app", deployed.metadata),
    Check("end to end", "a call as you succeeds", "a token for the API", deployed.end_to_end),
)

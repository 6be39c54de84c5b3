"""Entra ID: discovery, sign-in pages and the token endpoint, refusing what Entra refuses."""

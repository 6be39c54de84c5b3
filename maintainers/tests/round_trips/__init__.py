"""Whole round trips: a person with the real client, the API, Entra's pages, and the downstream APIs."""

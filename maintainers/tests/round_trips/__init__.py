"""Whole round trips: a person with the real client, the API, Entra's pages, the APIs behind."""

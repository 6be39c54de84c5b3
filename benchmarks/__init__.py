"""Measurements by command: `python3 dev.py bench SUBJECT`. Nothing here is deployed, and no test needs it."""

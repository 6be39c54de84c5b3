"""Tests of dev.py and of emulators/local: as a person uses them, from a copy of the project."""

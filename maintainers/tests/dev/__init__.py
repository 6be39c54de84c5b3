"""Tests of dev.py and of emulators/local. They run as a person uses them, in a copy of the project."""

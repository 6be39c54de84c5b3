"""Tests of the template itself, on top of those in tests/."""

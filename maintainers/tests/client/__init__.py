"""Tests of client/: against a small server, and against the emulated tenant."""

"""Tests of client/: against a server of their own, and against the emulated tenant."""

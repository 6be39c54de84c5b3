"""Tests of the deployed package: its content, and that both apps run with it alone."""

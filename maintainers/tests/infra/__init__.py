"""Tests of the rules for infra/, of the hooks, and the committed snapshots."""

"""Tests of shared/, one file per module."""

"""Tests of the measurements: they detect what is wrong, and the documents show what they measured."""

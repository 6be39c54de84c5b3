"""Tests of shared/ that need the forgery tables or the fault matrix."""

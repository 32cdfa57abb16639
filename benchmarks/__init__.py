"""Figures, each beside its peers and the floor: ``make bench``. Nothing here is a test."""

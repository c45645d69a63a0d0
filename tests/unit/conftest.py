"""How the property tests run: on a loaded machine a slow example is no failure."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unit", deadline=None, max_examples=60, database=None)
settings.load_profile("unit")

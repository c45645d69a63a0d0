"""Measurements of the whole product on one machine, and what came out of them."""

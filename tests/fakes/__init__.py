"""In-memory implementations of every port, with real state and failures on demand.

They pass the same contract tests as the real adapters (`tests/contract`).
"""

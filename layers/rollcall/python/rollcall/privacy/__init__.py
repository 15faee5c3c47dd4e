"""Keyed hashes, tombstones, erasure."""

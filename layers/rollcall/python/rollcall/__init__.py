"""Rollcall keeps a membership hub in step with a client's HR system."""

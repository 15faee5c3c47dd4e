"""Rollcall keeps a membership hub in step with a client's HR system."""

import gc

# A cold start makes some 100,000 objects that stay. Looking for garbage among them after every 700, as Python does by
# itself, is a sixth of its time (docs/decisions/0075-cold-starts.md).
gc.set_threshold(10_000, 10, 10)

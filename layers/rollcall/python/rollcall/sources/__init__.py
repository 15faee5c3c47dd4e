"""One file per HR system: verify its webhook, turn it into directory events. The README of this folder shows how."""

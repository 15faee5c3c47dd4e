"""The mass-removal guard: more removals than a hub allows in a day wait for an admin."""

"""What changed, when, by whom or by which event, from what to what."""

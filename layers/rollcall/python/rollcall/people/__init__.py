"""What the directory says about people: events, the merge, and the event log."""

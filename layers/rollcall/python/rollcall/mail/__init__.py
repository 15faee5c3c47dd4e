"""Mail: what is said, in which language; the outbox that sends each at most once; and what became of it."""

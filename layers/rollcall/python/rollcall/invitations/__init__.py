"""Invitations: rows of the bulk-invite file, links, the life cycle from queued to accepted."""

"""Hub settings, sources, admins and what they may do."""

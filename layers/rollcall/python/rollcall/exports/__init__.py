"""Files that admins ask for: the bulk-invite template, the members, the data mapping table."""

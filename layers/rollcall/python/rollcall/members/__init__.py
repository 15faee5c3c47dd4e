"""Members of the hub: what the directory says of them, what admins set by hand, and what is shown."""

"""Files that admins upload: asked for first, so that somebody stands behind each."""

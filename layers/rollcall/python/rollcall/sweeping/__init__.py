"""What time brings about: stuck work sent again, invitations expired."""

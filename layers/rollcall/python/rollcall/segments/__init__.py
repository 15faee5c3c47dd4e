"""Roles, segments and their options."""

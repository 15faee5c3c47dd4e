"""Bulk changes that can be read before they happen: planned into parts, approved, applied part by part."""

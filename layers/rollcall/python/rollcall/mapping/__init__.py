"""The data mapping table: from HRIS field and value to role, segment option or profile field."""

"""`perfkit doctor`: looks whether perfkit is set up well."""

"""`perfkit compare`: two exports of a service held against each other."""

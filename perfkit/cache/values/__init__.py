"""How values are kept: as they are, as bytes, or compressed."""

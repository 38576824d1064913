"""Which part of the requests each eviction policy answers, over synthetic and real traces."""

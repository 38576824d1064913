"""`perfkit report`: what a service knows in one HTML file."""

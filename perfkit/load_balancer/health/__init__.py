"""How a balancer learns whether a server is well: from traffic, from checks of its own."""

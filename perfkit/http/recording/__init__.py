"""The flight recorder as adapters see it: what is offered, who may ask, what a response tells, what the API answers."""

"""The triggers: one blueprint per area. A function reads its input, calls one use case, renders the answer."""

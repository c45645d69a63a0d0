"""HTTP: reading requests, authorising callers, rendering answers."""

"""The background work in virtual time: the real use cases, fakes that take time and set quotas."""

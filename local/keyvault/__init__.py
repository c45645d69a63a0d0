"""A stand-in for the secrets plane of Azure Key Vault, on loopback."""

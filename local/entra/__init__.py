"""A stand-in for Microsoft Entra ID, Microsoft Graph and the App Service managed identity endpoint, on loopback.

It answers as the real services do, errors included, for the parts that this product uses. For development and tests
only: nobody proves who they are, and `/_control/` hands out any token.
"""

"""A small functions host: runs an Azure Functions Python v2 app on this machine, without the Core Tools.

A development tool, never a production host. It reads triggers and bindings from the app's own public metadata and
does with them what the platform does, as far as an app of HTTP, timer and queue functions can tell. Loopback only,
no function keys, one process. Where it differs from the real host, the docstring of the module says so.
"""

from local.host.host import Host

__all__ = ["Host"]

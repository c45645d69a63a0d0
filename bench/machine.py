"""Where and with what it was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

LIBRARIES = (
    "azure-functions", "azure-core", "azure-data-tables", "azure-identity", "azure-keyvault-secrets", "aiohttp", "msal",
    "pydantic", "PyJWT", "cryptography",
)  # fmt: skip


def machine() -> dict[str, str | int | float]:
    """Processor, cores, memory, system, and how busy it was when the run began."""
    processor = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition("\n")[0].strip("\t :")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": processor or platform.machine(),
        "cores": os.cpu_count() or 1,
        "memoryGB": round(memory, 1),
        "system": platform.platform(),
        "load": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Of Python, Node, the emulator and the libraries in play."""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    azurite = Path("local/node_modules/azurite/package.json").read_text().partition('"version": "')[2]
    return {
        "python": platform.python_version(),
        "node": node.stdout.strip().removeprefix("v"),
        "azurite": azurite.partition('"')[0],
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
    }

"""Debian's Chromium, headless. Of certificates it takes the stack's own one beside those that it trusts anyway."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import Browser, async_playwright


@asynccontextmanager
async def chromium(certificate: Path) -> AsyncIterator[Browser]:
    """A browser that trusts `certificate`; Chromium's sandbox does not work for root."""
    found = shutil.which("chromium")
    if found is None:
        pytest.fail("Chromium is missing; install Debian's package: apt-get install chromium")
    arguments = [
        f"--ignore-certificate-errors-spki-list={_key_hash(certificate)}",
        "--no-proxy-server",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


def _key_hash(certificate: Path) -> str:
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return base64.b64encode(digest).decode()

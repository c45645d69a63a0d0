"""What the HTTP functions share: where they live, and how they reach the application."""

from __future__ import annotations

from shared import bootstrap
from shared.services.ports.queue import WORK_QUEUE
from shared.web.endpoint import Endpoints

api = Endpoints(bootstrap.application)

APP_CONNECTIONS = "v1/app-connections"
KEY_VAULT = f"{APP_CONNECTIONS}/azure-key-vault"

QUEUE = WORK_QUEUE
UPKEEP_QUEUE = "upkeep"
STORAGE = "AzureWebJobsStorage"

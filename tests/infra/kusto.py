"""What Kusto's own language service says of a query: of its syntax, its tables and its columns."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

COMMON = "customDimensions:dynamic,operation_Name:string,operation_Id:string,cloud_RoleInstance:string,itemCount:int"

TABLES = {
    "customMetrics": "timestamp:datetime,name:string,value:real,valueCount:int,valueSum:real,valueMin:real,"
    f"valueMax:real,valueStdDev:real,{COMMON}",
    "traces": f"timestamp:datetime,message:string,severityLevel:int,{COMMON}",
    "exceptions": f"timestamp:datetime,problemId:string,type:string,outerType:string,outerMessage:string,{COMMON}",
    "requests": "timestamp:datetime,id:string,name:string,url:string,success:string,resultCode:string,duration:real,"
    + COMMON,
    "StorageQueueLogs": "TimeGenerated:datetime,OperationName:string,Uri:string,StatusCode:string,StatusText:string,"
    "CallerIpAddress:string",
    "AZKVAuditLogs": "TimeGenerated:datetime,OperationName:string,ResultType:string,ResultSignature:string,"
    "HttpStatusCode:int,CallerIpAddress:string,Id:string,RequestUri:string,Identity:dynamic,ClientInfo:string",
}
"""The tables that queries may ask, with the columns that Azure documents. Application Insights' own have these names
where a query's scope is the component; in the workspace they are called AppMetrics, AppTraces and so on."""


def complaints(queries: Mapping[str, str]) -> dict[str, list[str]]:
    """What is wrong with each query; nothing for one that is right."""
    asked = {"tables": {name: f"({columns})" for name, columns in TABLES.items()}, "queries": dict(queries)}
    ran = subprocess.run(  # noqa: S603 -- our own script
        ["/usr/bin/env", "node", str(Path(__file__).with_name("kusto.js"))],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, list[str]] = json.loads(ran.stdout)
    return found

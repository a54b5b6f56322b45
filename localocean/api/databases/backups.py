"""/v2/databases/{cluster}/backups: what there is of them, and when the next ones come."""

from __future__ import annotations

from localocean.api.http import Call, Reply
from localocean.api.operations import Operation, Row
from localocean.api.schemas import ANYTHING, many, object_of, reference
from localocean.engine.databases.backups import schedule

GIGABYTE = 10**9


def index(call: Call) -> Reply:
    cluster = call.cloud.databases.record(call.params["cluster"])
    backups = [
        {"created_at": each.created_at, "size_gigabytes": each.size_bytes / GIGABYTE, "incremental": False}
        for each in call.cloud.database_backups.all(cluster)
    ]
    return Reply(200, {"backups": backups, "scheduled_backup_time": schedule(cluster)})


ROUTES = [
    Row(
        "GET",
        "/v2/databases/{cluster}/backups",
        index,
        Operation(
            "List a cluster's backups",
            answer=object_of(backups=many(reference("database_backup")), scheduled_backup_time=ANYTHING),
        ),
    ),
]

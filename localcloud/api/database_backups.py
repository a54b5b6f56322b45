"""/v2/databases/{cluster}/backups: what there is of them, and when the next ones come."""

from __future__ import annotations

from localcloud.api.http import Call, Reply
from localcloud.engine.databases.backups import schedule

GIGABYTE = 10**9


def index(call: Call) -> Reply:
    cluster = call.cloud.databases.record(call.params["cluster"])
    backups = [
        {"created_at": each.created_at, "size_gigabytes": each.size_bytes / GIGABYTE, "incremental": False}
        for each in call.cloud.database_backups.all(cluster)
    ]
    return Reply(200, {"backups": backups, "scheduled_backup_time": schedule(cluster)})


ROUTES = [("GET", "/v2/databases/{cluster}/backups", index)]

"""The function app: every blueprint, and nothing else.

Importing this reads no environment, opens no connection and imports no heavy SDK: the services are
built by `shared/bootstrap.py` when the first invocation asks for them.
"""

import azure.functions as func

from functions import (
    api_keys,
    audit,
    bookings,
    calls,
    docs,
    fleet,
    fleet_drill,
    health,
    housekeeping,
    invites,
    machines,
    operators,
    outbox,
    pages,
    reminders,
    reports,
    rooms,
    series,
    sign_in,
)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for module in (
    api_keys,
    audit,
    bookings,
    calls,
    docs,
    fleet,
    fleet_drill,
    health,
    housekeeping,
    invites,
    machines,
    operators,
    outbox,
    pages,
    reminders,
    reports,
    rooms,
    series,
    sign_in,
):
    app.register_functions(module.bp)

"""The timer of `booking.reminder`."""

from __future__ import annotations

import azure.functions as func

from shared.platform import logs

bp = func.Blueprint()


@bp.timer_trigger("timer", "0 * * * * *")
async def bookings_remind(timer: func.TimerRequest) -> None:
    from shared.bootstrap import services

    logs.new_operation()
    await services().reminders.run()

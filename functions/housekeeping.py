"""Timers that bring to an end what was left half done, and forget what has had its time."""

from __future__ import annotations

import azure.functions as func

from shared.platform import logs
from shared.platform.waiting import together

bp = func.Blueprint()


@bp.timer_trigger("timer", "30 */5 * * * *")
async def calendar_sweep(timer: func.TimerRequest) -> None:
    from shared.bootstrap import services

    logs.new_operation()
    everything = services()
    await together(everything.sweeper.run(), everything.rooms.finish())


@bp.timer_trigger("timer", "0 0 3 * * *")
async def rooms_nightly(timer: func.TimerRequest) -> None:
    from shared.bootstrap import services

    logs.new_operation()
    everything = services()
    await together(everything.rooms.nightly(), everything.keys.purge())


@bp.timer_trigger("timer", "0 20 * * * *")
async def fleet_forecast(timer: func.TimerRequest) -> None:
    from shared.bootstrap import services

    logs.new_operation()
    await services().forecast.run()

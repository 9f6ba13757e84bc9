"""The composition root: builds every service from the settings, once a process, when first asked.

The only module that imports the heavy SDKs, and the only one that knows which adapter serves a
port.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

import aiohttp

from shared.audit.service import AuditTrail
from shared.audit.store import AuditStore
from shared.bookings.calendar import Calendar
from shared.bookings.closing import Closing
from shared.bookings.contention import Contention
from shared.bookings.desk import Desk
from shared.bookings.finding import RoomFinder
from shared.bookings.guests import Guests
from shared.bookings.ics import CalendarFiles
from shared.bookings.index import BookingIndex
from shared.bookings.making import Maker
from shared.bookings.models import SHARED_LINK, Booking
from shared.bookings.moving import Mover
from shared.bookings.occupancy import Occupancy
from shared.bookings.participants import Participants
from shared.bookings.pins import Pins
from shared.bookings.reminders import Reminders
from shared.bookings.room_index import RoomIndex
from shared.bookings.room_service import RoomService
from shared.bookings.rooms import Rooms
from shared.bookings.series import SeriesService
from shared.bookings.service import Bookings
from shared.bookings.sweeper import Sweeper
from shared.calls.joining import Joining
from shared.calls.receiver import JanusEvents
from shared.calls.service import Calls
from shared.calls.store import CallStore
from shared.events.outbox import Outbox
from shared.events.relay import Relay, log_event
from shared.fleet.compute import Compute
from shared.fleet.drill import Drills
from shared.fleet.drill_book import DrillBook
from shared.fleet.drill_call import DrillCall
from shared.fleet.drill_steps import DrillSteps
from shared.fleet.driver import Driver
from shared.fleet.forecast import Forecast
from shared.fleet.hosts import FleetHosts
from shared.fleet.idle import Idle
from shared.fleet.incidents import Incidents
from shared.fleet.now import FleetNow
from shared.fleet.overrides import Overrides
from shared.fleet.planning import Planning
from shared.fleet.reconciler import Reconciler
from shared.fleet.rooms import RoomKeeper, RoomSecrets
from shared.fleet.service import FleetService
from shared.fleet.store import FleetStore
from shared.fleet.switch import PowerSwitch
from shared.janus.client import JanusClients
from shared.janus.port import JanusFactory
from shared.operators.messenger import Messenger
from shared.operators.messenger_apprise import AppriseMessenger
from shared.operators.service import OperatorMessages
from shared.platform import logs
from shared.platform.api_keys import KeyReader
from shared.platform.auth import Invites, LocalTokens, TokenVerifier
from shared.platform.clock import Clock, SystemClock
from shared.platform.crypto import Crypto
from shared.platform.ids import Ids
from shared.platform.once import Keys
from shared.platform.queues import Queues
from shared.platform.queues_azure import AzureQueues
from shared.platform.settings import Settings, load_settings, unknown_settings
from shared.platform.tables import StorageUnavailable, Tables
from shared.platform.tables_azure import AzureTables
from shared.platform.throttle import Throttle
from shared.reports.bulletins import Bulletins
from shared.reports.calls import CallTimes
from shared.reports.reader import LedgerReader
from shared.reports.service import Reports
from shared.reports.week_plan import WeekPlans
from shared.tenants.api_keys import ApiKeys

STORAGE_PATIENCE = 2.0
"""Seconds that the health check gives each storage service."""


@dataclass(frozen=True)
class Ports:
    """What the services stand on; tests put fakes here."""

    tables: Tables
    queues: Queues
    compute: Compute
    janus: JanusFactory
    messenger: Messenger
    clock: Clock
    random: random.Random


class Services:
    """The services of one process. Cheap to build: clients connect when first used."""

    def __init__(self, settings: Settings, ports: Ports, session: Any = None) -> None:
        self.settings = settings
        self.ports = ports
        self._ids = Ids(ports.clock, ports.random)
        self._outbox = Outbox(ports.tables, ports.queues, ports.clock, self._ids)
        self._crypto = Crypto(settings.encryption_keys.get_secret_value())
        self._janus_key = settings.janus_key.get_secret_value()
        self._make_entrance(session)
        self._make_bookings()
        self._make_fleet()
        self._make_drills()
        self._make_calls()
        self._make_reports()
        self.operators = OperatorMessages(ports.messenger, ports.queues, settings, ports.clock)
        self._make_relay()

    def _make_entrance(self, session: Any) -> None:
        settings, clock, tables = self.settings, self.ports.clock, self.ports.tables
        self.keys = Keys(tables, self._crypto, clock)
        self.audit = AuditTrail(AuditStore(tables), settings, clock)
        self.api_keys = ApiKeys(tables, self._outbox, clock, self._ids)
        self.throttle = Throttle(settings, clock)
        self.verifier = TokenVerifier(settings, clock, lambda: session, KeyReader(tables))
        self.local_tokens = LocalTokens(settings, clock)

    def _make_bookings(self) -> None:
        settings, clock, tables = self.settings, self.ports.clock, self.ports.tables
        outbox, ids = self._outbox, self._ids
        rooms = Rooms(tables, outbox, self._crypto, clock, ids)
        calendar = Calendar(tables, outbox, clock)
        contention = Contention(clock, self._pause)
        index = BookingIndex(tables)
        self.fleet_store = FleetStore(tables, outbox)
        self._secrets = RoomSecrets(rooms, self._janus_key)
        hosts = FleetHosts(self.fleet_store, self._secrets, self.ports.janus, settings, clock)
        finder = RoomFinder(calendar, rooms, settings)
        self._room_index = room_index = RoomIndex(tables, calendar, settings.max_booking)
        desk = Desk(
            calendar, finder, contention, rooms, index, room_index, outbox, settings, clock, ids
        )
        occupancy = Occupancy(calendar, settings, clock, self._pause)
        self.rooms = RoomService(
            rooms,
            room_index,
            occupancy,
            Closing(rooms, occupancy, hosts, outbox, clock),
            Pins(rooms, occupancy, hosts, outbox, clock),
            Participants(calendar, rooms, hosts, settings, clock),
            hosts,
            outbox,
            settings,
            clock,
        )
        maker, mover = Maker(desk, hosts), Mover(desk)
        self.bookings = Bookings(maker, mover, calendar, rooms, index, outbox, settings, clock)
        self.series = SeriesService(desk, self.bookings, tables)
        self.sweeper = Sweeper(calendar, settings, clock)
        self.guests = Guests(tables, self.bookings, calendar, contention, outbox, clock, ids)
        self.calendar_files = CalendarFiles(settings, clock)
        self.reminders = Reminders(tables, calendar, outbox, settings, clock)

    def _make_fleet(self) -> None:
        settings, clock, compute = self.settings, self.ports.clock, self.ports.compute
        store, outbox, bookings = self.fleet_store, self._outbox, self.bookings
        janus, queues = self.ports.janus, self.ports.queues
        keeper = RoomKeeper(store, bookings, self._secrets, clock)
        switch = PowerSwitch(store, compute, outbox, settings, clock)
        driver = Driver(store, switch, janus, keeper, settings, clock)
        incidents = Incidents(store, outbox, clock)
        self.reconciler = Reconciler(bookings, store, compute, driver, incidents, settings, clock)
        self.fleet = FleetService(store, self._secrets, janus, queues, settings, clock)
        self.overrides = Overrides(store, compute, self.fleet, outbox, settings, clock)
        self.planning = Planning(bookings, store, compute, settings, clock)
        self.fleet_now = FleetNow(bookings, store, compute, settings, clock)
        self.forecast = Forecast(bookings, store, compute, incidents, settings, clock)

    def _make_drills(self) -> None:
        settings, clock, wake = self.settings, self.ports.clock, self.fleet.wake
        idle = Idle(self.bookings, settings, clock)
        book = DrillBook(self.fleet_store, self._outbox, settings.pool)
        call = DrillCall(self.ports.janus, self._janus_key, settings.pool, self._ids, clock)
        steps = DrillSteps(book, idle, call, wake, settings, clock)
        self.drills = Drills(book, steps, idle, self.ports.compute, wake, settings, clock)

    def _make_calls(self) -> None:
        settings, clock, outbox = self.settings, self.ports.clock, self._outbox
        store = CallStore(self.ports.tables, outbox)
        self.calls = Calls(
            store,
            self.audit,
            self.fleet,
            self._secrets,
            outbox,
            self.ports.queues,
            settings,
            clock,
        )
        invites = Invites(settings.link_key.get_secret_value())
        self.joining = Joining(
            self.bookings, self.fleet, store, invites, self._janus_key, settings, clock, self._ids
        )
        self.janus_events = JanusEvents(self.calls, self._janus_key)

    def _make_reports(self) -> None:
        settings, clock, tables = self.settings, self.ports.clock, self.ports.tables
        self._call_times = CallTimes(tables, settings)
        ledger = LedgerReader(self.fleet_store, self._call_times, settings, clock)
        self.reports = Reports(ledger, settings, clock)
        plans = WeekPlans(self.planning, self.bookings, settings)
        self.bulletins = Bulletins(tables, self._outbox, self.reports, plans, settings, clock)

    def _make_relay(self) -> None:
        self.relay = Relay(
            self.ports.tables,
            self.ports.queues,
            self.ports.clock,
            [
                log_event,
                self.audit.on_event,
                self.bookings.on_event,
                self._room_index.on_event,
                self.series.on_event,
                self.drills.on_event,  # before the reconciler is woken
                self.fleet.on_event,
                self.calls.on_event,
                self._call_times.on_event,
                self.operators.on_event,
            ],
        )

    async def tick(self, attempt: int = 0) -> None:
        """One pass of the reconciler; the next one soon when something is on its way."""
        report = await self.reconciler.run()
        await self.calls.reconcile(report)
        if report.restless:
            await self.fleet.follow(attempt)

    def invite_url(self, booking: Booking, invite_id: str = SHARED_LINK) -> str:
        """The token stays in the fragment: no server and no log ever sees it."""
        token = quote(self.joining.invite_token(booking, invite_id), safe="")
        return f"{self.settings.public_url}/call#invite={token}"

    async def health(self) -> dict[str, str]:
        database, queue, janus = await asyncio.gather(
            self._answers(self.ports.tables.ping(STORAGE_PATIENCE)),
            self._answers(self.ports.queues.ping(STORAGE_PATIENCE)),
            self._janus(),
        )
        storage = database == queue == "ok"
        status = "down" if not storage else "degraded" if janus == "down" else "ok"
        return {"status": status, "database": database, "queue": queue, "janus": janus}

    async def _janus(self) -> str:
        try:
            async with asyncio.timeout(STORAGE_PATIENCE):
                return await self.fleet.health()
        except (StorageUnavailable, TimeoutError):
            return "down"

    @staticmethod
    async def _answers(ping: Any) -> str:
        try:
            await ping
        except StorageUnavailable as error:
            logs.event("health.storage_down", reason=str(error))
            return "down"
        return "ok"

    async def _pause(self, attempt: int) -> None:
        """Full jitter over a window that grows with the attempts."""
        if attempt:
            window = min(0.02 * 2**attempt, 0.5)
            await asyncio.sleep(self.ports.random.uniform(0, window))


@cache
def services() -> Services:
    """The services of this process. Raises `SettingsError`; a failure is not remembered."""
    settings = load_settings()
    logs.set_levels(settings.log_level)
    if unknown := unknown_settings():
        logs.event("settings.unknown", level=logging.WARNING, names=unknown)
    secret = settings.storage_connection
    connection = secret.get_secret_value() if secret else None
    session = aiohttp.ClientSession()
    clock = SystemClock()
    ports = Ports(
        tables=AzureTables(connection, settings.storage_account),
        queues=AzureQueues(connection, settings.storage_account),
        compute=_compute(settings, clock),
        janus=JanusClients(session, settings.janus_key.get_secret_value(), clock),
        messenger=AppriseMessenger(settings),
        clock=clock,
        random=random.SystemRandom(),
    )
    return Services(settings, ports, session)


def _compute(settings: Settings, clock: Clock) -> Compute:
    """Imports the one that is used."""
    if settings.compute == "azure":
        from shared.fleet.compute_azure import AzureCompute

        return AzureCompute(settings, clock)
    from shared.fleet.compute_local import LocalCompute

    return LocalCompute(settings)

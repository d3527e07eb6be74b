"""`dialout run`: a process in the foreground, from its configuration to the signal that ends it."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

from control.budget_store import SqliteBudgetStore
from control.config import Config
from control.config_control import NO_SOCKET
from control.config_file import read_config
from control.console import printable
from control.dialout.events import Event
from control.difference import Difference
from control.errors import DialoutError, ResourceError
from control.exit_codes import OK
from control.journal_entry import entry
from control.log import Level, Log, Structured
from control.metrics.facts import LogFacts
from control.operation.where import to_listen
from control.runtime import privileges
from control.runtime.collector import calm
from control.runtime.control_listener import ControlListener
from control.runtime.control_socket import ControlSocket
from control.runtime.journal import Journal, is_journal
from control.runtime.lines import Lines
from control.runtime.observation import Observation
from control.runtime.operated import Operated
from control.runtime.people import access, group, user_number
from control.runtime.process import Process
from control.runtime.service import Service
from control.runtime.state import StateDirectory

_WITHOUT_MEANING = (signal.SIGUSR1, signal.SIGUSR2)
"""Other daemons reopen logs or show counters at these; unasked they would end the process."""
KERNEL_PATIENCE = 5.0
"""Seconds for the kernel to take the first routes: earlier packets it calls unreachable."""
KERNEL_SLOW = "the kernel has not taken all routes yet: packets may find no way to us"
TOLD = 100
"""Differences that the log tells one by one: ten thousands take longer to write than to make."""
NO_STATE = "without --state budgets begin anew with every start"


def run(
    path: str,
    *,
    state: str | None,
    grace: float,
    as_json: bool,
    level: Level,
    user: str = "",
    to: str = "auto",
    socket: str | None = None,
) -> int:
    """Runs until SIGINT or SIGTERM; SIGHUP reads the configuration again. Returns the exit code.

    `to`: where the log goes, `stdout`, `journal`, or `auto`; `user`: whose rights it has from the
    beginning, with the capabilities that ports need; `socket`: where the control socket is, in
    place of what the configuration says. Raises ConfigurationError, ResourceError, OSError.
    """
    # A core would hold every secret there is (threat T22).
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    config = read_config(path)
    _let_memory_be_locked()
    with ExitStack() as stack:
        listener = _listen(config, socket, user)
        if listener is not None:
            stack.callback(listener.close)
        _give_up_privileges(config, user)
        store = None
        if state is not None:
            directory = stack.enter_context(StateDirectory(state))
            store = SqliteBudgetStore(str(directory.budgets))
            stack.callback(lambda: store.close(time.time()))
        lines = Lines(sys.stdout, _complain)
        stack.callback(lines.close)
        journal = _journal(to) if not as_json else None
        structured: Structured | None = None
        if journal is not None:
            stack.callback(journal.close)
            structured = partial(_to_journal, journal)
        log = Log(lines.write, time.time, as_json=as_json, structured=structured, level=level)
        stack.callback(log.close)

        def lost() -> int:
            return lines.lost + (0 if journal is None else journal.lost)

        service = Service()
        stack.callback(service.close)
        running = _Run(path, config, store, grace, log, lost, service)
        return asyncio.run(running.run(listener))


def _complain(why: str) -> None:
    if sys.stderr is not None:
        what = f"dialout: the log cannot be written: {why}; what is lost is counted"
        print(what, file=sys.stderr, flush=True)


def _journal(to: str) -> Journal | None:
    """The journal, if it is asked for or standard output leads there anyway."""
    if to == "stdout":
        return None
    if to == "journal" or (sys.stdout is not None and is_journal(os.environ, sys.stdout.fileno())):
        try:
            return Journal()
        except OSError as error:
            if to == "journal":
                what = f"{error.filename}: no journal: {error.strerror}"
                raise ResourceError(what) from None
    return None


def _to_journal(
    journal: Journal, level: Level, event: str, text: str, fields: Mapping[str, Any]
) -> None:
    journal.write(entry(level, text, event, fields))


def _listen(config: Config, path: str | None, user: str) -> ControlListener | None:
    """Before privileges are given up: the socket's directory and group may need them."""
    settings = config.control
    access(settings)  # names that nobody has are told before anything is done
    path = settings.socket or to_listen() if path is None else path
    if path == NO_SOCKET:
        return None
    gid = group("group", settings.group) if settings.group else None
    return ControlListener(os.path.abspath(path), gid, owner=user_number(user) if user else None)


def _let_memory_be_locked() -> None:
    """The frames of AF_XDP sockets count, where this limit holds; only root may raise it."""
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)


def _give_up_privileges(config: Config, user: str) -> None:
    """Threads that are started later have no more than this one has now."""
    schemes = {port.url.partition(":")[0]: port for port in config.port}
    for scheme, port in schemes.items():
        if lacking := privileges.missing(privileges.needed((scheme,))):
            raise ResourceError(
                f"port {port.name}: {port.url} needs {' and '.join(lacking)}, "
                "which this process does not have"
            )
    for router in config.virtual_router:
        if router.kernel_table and privileges.missing({privileges.NET_ADMIN}):
            raise ResourceError(
                f"virtual_router {router.name}: kernel_table {router.kernel_table} needs "
                "CAP_NET_ADMIN, which this process does not have"
            )
    # A reload may bring ports of interfaces and kernel routes.
    kept = {privileges.NET_ADMIN, privileges.NET_RAW} | privileges.needed(schemes)
    if "xdp" in schemes and resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] >= 0:
        kept.add(privileges.IPC_LOCK)
    privileges.drop(kept, user)


class _Run:
    def __init__(
        self,
        path: str,
        config: Config,
        store: SqliteBudgetStore | None,
        grace: float,
        log: Log,
        lost: Callable[[], int],
        service: Service,
    ) -> None:
        self._path = path
        self._store = store
        self._grace = grace
        self._log = log
        self._service = service
        self._end = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._control: ControlSocket | None = None
        self._process = Process(config, store=store, on_event=self._tell)
        self._observation = Observation(
            self._process,
            note=self._note,
            log=lambda: LogFacts(log.suppressed, lost()),
            state_kept=store is not None,
        )

    async def run(self, listener: ControlListener | None) -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_defect)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_end, number)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload)
        for number in _WITHOUT_MEANING:
            loop.add_signal_handler(number, self._on_other, number)
        process = self._process
        await process.start()
        try:
            await self._observation.start()
        except DialoutError:
            await process.stop(self._grace)
            raise
        calm()
        if not await process.kernel.told(KERNEL_PATIENCE):
            self._note(Level.WARNING, "kernel", KERNEL_SLOW)
        self._note(Level.NOTICE, "started", self._started())
        if self._store is None:
            self._note(Level.WARNING, "state", NO_STATE)
        if listener is not None:
            router = Operated(process, self._observation, self._load)
            control = access(process.config.control)
            self._control = ControlSocket(listener, router, control, self._on_order)
            await self._control.start()
        self._service.ready(self._started())
        self._show_life()
        if self._control is not None:
            await asyncio.to_thread(self._control.prepare)
        await self._end.wait()
        self._service.stopping()
        self._observation.stop()
        if self._control is not None:
            await self._control.close()
        stopping = asyncio.create_task(process.stop(self._grace))
        self._end.clear()
        again = asyncio.create_task(self._end.wait())
        await asyncio.wait((stopping, again), return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        if not stopping.done():
            # Asked twice: whoever stops us does not want to wait for peers.
            stopping.cancel()
        await asyncio.wait((stopping,))
        heard = "every peer has heard of it" if process.lns.stopped else "not every peer answered"
        self._note(Level.NOTICE, "stopped", heard)
        return OK

    def _show_life(self) -> None:
        """By the loop that does all of control's work: if that hangs, nobody hears of it."""
        interval = self._service.watchdog
        if interval is not None:
            self._service.alive()
            asyncio.get_running_loop().call_later(interval, self._show_life)

    def _started(self) -> str:
        ports = ", ".join(f"{p.config.name} {p.config.url}" for p in self._process.ports)
        return f"{len(self._process.config.target)} targets, ports: {ports}"

    def _on_end(self, number: signal.Signals) -> None:
        self._note(Level.NOTICE, "signal", f"{number.name}: closing calls and tunnels")
        self._end.set()

    def _on_other(self, number: signal.Signals) -> None:
        self._note(Level.NOTICE, "signal", f"{number.name}: it has no meaning here")

    def _on_reload(self) -> None:
        task = asyncio.create_task(self._reload())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload(self) -> None:
        with suppress(DialoutError, OSError):
            await self._load(dry_run=False)

    async def _load(self, *, dry_run: bool) -> Difference:
        """Reads the file beside the loop, for it may be long, and puts it in force or only tries.
        Raises what is wrong with it, and all stays as it was."""
        async with self._reloading:
            if dry_run:
                return await self._read(dry_run=True)
            self._service.reloading()
            try:
                found = await self._read()
            except (DialoutError, OSError) as error:
                for line in str(error).split("\n"):
                    self._note(Level.ERROR, "reload", line)
                self._note(Level.ERROR, "not reloaded", "the configuration in force stays")
                raise
            finally:
                self._service.ready(self._started())
            for change in found.changes[:TOLD]:
                self._note(Level.NOTICE, "reload", str(change))
            self._note(Level.NOTICE, "reloaded", f"{len(found.changes)} differences")
            return found

    async def _read(self, *, dry_run: bool = False) -> Difference:
        config = await asyncio.to_thread(read_config, self._path)
        who = access(config.control)
        found = await self._process.reload(config, dry_run=dry_run)
        if self._control is not None and not dry_run:
            self._control.access = who
        return found

    def _on_order(self, text: str) -> None:
        self._note(Level.NOTICE, "operator", text)

    def _tell(self, event: Event) -> None:
        self._log.event(event, event.time)

    def _note(self, level: Level, what: str, text: str) -> None:
        self._log.note(level, what, printable(text), self._process.now)

    def _on_defect(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Something raised that should not have: told in one line, and everything else goes on."""
        error = context.get("exception")
        where = ""
        trace = getattr(error, "__traceback__", None)
        while trace is not None:
            code = trace.tb_frame.f_code
            where = f" in {code.co_qualname}, line {trace.tb_lineno}"
            trace = trace.tb_next
        self._note(Level.ERROR, "defect", f"{type(error).__name__}{where}")

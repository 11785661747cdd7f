"""Dask as the transport: a cluster inside of this process, or any that has an address."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from converter.zoo.records.result import Result
from converter.zoo.results.content_key import code_key
from converter.zoo.running import worker
from converter.zoo.running.warm import Servers
from converter.zoo.running.worker import Task
from passes.errors import UsageError

SETTINGS = {
    # A worker holds next to nothing; its children have limits of their own.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.work-stealing": False,
}
CONNECT_SECONDS = 30
WORKER_SECONDS = 60
AHEAD = 2
"""Tasks in flight for each that runs: enough that no worker waits, few enough that memory stays flat."""

Perform = Callable[[Task], Result]


class Cluster:
    """Workers that take tasks, for a `with` block.

    Args:
        run: the run's folder: what is stopped with it.
        address: of a scheduler; None for `jobs` workers in this process, which need no port.
        perform: what a worker does with a task.

    Raises:
        UsageError: Dask is not installed, nobody answers at the address, or a worker has another keraport.
    """

    def __init__(self, run: str, address: str | None, jobs: int, *, perform: Perform = worker.perform) -> None:
        try:
            import dask
            import distributed
        except ImportError as error:
            raise UsageError("`keraport zoo` needs Dask.", hint="pip install 'keraport[zoo]'") from error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # results say what was lost
        self._run, self._perform = run, perform
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(dask.config.set(SETTINGS))
        if address is None:
            cluster = self._stack.enter_context(
                distributed.LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    processes=False,
                    memory_limit=0,
                    dashboard_address="127.0.0.1:0",
                )
            )
            self._client = self._stack.enter_context(distributed.Client(cluster))
            self._stack.callback(Servers.close_shared)
        else:
            self._client = self._stack.enter_context(_connected(distributed, address))

    def __enter__(self) -> Cluster:
        try:
            self._wait_for_a_worker()
            found = self._client.run(worker.ready, self._run)
            for where, facts in found.items():
                if facts["code"] != code_key():
                    raise UsageError(f"The worker {where} has another keraport.", hint="Install the same one there.")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def slots(self) -> int:
        """How many tasks run at the same time now."""
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    def _wait_for_a_worker(self) -> None:
        """Workers may be started together with the run; one is enough to begin."""
        try:
            self._client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise UsageError(
                "The cluster has no workers.", hint="Start one: dask worker ADDRESS --nthreads 1 --memory-limit 0"
            ) from error

    def listen(self, on_event: Callable[[dict[str, Any]], None]) -> None:
        """Have the events of all workers told, in a thread of Dask's."""
        self._client.subscribe_topic(worker.TOPIC, lambda event: on_event(event[1]))

    def run(self, tasks: Iterable[Task], *, ahead: int | None = None) -> Iterator[tuple[Task, Result]]:
        """The results as they come. Closing the iterator, or Ctrl-C, ends what runs.

        Args:
            tasks: taken one by one as workers become free.
            ahead: how many are in flight at most; 1 has each run alone.
        """
        from distributed import as_completed

        waiting = iter(tasks)
        running: dict[Any, Task] = {}
        finished = as_completed(raise_errors=False)

        def submit() -> None:
            free = (ahead or AHEAD * self.slots) - len(running)  # below zero when a worker has died
            for task in islice(waiting, max(0, free)):
                future = self._client.submit(self._perform, task, pure=False, retries=0)
                running[future] = task
                finished.add(future)

        try:
            submit()
            for future in finished:
                task = running.pop(future)
                error = future.exception() if future.status != "finished" else None
                result = future.result() if error is None else worker.crashed(task, error)
                future.release()
                yield task, result
                submit()
        finally:
            if running:
                self._end(running)

    def _end(self, running: dict[Any, Task]) -> None:
        """What runs is ended, what waits does not begin, and all of it is waited for."""
        from distributed import wait

        with contextlib.suppress(OSError, TimeoutError):
            self._client.run(worker.stop, self._run)
            wait(list(running), timeout=CONNECT_SECONDS)


def _connected(distributed: Any, address: str) -> Any:
    try:
        return distributed.Client(address, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(
            f"No Dask scheduler answers at {address!r}.", hint="Start one with `dask scheduler`; it prints its address."
        ) from error
